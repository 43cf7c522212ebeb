// What OTP 25's documentation of gen_server and supervisor promises and no row of the catalogue names.
#include "children.hpp"
#include "servers.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <heirloom/explore.hpp>

namespace heirloom::test {
namespace {

using texts = std::vector<std::string>;

// --- gen_server: how it ends -----------------------------------------------------------------------------------------

/// Says which of its last callbacks ran, and runs what it is sent.
class ends {
public:
    struct said {
        std::string text;
    };
    struct run {
        std::function<void()> what;
    };
    struct ask {
        using reply = int;
        std::function<void()> what;
    };
    using info = handles<exit_signal>;
    ends(pid boss, bool trapping) : boss_(boss) { trap_exit(trapping); }
    ~ends() { try_send(boss_, said{"destroyed"}); }
    void handle_cast(const run& r) { r.what(); }
    int handle_call(const ask& a) { return a.what(), 1; }
    void handle_info(exit_signal e) { try_send(boss_, said{"signal " + to_string(e.reason)}); }
    void terminate(const exit_reason& why) {
        try_send(boss_, said{"terminate " + (why.is_crash() ? "crash" : to_string(why))});
    }

private:
    pid boss_;
};

texts heard_so_far() {
    texts all;
    while (auto s = receive_for<ends::said>(0s)) all.push_back(s->text);
    return all;
}

TEST(server_end, calls_terminate_or_not_as_documented_and_always_destroys) {
    struct row {
        std::string how;
        bool trapping;
        std::function<void(server<ends>)> end;
        std::string reason;
        texts said;
    };
    const auto cast_run = [](std::function<void()> what) {
        return [what](server<ends> s) { cast(s, ends::run{what}); };
    };
    const row table[] = {
        {"stop()", false, cast_run([] { stop(); }), "normal", {"terminate normal", "destroyed"}},
        {"stop(r)", false, cast_run([] { stop("r"_a); }), "r", {"terminate r", "destroyed"}},
        {"exit(r)", false, cast_run([] { exit("r"_a); }), "r", {"terminate r", "destroyed"}},
        {"throws",
         false,
         cast_run([] { throw std::runtime_error("x"); }),
         "crash",
         {"terminate crash", "destroyed"}},
        {"throws an int",
         false,
         cast_run([] { throw 1; }),
         "crash",
         {"terminate crash", "destroyed"}},
        {"stopped from outside",
         false,
         [](server<ends> s) { stop(s, "r"_a); },
         "r",
         {"terminate r", "destroyed"}},
        {"killed", true, [](server<ends> s) { exit(s, reason::kill); }, "killed", {"destroyed"}},
        {"a signal, not trapping",
         false,
         [](server<ends> s) { exit(s, "r"_a); },
         "r",
         {"destroyed"}},
        {"a signal, trapping",
         true,
         [](server<ends> s) {
             exit(s, "r"_a);
             cast(s, ends::run{[] { stop(); }});
         },
         "normal",
         {"signal r", "terminate normal", "destroyed"}},
        {"its own signal, trapping",
         true,
         cast_run([] {
             exit(self(), "r"_a);
             stop();
         }),
         "normal",
         {"terminate normal", "destroyed"}},
        {"kills itself",
         true,
         cast_run([] { exit(self(), reason::kill); }),
         "killed",
         {"destroyed"}},
        {"stops twice",
         false,
         cast_run([] {
             stop("first"_a);
             stop("second"_a);
         }),
         "first",
         {"terminate first", "destroyed"}},
        {"stops, then throws",
         false,
         cast_run([] {
             stop("first"_a);
             throw 1;
         }),
         "crash",
         {"terminate crash", "destroyed"}},
    };
    const auto body = [&] {
        for (const row& r : table) {
            auto s = start<ends>(self(), r.trapping).value();
            const auto ref = monitor(s);
            r.end(s);
            const exit_reason why = down_of(ref);
            require_eq(why.is_crash() ? "crash" : to_string(why), r.reason);
            const texts said = heard_so_far();
            std::string all;
            for (const auto& t : said) all += t + "; ";
            require(said == r.said, r.how + ": " + all);
        }
        // By its parent's end, trapping or not.
        for (const bool trapping : {false, true}) {
            auto [parent, ref] = spawn_monitor([boss = self(), trapping] {
                (void)start_link<ends>(boss, trapping).value();
                exit("parent"_a);
            });
            down_of(ref);
            texts said;
            do {
                said.push_back(receive<ends::said>().text);
            } while (said.back() != "destroyed");
            require_eq(said,
                       trapping ? texts{"terminate parent", "destroyed"} : texts{"destroyed"});
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(server_reply, to_a_dead_client_is_no_error_and_a_late_one_never_arrives) {
    const auto body = [] {
        auto s = start<dummy>().value();
        auto [client, ref] = spawn_monitor([s] { call(s, dummy::later{}); });
        while (process_info(s)->message_queue_len != 0 || is_alive(client)) {
            sleep(1ms);
            exit(client, reason::kill);
        }
        require_eq(down_of(ref), reason::killed);
        require_eq(call_failure([&] { call(s, dummy::later{}, 5ms); }), reason::timeout);
        require_eq(call_failure([&] { call(s, dummy::wait{1s}, 5ms); }), reason::timeout);
        require(call(s, dummy::answer_all{}) >= 1);
        require_eq(call(s, dummy::get{}), 0);
        require_clean();
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(server_stop, keeps_its_limit_and_the_server_ends_all_the_same) {
    const auto body = [] {
        auto s = start<dummy>().value();
        auto busy = async_nolink([s] { return call(s, dummy::wait{1s}); });
        sleep(1ms);
        require_eq(call_failure([&] { stop(s, reason::normal, 10ms); }), reason::timeout);
        const auto ref = monitor(s);
        require_eq(await(std::move(busy)), 0);  // what came before the request to stop is answered
        require_eq(down_of(ref), reason::normal);
        // A terminate that fails changes the reason, and whoever asked hears that.
        auto bad = start<told>(self(), false, true).value();
        require_eq(call_failure([&] { stop(bad); }), exit_reason("terminate_failed"_a));
        (void)next_told(), (void)next_told();
        require_clean();
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

// --- supervisor ------------------------------------------------------------------------------------------------------

TEST(supervisor_end, answers_nobody_whose_request_came_too_late) {
    const auto body = [] {
        trap_exit(true);
        auto sup = supervisor::start_link({.children = {child<stubborn>("s", self()).shutdown(1s)}})
                       .value();
        receive<worker::said>();
        exit(sup, reason::shutdown);
        // It waits for the child that does not end, and hears nobody meanwhile.
        require_eq(
            call_failure([&] { (void)start_child(sup, child<worker>("late", self(), "late")); }),
            reason::shutdown);
        require_eq(receive<exit_signal>().reason, reason::shutdown);
        require(said_so_far().empty());
        require_eq(processes().size(), 1u);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

class ends_while_started {
public:
    explicit ends_while_started(atom how) {
        if (how == "normal"_a) stop();
        if (how == "exits_normal"_a) exit(reason::normal);
        if (how == "killed"_a) exit(self(), reason::kill), receive<atom>();
    }
};

TEST(supervisor_start, of_a_child_that_ends_meanwhile_has_failed_however_it_ended) {
    const auto body = [] {
        auto sup = supervisor::start_link({}).value();
        for (const restart_type when : {permanent, transient, temporary})
            for (const atom how : {"normal"_a, "exits_normal"_a, "killed"_a}) {
                auto r = start_child(sup, child<ends_while_started>("e", how).restart(when));
                require(!r && r.error().kind == child_failure::start_failed);
                // Its reason is never `normal`: value() would end the caller in order.
                require_eq(r.error().reason, how == "killed"_a ? exit_reason(reason::killed)
                                                               : exit_reason("start_failed"_a));
                require(r.error().text == (how == "killed"_a ? "child \"e\": start: killed"
                                                             : "child \"e\": start: normal"));
                require_same(count_children(sup), 0, 0, 0, 0);
            }
        stop(sup);
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(supervisor_restart, that_is_pending_never_touches_a_new_child_of_the_same_id) {
    const auto body = [] {
        auto sup = supervisor::start_link(
                       {.intensity = {.restarts = 100},
                        .children = {child<worker>("a", self(), "a").delay({.initial = 10ms})}})
                       .value();
        require_eq(next_said(), "a up");
        end_process(pid_of(sup, "a"));
        while (status_of(sup, "a") != child_status::restarting) yield();
        require(delete_child(sup, "a").error().kind == child_failure::restarting);
        terminate_child(sup, "a").value();
        delete_child(sup, "a").value();
        const pid fresh = start_child(sup, child<worker>("a", self(), "new a")).value();
        require_eq(next_said(), "new a up");
        sleep(1s);
        require(said_so_far().empty());
        require_eq(pid_of(sup, "a"), fresh);
        require_eq(which_children(sup)[0].restarts, 0u);
        stop(sup);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(one_for_all, begins_again_with_all_when_one_cannot_be_started) {
    const auto body = [] {
        auto table = mood();
        auto sup = supervisor::start_link(
                       {.strategy = one_for_all,
                        .intensity = {.restarts = 2},
                        .children = {child<worker>("a", self(), "a"), child<moody>("m", table),
                                     child<worker>("c", self(), "c")}})
                       .value();
        require_eq(said_so_far(), texts{"a up", "c up"});
        table.insert("fail"_a, 1);
        const auto ref = monitor(sup);
        unlink(sup);
        end_process(pid_of(sup, "c"), "bad"_a);
        // Twice a is started, m is not, and a is stopped again; the third time is one too many.
        require_eq(down_of(ref), reason::shutdown);
        const texts said = said_so_far();
        require_eq(std::count(said.begin(), said.end(), "a up"), 2);
        require_eq(std::count(said.begin(), said.end(), "c up"), 0);
        require_eq(processes().size(), 1u);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(one_for_all, stops_its_temporary_children_and_forgets_them) {
    for (const restart_strategy strategy : {one_for_all, rest_for_one}) {
        const auto body = [strategy] {
            auto sup = supervisor::start_link(
                           {.strategy = strategy,
                            .intensity = {.restarts = 10},
                            .children = {child<worker>("a", self(), "a", true),
                                         child<worker>("t", self(), "t", true).restart(temporary),
                                         child<worker>("s", self(), "s", true).restart(transient)}})
                           .value();
            // A transient one that has ended in order comes back with the others, as in OTP.
            cast(server<worker>(pid_of(sup, "s")), worker::end{reason::normal});
            while (status_of(sup, "s") == child_status::running) yield();
            said_so_far();
            const pid old = pid_of(sup, "a");
            end_process(old);
            wait_for_new(sup, "a", old);
            require_eq(said_so_far(), texts{"t down shutdown", "a up", "s up"});
            require_eq(ids_of(sup), texts{"a", "s"});
            // And an end of the temporary one alone restarts nobody.
            start_child(sup, child<worker>("t", self(), "t", true).restart(temporary)).value();
            end_process(pid_of(sup, "t"));
            while (ids_of(sup).size() != 2) yield();
            require_eq(said_so_far().front(), "t up");
            require(pid_of(sup, "a") != old && pid_of(sup, "s"));
            stop(sup);
        };
        EXPECT_TRUE(holds_in_virtual_time(body));
    }
}

class slow_start {
public:
    explicit slow_start(pid boss) {
        try_send(boss, worker::said{"slow", "starting", self()});
        sleep(20ms);
    }
};

// Wherever the parent's request comes: in the middle of a start, of a group restart, of an end.
TEST(supervisor_end, comes_at_any_moment_of_a_group_restart_and_leaves_nobody) {
    for (const restart_strategy strategy : {one_for_one, one_for_all, rest_for_one}) {
        explore_options opts;
        opts.name = "end_in_group_restart";
        const auto found = explore(
            [strategy] {
                trap_exit(true);
                auto sup =
                    supervisor::start_link({.strategy = strategy,
                                            .intensity = {.restarts = 100},
                                            .children = {child<slow_start>("x", self()),
                                                         child<worker>("b", self(), "b", true),
                                                         child<slow_start>("y", self())}})
                        .value();
                const pid first = pid_of(sup, "x");
                const auto ref = monitor(sup);
                exit(first, "bad"_a);
                sleep(std::chrono::milliseconds(detail::random_bits() % 60));
                exit(sup, reason::shutdown);
                require_eq(down_of(ref), reason::shutdown);
                require_eq(processes().size(), 1u);
            },
            {100}, opts);
        EXPECT_TRUE(found) << found.why;
    }
}

TEST(supervisor_refusal, names_the_child_and_the_field_in_a_line) {
    const auto body = [] {
        auto table = mood();
        auto sup = supervisor::start_link(
                       {.children = {child<worker>("a", self(), "a"), child<moody>("m", table)}})
                       .value();
        receive<worker::said>();
        const auto says = [](const auto& r, std::string_view what) {
            require(!r && r.error().text.find(what) != std::string::npos,
                    r ? "it was done" : "\"" + r.error().text + "\"");
        };
        says(terminate_child(sup, "x"), "no child \"x\"");
        says(terminate_child(sup, self()), "no child " + to_string(self()));
        says(restart_child(sup, "x"), "no child \"x\"");
        says(delete_child(sup, "x"), "no child \"x\"");
        says(get_childspec(sup, "x"), "no child \"x\"");
        says(restart_child(sup, "a"), "child \"a\" " + to_string(pid_of(sup, "a")) + " runs");
        says(delete_child(sup, "a"), "child \"a\"");
        says(start_child(sup, child<worker>("a", self(), "a")), "child \"a\": id: taken by");
        terminate_child(sup, "a").value();
        says(start_child(sup, child<worker>("a", self(), "a")), "child \"a\": id: taken by");
        table.insert("fail"_a, 1);
        terminate_child(sup, "m").value();
        says(restart_child(sup, "m"), "child \"m\": start: moody");
        says(start_child(sup, child_function("f", [] { return pid(); })),
             "child \"f\": start: no_process_returned");
        says(
            start_child(sup, child<worker>("j", self(), "j").delay({.initial = 1s, .jitter = 1.5})),
            "child \"j\": delay.jitter");
        auto dynamic = dynamic_supervisor::start_link({.max_children = 1}).value();
        says(terminate_child(dynamic, "x"), "give a pid");
        start_child(dynamic, child<worker>("one", self(), "one")).value();
        says(start_child(dynamic, child<worker>("two", self(), "two")),
             "\"two\": there are max_children");
        says(terminate_child(dynamic, self()), "no child " + to_string(self()));
        says(start_child(dynamic, 5), "needs a specification");
        stop(dynamic);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(sys_observer, that_throws_whatever_it_is_goes_and_the_server_stays) {
    const auto body = [] {
        auto s = start<dummy>().value();
        sys::install(s, "int", [](const sys::event&) -> bool { throw 42; });
        sys::install(s, "exit", [](const sys::event&) -> bool { exit("x"_a); });
        sys::install(s, "count",
                     [boss = self()](const sys::event&) { return try_send(boss, 1), true; });
        for (int i = 0; i < 3; ++i) call(s, dummy::get{});
        for (int i = 0; i < 6; ++i) receive<int>();  // each in and out
        stop(s);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(dynamic_supervisor, counts_the_restarts_of_each_child) {
    const auto body = [] {
        auto sup = dynamic_supervisor::start_link({.intensity = {.restarts = 100}}).value();
        start_child(sup, child<worker>("a", self(), "a")).value();
        start_child(sup, child<worker>("b", self(), "b")).value();
        for (std::size_t n = 1; n <= 3; ++n) {
            const pid victim = pid_of(sup, "a");
            end_process(victim);
            wait_for_new(sup, "a", victim);
            for (const auto& c : which_children(sup)) {
                require_eq(c.restarts, c.id == "a" ? n : 0u);
                require_eq(c.recent_restarts, n);
                require_eq(c.allowed_restarts, 100u);
            }
        }
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(child_template, is_refused_where_it_cannot_be_started_before_anything_is) {
    const auto body = [] {
        trap_exit(true);
        const auto bad = supervisor::start_link(
            {.children = {child<worker>("a", self(), "a"),
                          child_template<worker, std::string>("many", self())}});
        require(!bad && to_string(bad.error().reason).find("child \"many\": start:") !=
                            std::string::npos,
                bad ? "it started" : to_string(bad.error().reason));
        require(said_so_far().empty());
        (void)receive<exit_signal>();
        for (auto sup :
             {supervisor::start_link({}).value(), dynamic_supervisor::start_link().value()}) {
            auto r = start_child(sup, child_template<worker, std::string>("many", self()));
            require(!r && r.error().kind == child_failure::bad_spec);
            require(r.error().text.find("many") != std::string::npos);
            stop(sup);
            (void)receive<exit_signal>();
        }
        // Without arguments of its own it needs none.
        auto sup = supervisor::start_link(
                       {.strategy = simple_one_for_one,
                        .children = {child_template<worker>("one", self(), std::string("one"))}})
                       .value();
        start_child(sup).value();
        require_eq(next_said(), "one up");
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
