// The catalogue's rows about starting supervisors and asking them (sv-), by their ids.
#include "children.hpp"

#include <string>
#include <vector>

namespace heirloom::test {
namespace {

// --- Starting ---------------------------------------------------------------------------------------------------

// An argument whose copy constructor fails sooner or later.
struct throws_on_copy {
    int copies_left = 1000;
    throws_on_copy() = default;
    throws_on_copy(throws_on_copy&&) = default;
    throws_on_copy& operator=(throws_on_copy&&) = default;
    throws_on_copy& operator=(const throws_on_copy&) = default;
    throws_on_copy(const throws_on_copy& other) : copies_left(other.copies_left - 1) {
        if (copies_left < 0) throw std::runtime_error("no copy");
    }
};
class copies {
public:
    explicit copies(const throws_on_copy&) {}
};

TEST(conformance_behaviours, sv_start) {
    const auto body = [] {
        const pid boss = self();
        auto sup = supervisor::start_link([boss] { return three(boss); }).value();
        require_eq(said_so_far(), std::vector<std::string>{"a up", "b up", "c up"});
        require_eq(ids_of(sup), std::vector<std::string>{"a", "b", "c"});
        require(process_info(sup)->trap_exit);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_start_ignore) {
    const auto body = [] {
        trap_exit(true);
        auto sup = supervisor::start_link([]() -> supervisor::init_result { ignore_start(); });
        require(!sup && sup.error().kind == start_failure::ignored);
        require_eq(receive<exit_signal>().reason, reason::normal);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_start_bad) {
    const auto body = [] {
        trap_exit(true);
        auto sup = supervisor::start_link([]() -> supervisor::init_result { exit("bad_init"_a); });
        require_eq(sup.error().reason, exit_reason("bad_init"_a));
        require_eq(receive<exit_signal>().reason, exit_reason("bad_init"_a));
        auto crashed = supervisor::start_link(
            []() -> supervisor::init_result { throw std::runtime_error("in init"); });
        require(crashed.error().reason.is_crash() && crashed.error().reason.what() == "in init");
        require_eq(receive<exit_signal>().reason, crashed.error().reason);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_start_child_fails) {
    const auto body = [] {
        trap_exit(true);
        const pid boss = self();
        auto sup = supervisor::start_link(
            {.children = {child<worker>("a", boss, "a", true), child<worker>("b", boss, "b", true),
                          child<never_starts>("bad", "odd"), child<worker>("d", boss, "d", true)}});
        require(!sup);
        const exit_reason why = sup.error().reason;
        require(why.is("shutdown"_a) && why.detail()->is("failed_to_start_child"_a));
        const failed_child* which = as_failed_child(why);
        require(which != nullptr && which->id == "bad");
        require_eq(which->reason, exit_reason("odd"_a));
        require_eq(receive<exit_signal>().reason, why);
        require_eq(said_so_far(),
                   std::vector<std::string>{"a up", "b up", "b down shutdown", "a down shutdown"});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_start_app_error) {
    const auto body = [] {
        trap_exit(true);
        auto outer = supervisor::start_link(
            {.children = {child<supervisor>(
                 "inner",
                 supervisor::init_result{.children = {child<never_starts>("bad", "throws")}})}});
        const failed_child* inner = as_failed_child(outer.error().reason);
        require(inner != nullptr && inner->id == "inner");
        const failed_child* bad = as_failed_child(inner->reason);
        require(bad != nullptr && bad->id == "bad");
        require(bad->reason.is_crash() && bad->reason.what() == "never");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_start_child_forms) {
    const auto body = [] {
        auto sup = supervisor::start_link({}).value();
        const pid boss = self();
        auto plain = start_child(
            sup, child_function("pid", [boss] { return start_link<worker>(boss, "w"); }));
        require(plain && is_alive(plain->pid));
        auto with_info =
            start_child(sup, child_function("info", [boss]() -> started_child {
                            return {start_link<worker>(boss, "w").value(), std::string("extra")};
                        }));
        require_eq(std::any_cast<std::string>(with_info->info), "extra");
        auto ignored = start_child(
            sup, child_function("ignored", [] { return start_link<never_starts>("ignores"); }));
        require(ignored && !ignored->pid);
        auto error = start_child(
            sup, child_function("error", [] { return start_link<never_starts>("odd"); }));
        require(!error && error.error().kind == child_failure::start_failed);
        require_eq(error.error().reason, exit_reason("odd"_a));
        auto nothing = start_child(sup, child_function("nothing", [] { return pid(); }));
        require(!nothing && nothing.error().kind == child_failure::start_failed);
        auto raised = start_child(
            sup, child_function("raised", []() -> pid { throw std::runtime_error("raised"); }));
        require(raised.error().reason.is_crash() && raised.error().reason.what() == "raised");
        auto exited = start_child(sup, child_function("exited", []() -> pid { exit("exited"_a); }));
        require_eq(exited.error().reason, exit_reason("exited"_a));
        auto number = start_child(sup, child_function("number", []() -> pid { throw 42; }));
        require(number.error().reason.is_crash());
        require_eq(ids_of(sup), std::vector<std::string>{"pid", "info", "ignored"});
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(supervisor, survives_arguments_that_cannot_be_copied) {
    const auto body = [] {
        auto sup =
            supervisor::start_link({.strategy = simple_one_for_one,
                                    .children = {child_template<copies, throws_on_copy>("copies")}})
                .value();
        throws_on_copy argument;
        argument.copies_left = 0;
        auto r = start_child(sup, std::move(argument));
        require(r.error().kind == child_failure::start_failed && r.error().reason.is_crash());
        start_child(sup, throws_on_copy()).value();
        require_same(count_children(sup), 1, 1, 0, 1);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(child_spec, that_was_moved_from_is_refused) {
    const auto body = [] {
        trap_exit(true);  // a supervisor that does not start takes its starter along
        auto spec = child<worker>("a", self(), "a");
        const child_spec moved = std::move(spec);
        const auto says_so = [](const child_error& e) {
            return e.kind == child_failure::bad_spec &&
                   e.text.find("moved from") != std::string::npos;
        };
        auto sup = supervisor::start_link({}).value();
        auto dynamic = dynamic_supervisor::start_link().value();
        require(says_so(start_child(sup, spec).error()));  // NOLINT(bugprone-use-after-move)
        require(says_so(start_child(dynamic, spec).error()));
        require(says_so(check_childspecs({moved, spec}).error()));
        require(!supervisor::start_link({.children = {moved, spec}}));
        start_child(sup, moved).value();
        stop(sup);
        stop(dynamic);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(child_spec, has_a_name_of_its_own_class_only) {
    const auto body = [] {
        using names = registry<std::string>;
        static constexpr server_name<names> the_names{"child_spec.names"};
        const child_spec untyped = child<worker>("a", self(), "a");
        const auto what = thrown_by<bad_argument>(
            [&] { child_spec(untyped).name(via<never_starts>(the_names, "x")); });
        require(std::string(what.what()).find("child \"a\" runs") != std::string::npos,
                what.what());
        require_throws<bad_argument>(
            [] { child_function("f", [] { return pid(); }).name(via<worker>(the_names, "x")); });
        child_spec(untyped).name(via<worker>(the_names, "x"));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_start_ignored_child) {
    const auto body = [] {
        auto sup = supervisor::start_link({.children = {child<worker>("a", self(), "a"),
                                                        child<never_starts>("ignored", "ignores")}})
                       .value();
        require_eq(ids_of(sup), std::vector<std::string>{"a", "ignored"});
        require(!pid_of(sup, "ignored"));
        require_same(count_children(sup), 2, 1, 0, 2);
        auto more = start_child(sup, child<never_starts>("more", "ignores"));
        require(more && !more->pid);
        auto forgotten =
            start_child(sup, child<never_starts>("temporary", "ignores").restart(temporary));
        require(forgotten && !forgotten->pid);
        require_same(count_children(sup), 3, 1, 0, 3);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_flags_bad) {
    const auto body = [] {
        trap_exit(true);
        const pid boss = self();
        auto refused = [&](supervisor::init_result what, std::string field) {
            what.children = {child<worker>("a", boss, "a")};
            auto sup = supervisor::start_link(std::move(what));
            require(!sup, field + " was accepted");
            require(sup.error().reason.is("supervisor_data"_a));
            require(text_of(sup.error().reason).find(field) != std::string::npos,
                    text_of(sup.error().reason));
        };
        refused({.strategy = static_cast<restart_strategy>(17)}, "strategy");
        refused({.intensity = {.restarts = -1}}, "intensity.restarts");
        refused({.intensity = {.within = 0s}}, "intensity.within");
        refused({.intensity = {.within = -1s}}, "intensity.within");
        refused({.auto_shutdown = static_cast<auto_shutdown_mode>(17)}, "auto_shutdown");
        require(said_so_far().empty(), "a child was started");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_spec_defaults) {
    const auto body = [] {
        auto sup = supervisor::start_link(
                       {.children = {child<worker>("w", self(), "w"),
                                     child<supervisor>("s", supervisor::init_result{})}})
                       .value();
        const child_spec w = get_childspec(sup, "w").value();
        require(w.restart() == permanent && w.shutdown() == 5s && w.type() == child_type::worker &&
                !w.significant());
        const child_spec s = get_childspec(sup, "s").value();
        require(s.restart() == permanent && s.shutdown() == forever &&
                s.type() == child_type::supervisor);
        require(get_childspec(sup, "none").error().kind == child_failure::not_found);
        stop(sup);
        auto simple =
            supervisor::start_link({.strategy = simple_one_for_one,
                                    .children = {child<worker>("w", self(), "w").shutdown(1s)}})
                .value();
        const pid one = start_child(simple).value();
        require(get_childspec(simple, one).value().shutdown() == 1s);
        stop(simple);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_spec_bad) {
    const auto body = [] {
        trap_exit(true);
        const pid boss = self();
        auto sup = supervisor::start_link({}).value();
        const auto nameless = start_child(sup, child<worker>("", boss, "a"));
        require(!nameless && nameless.error().kind == child_failure::bad_spec);
        require(!check_childspecs({child<worker>("", boss, "a")}));
        const auto unnamed = supervisor::start_link({.children = {child<worker>("", boss, "a")}});
        require(!unnamed && unnamed.error().reason.is("start_spec"_a));
        auto refused = [&](child_spec bad, std::string field) {
            auto direct = start_child(sup, bad);
            require(!direct && direct.error().kind == child_failure::bad_spec);
            require(direct.error().text.find(field) != std::string::npos, direct.error().text);
            require(direct.error().text.find("bad") != std::string::npos,
                    "does not name the child");
            auto checked = check_childspecs({bad});
            require(!checked && checked.error().text == direct.error().text);
            auto started =
                supervisor::start_link({.children = {child<worker>("a", boss, "a"), bad}});
            require(!started && started.error().reason.is("start_spec"_a));
            require(text_of(started.error().reason).find(field) != std::string::npos);
        };
        auto spec = [&] { return child<worker>("bad", boss, "bad"); };
        refused(spec().shutdown(-10ms), "shutdown");
        refused(spec().restart(static_cast<restart_type>(9)), "restart");
        refused(spec().type(static_cast<child_type>(9)), "type");
        refused(spec().significant(), "significant");
        refused(spec().budget({.restarts = -1}), "budget.restarts");
        refused(spec().budget({.within = 0s}), "budget.within");
        refused(spec().delay({.initial = 1s, .factor = 0.5}), "delay.factor");
        require(said_so_far().empty(), "a child was started");
        require(bool(check_childspecs({spec().shutdown(0s)})));
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_spec_duplicate) {
    const auto body = [] {
        trap_exit(true);
        const pid boss = self();
        auto sup = supervisor::start_link(
            {.children = {child<worker>("same", boss, "a"), child<worker>("same", boss, "b")}});
        require(!sup && sup.error().reason.is("start_spec"_a));
        require(text_of(sup.error().reason).find("same") != std::string::npos);
        require(said_so_far().empty(), "a child was started");
        require(!check_childspecs(
            {child<worker>("same", boss, "a"), child<worker>("same", boss, "b")}));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_simple_one_spec) {
    const auto body = [] {
        trap_exit(true);
        auto none = supervisor::start_link({.strategy = simple_one_for_one});
        require(!none && none.error().reason.is("bad_start_spec"_a));
        auto two = supervisor::start_link(
            {.strategy = simple_one_for_one,
             .children = {child<worker>("a", self(), "a"), child<worker>("b", self(), "b")}});
        require(!two && two.error().reason.is("bad_start_spec"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// --- Requests ---------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, sv_terminate_child) {
    const auto body = [] {
        auto sup =
            supervisor::start_link({.children = {child<worker>("a", self(), "a", true)}}).value();
        const pid a = pid_of(sup, "a");
        require(bool(terminate_child(sup, "a")));
        require(!is_alive(a));
        require_eq(said_so_far(), std::vector<std::string>{"a up", "a down shutdown"});
        require_same(count_children(sup), 1, 0, 0, 1);
        require(bool(terminate_child(sup, "a")));
        require(terminate_child(sup, "none").error().kind == child_failure::not_found);
        require(terminate_child(sup, self()).error().kind == child_failure::not_found);
        require(status_of(sup, "a") == child_status::stopped);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_terminate_child_temporary) {
    const auto body = [] {
        auto sup = supervisor::start_link(
                       {.children = {child<worker>("a", self(), "a").restart(temporary)}})
                       .value();
        require(bool(terminate_child(sup, "a")));
        require_same(count_children(sup), 0, 0, 0, 0);
        require(bool(start_child(sup, child<worker>("a", self(), "a").restart(temporary))));
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_terminate_child_simple) {
    const auto body = [] {
        auto sup = supervisor::start_link(simple(self())).value();
        const pid one = start_child(sup, "one").value();
        const pid two = start_child(sup, "two").value();
        require(bool(terminate_child(sup, one)));
        require(!is_alive(one) && is_alive(two));
        require(bool(terminate_child(sup, one)), "a dead one is ok");
        const pid other = spawn([] { receive<atom>(); });
        require(terminate_child(sup, other).error().kind == child_failure::not_found);
        require(is_alive(other));
        require(terminate_child(sup, "worker").error().kind == child_failure::simple_one_for_one);
        require(start_child(sup, 17).error().kind == child_failure::bad_spec,
                "arguments of other types");
        require(start_child(sup).error().kind == child_failure::bad_spec, "no arguments");
        stop(sup);
        exit(other, reason::kill);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_restart_child) {
    const auto body = [] {
        auto table = mood();
        auto sup = supervisor::start_link(
                       {.intensity = {.restarts = 0}, .children = {child<moody>("m", table)}})
                       .value();
        require(restart_child(sup, "m").error().kind == child_failure::running);
        require(restart_child(sup, "none").error().kind == child_failure::not_found);
        for (int i = 0; i < 5; ++i) {  // no restart for the intensity of 0
            require(bool(terminate_child(sup, "m")));
            auto again = restart_child(sup, "m");
            require(again && is_alive(again->pid) && again->pid == pid_of(sup, "m"));
        }
        require(bool(terminate_child(sup, "m")));
        table.insert("fail"_a, 1);
        auto failed = restart_child(sup, "m");
        require(!failed && failed.error().kind == child_failure::start_failed);
        require_eq(failed.error().reason, exit_reason("moody"_a));
        require(status_of(sup, "m") == child_status::stopped);
        stop(sup);
        auto many = supervisor::start_link(simple(self())).value();
        require(restart_child(many, "worker").error().kind == child_failure::simple_one_for_one);
        stop(many);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_delete_child) {
    const auto body = [] {
        auto sup = supervisor::start_link(three(self())).value();
        require(delete_child(sup, "b").error().kind == child_failure::running);
        require(delete_child(sup, "none").error().kind == child_failure::not_found);
        require(bool(terminate_child(sup, "b")));
        require(bool(delete_child(sup, "b")));
        require_eq(ids_of(sup), std::vector<std::string>{"a", "c"});
        require(bool(start_child(sup, child<worker>("b", self(), "b"))));
        require_eq(ids_of(sup), std::vector<std::string>{"a", "c", "b"});
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_count_children) {
    const auto body = [] {
        auto sup = supervisor::start_link(
                       {.children = {child<worker>("a", self(), "a"),
                                     child<supervisor>("s", supervisor::init_result{}),
                                     child<worker>("t", self(), "t").restart(temporary)}})
                       .value();
        require_same(count_children(sup), 3, 3, 1, 2);
        require(bool(terminate_child(sup, "s")));
        require_same(count_children(sup), 3, 2, 1, 2);
        stop(sup);
        const std::size_t many = scaled(2000);
        auto simple_sup = supervisor::start_link(simple(self(), temporary)).value();
        std::vector<pid> all;
        for (std::size_t i = 0; i < many; ++i) all.push_back(start_child(simple_sup, "x").value());
        require_same(count_children(simple_sup), 1, many, 0, many);
        for (pid p : all) end_process(p);
        require_same(count_children(simple_sup), 1, 0, 0, 0);
        stop(simple_sup);
        auto sups = supervisor::start_link(
                        {.strategy = simple_one_for_one,
                         .children = {child<supervisor>("s", supervisor::init_result{})}})
                        .value();
        for (std::size_t i = 0; i < many; ++i) start_child(sups).value();
        require_same(count_children(sups), 1, many, many, 0);
        stop(sups);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_count_restarting) {
    const auto body = [] {
        auto table = mood();
        auto sup = supervisor::start_link({.strategy = simple_one_for_one,
                                           .intensity = {.restarts = 1'000'000'000},
                                           .children = {child<moody>("m", table)}})
                       .value();
        std::vector<pid> all;
        for (int i = 0; i < 3; ++i) all.push_back(start_child(sup).value());
        require_same(count_children(sup), 1, 3, 0, 3);
        table.insert("fail"_a, 1);
        end_process(all[0]);
        end_process(all[1]);
        require_same(count_children(sup), 1, 1, 0, 3);
        table.insert("fail"_a, 0);
        while (count_children(sup).active < 3) yield();
        require_same(count_children(sup), 1, 3, 0, 3);
        for (auto& c : which_children(sup)) require(bool(terminate_child(sup, c.pid)));
        require_same(count_children(sup), 1, 0, 0, 0);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

class calls_its_supervisor {
public:
    calls_its_supervisor(supervisor_name sup, pid boss) {
        try {
            which_children(sup);
        } catch (const call_failed& e) {
            send(boss, e.reason());
            throw;
        }
    }
};

TEST(conformance_behaviours, sv_requests_serialized) {
    const auto body = [] {
        constexpr supervisor_name name{"asked_too_early"};
        auto sup = supervisor::start_link(name, {}).value();
        const auto before = runtime_clock::now();
        auto deadlocked = start_child(sup, child<calls_its_supervisor>("c", name, self()));
        require(runtime_clock::now() - before < 2s, "it waited for the call's limit");
        require(!deadlocked && deadlocked.error().reason.is("would_deadlock"_a),
                text_of(deadlocked.error().reason));
        require(receive<exit_reason>().is("would_deadlock"_a));
        require_same(count_children(sup), 0, 0, 0, 0);
        // Requests of others wait until the child is up.
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
