// The catalogue's rows about stopping, significant children, reports and scale (sv-), by their ids.
#include "children.hpp"

#include <algorithm>
#include <ctime>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace heirloom::test {
namespace {

// --- Stopping ---------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, sv_stop_reverse) {
    const auto body = [] {
        const pid boss = self();
        auto sup = supervisor::start_link({.children = {child<worker>("a", boss, "a", true),
                                                        child<worker>("b", boss, "b", true),
                                                        child<worker>("c", boss, "c", true)}})
                       .value();
        stop(sup);
        require_eq(said_so_far(),
                   std::vector<std::string>{"a up", "b up", "c up", "c down shutdown",
                                            "b down shutdown", "a down shutdown"});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_stop_timeout) {
    const auto body = [] {
        trap_exit(true);
        for (bool dynamic : {false, true}) {
            const pid boss = self();
            auto sup = dynamic ? dynamic_supervisor::start_link().value()
                               : supervisor::start_link({}).value();
            const pid bad = start_child(sup, child<stubborn>("bad", boss).shutdown(20ms)).value();
            const pid good =
                start_child(sup, child<worker>("good", boss, "good", true).shutdown(1h)).value();
            receive(when([&](const worker::said& s) { return s.who == bad; }, [](worker::said) {}));
            const auto bad_ref = monitor(bad), good_ref = monitor(good), sup_ref = monitor(sup);
            exit(sup, reason::shutdown);
            require_eq(down_of(good_ref), reason::shutdown);
            require_eq(down_of(bad_ref), reason::killed);
            require_eq(down_of(sup_ref), reason::shutdown);
            require_eq(receive<exit_signal>().reason, reason::shutdown);
            said_so_far();
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_stop_brutal) {
    const auto body = [] {
        for (bool dynamic : {false, true}) {
            auto sup = dynamic ? dynamic_supervisor::start_link().value()
                               : supervisor::start_link({}).value();
            const pid a =
                start_child(sup, child<worker>("a", self(), "a", true).shutdown(brutal_kill))
                    .value();
            const auto ref = monitor(a);
            stop(sup);
            require_eq(down_of(ref), reason::killed);
            require_eq(said_so_far(), std::vector<std::string>{"a up"});  // terminate did not run
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_stop_odd_reasons) {
    const auto body = [] {
        trap_exit(true);
        for (bool dynamic : {false, true})
            for (restart_type when : {permanent, transient, temporary})
                for (exit_reason why : {reason::normal, reason::shutdown,
                                        exit_reason("shutdown"_a, "x"_a), exit_reason("odd"_a)}) {
                    auto sup = dynamic ? dynamic_supervisor::start_link().value()
                                       : supervisor::start_link({}).value();
                    const pid odd =
                        start_child(sup, child<odd_end>("odd", why).restart(when)).value();
                    const auto ref = monitor(odd), sup_ref = monitor(sup);
                    exit(sup, reason::shutdown);
                    require_eq(down_of(ref), why);
                    require_eq(down_of(sup_ref), reason::shutdown);
                    receive<exit_signal>();
                }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

class unlinks_itself {
public:
    struct linked {
        using reply = bool;
    };
    unlinks_itself() {
        continue_with([] { unlink(parent()); });
    }
    bool handle_call(linked) { return !process_info(self())->links.empty(); }
};

class self_ending {  // ends by itself at the first stop of a sibling
public:
    explicit self_ending(exit_reason why) : why_(std::move(why)) { trap_exit(true); }
    void terminate(const exit_reason&) {
        if (why_ != reason::shutdown) exit(why_);
    }

private:
    exit_reason why_;
};

// src: any reason but shutdown of a permanent child, abnormal ones of others.
TEST(conformance_behaviours, sv_stop_odd_reasons_reported) {
    for (bool dynamic : {false, true}) {
        log_keeper log;
        {
            runtime rt({.workers = 1, .deterministic = {.seed = 1}, .log = log.sink()});
            const auto body = [dynamic] {
                auto sup = dynamic ? dynamic_supervisor::start_link().value()
                                   : supervisor::start_link({}).value();
                const std::pair<const char*, restart_type> types[] = {
                    {"p", permanent}, {"t", transient}, {"x", temporary}};
                for (const auto& [id, when] : types) {
                    const auto add = [&](const char* name, exit_reason why) {
                        start_child(
                            sup,
                            child<self_ending>(std::string(id) + "_" + name, why).restart(when))
                            .value();
                    };
                    add("shutdown", reason::shutdown);
                    add("normal", reason::normal);
                    add("because", exit_reason("shutdown"_a, "x"_a));
                    add("odd", exit_reason("odd"_a));
                }
                stop(sup);
            };
            EXPECT_TRUE(holds_inside(rt, body));
        }
        std::vector<std::string> told;
        for (const auto& e : log.events())
            if (e.event == "shutdown_error") {
                const auto from = e.text.find("child ") + 6;
                told.push_back(e.text.substr(from, e.text.find(' ', from) - from));
            }
        std::sort(told.begin(), told.end());
        EXPECT_EQ(told,
                  (std::vector<std::string>{"p_because", "p_normal", "p_odd", "t_odd", "x_odd"}));
    }
}

TEST(conformance_behaviours, sv_stop_unlinked_child) {
    const auto body = [] {
        auto sup = supervisor::start_link({.children = {child<unlinks_itself>("u")}}).value();
        server<unlinks_itself> u = find_child<unlinks_itself>(sup);
        require(!call(u, unlinks_itself::linked{}));
        const auto ref = monitor(u);
        require(bool(terminate_child(sup, "u")));
        require_eq(down_of(ref), reason::shutdown);
        send(sup, std::string("stray"));  // logged and dropped
        require_same(count_children(sup), 1, 0, 0, 1);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_exit_parent) {
    const auto body = [] {
        trap_exit(true);
        constexpr supervisor_name name{"ended_by_its_parent"};
        auto sup = supervisor::start_link(name, three(self())).value();
        const pid a = pid_of(sup, "a");
        exit(sup, reason::shutdown);
        require_eq(receive<exit_signal>().reason, reason::shutdown);
        require(!is_alive(a));
        require(!whereis(name));
        require(bool(supervisor::start_link(name, {})));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_exit_stranger) {
    const auto body = [] {
        const pid boss = self();
        auto sup = supervisor::start_link(three(boss)).value();
        const auto before = which_children(sup);
        auto [p, ref] = spawn_monitor([sup] { exit(sup, "stranger"_a); });
        down_of(ref);
        const auto after_it = which_children(sup);
        for (std::size_t i = 0; i < 3; ++i) require_eq(before[i].pid, after_it[i].pid);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_killed) {
    const auto body = [] {
        const pid boss = self();
        auto top =
            supervisor::start_link(
                {.children = {child<supervisor>(
                     "inner",
                     [boss]() -> supervisor::init_result {
                         return {.children = {child<worker>("plain", boss, "plain"),
                                              child<worker>("trapping", boss, "trapping", true)}};
                     })}})
                .value();
        server<supervisor> inner(pid_of(top, "inner"));
        const pid plain = pid_of(inner, "plain"), trapping = pid_of(inner, "trapping");
        const auto plain_ref = monitor(plain), trapping_ref = monitor(trapping);
        exit(inner, reason::kill);
        require_eq(down_of(plain_ref), reason::killed);
        require_eq(down_of(trapping_ref), reason::killed);
        server<supervisor> again(wait_for_new(top, "inner", inner));
        require(pid_of(again, "plain") != plain && is_alive(pid_of(again, "plain")));
        auto all = said_so_far();
        require(std::find(all.begin(), all.end(), "trapping down killed") != all.end(),
                "terminate did not run");
        stop(top);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_unexpected_msg) {
    log_keeper log;
    {
        runtime rt({.workers = 2, .log = log.sink()});
        rt.invoke([] {
            auto sup = supervisor::start_link(three(self())).value();
            send(sup, std::string("stray"));
            require_same(count_children(sup), 3, 3, 0, 3);
            stop(sup);
        });
        EXPECT_TRUE(log.wait_for("unexpected_message", "string"));
    }
}

// --- Significant children -----------------------------------------------------------------------------------------

supervisor::init_result significant(pid boss, auto_shutdown_mode mode, restart_type when) {
    return {.auto_shutdown = mode,
            .children = {child<worker>("s1", boss, "s1").restart(when).significant(),
                         child<worker>("plain", boss, "plain").restart(when),
                         child<worker>("s2", boss, "s2").restart(when).significant()}};
}

TEST(conformance_behaviours, sv_sig_validation) {
    const auto body = [] {
        trap_exit(true);
        auto never =
            supervisor::start_link(significant(self(), auto_shutdown_mode::never, temporary));
        require(!never && text_of(never.error().reason).find("significant") != std::string::npos);
        auto permanent_one =
            supervisor::start_link(significant(self(), any_significant, permanent));
        require(!permanent_one &&
                text_of(permanent_one.error().reason).find("significant") != std::string::npos);
        auto sup = supervisor::start_link({}).value();
        require(start_child(sup, child<worker>("s", self(), "s").restart(temporary).significant())
                    .error()
                    .kind == child_failure::bad_spec);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_sig_none) {
    const auto body = [] {
        for (auto mode : {any_significant, all_significant})
            for (restart_type when : {transient, temporary}) {
                for (const ending& how : endings()) {
                    auto sup = supervisor::start_link(significant(self(), mode, when)).value();
                    const pid plain = pid_of(sup, "plain");
                    end_child_by(plain, how);
                    if (when == transient && !how.why.is_orderly())
                        wait_for_new(sup, "plain", plain);
                    else
                        require_eq(count_children(sup).active, 2u);
                    stop(sup);
                }
            }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_sig_any_temporary) {
    const auto body = [] {
        trap_exit(true);
        for (const ending& how : endings()) {
            auto sup =
                supervisor::start_link(significant(self(), any_significant, temporary)).value();
            const pid plain = pid_of(sup, "plain");
            end_child_by(pid_of(sup, "s1"), how);
            require_eq(receive<exit_signal>().reason, reason::shutdown);
            require(!is_alive(plain));
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_sig_any_transient) {
    const auto body = [] {
        trap_exit(true);
        for (const ending& how : endings()) {
            auto sup =
                supervisor::start_link(significant(self(), any_significant, transient)).value();
            const pid s1 = pid_of(sup, "s1");
            end_child_by(s1, how);
            if (how.why.is_orderly()) {
                require_eq(receive<exit_signal>().reason, reason::shutdown);
            } else {
                wait_for_new(sup, "s1", s1);
                stop(sup);
                receive<exit_signal>();
            }
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_sig_all) {
    const auto body = [] {
        trap_exit(true);
        for (restart_type when : {transient, temporary})
            for (const ending& how : endings()) {
                if (when == transient && !how.why.is_orderly()) continue;  // comes back
                auto sup =
                    supervisor::start_link(significant(self(), all_significant, when)).value();
                end_child_by(pid_of(sup, "s1"), how);
                require_eq(count_children(sup).active, 2u);
                end_child_by(pid_of(sup, "s2"), how);
                require_eq(receive<exit_signal>().reason, reason::shutdown);
            }
        // One that comes back is alive, also while it waits for that.
        auto init = significant(self(), all_significant, transient);
        init.intensity.restarts = 1'000'000'000;
        auto table = mood();
        init.children.push_back(child<moody>("s3", table).restart(transient).significant());
        auto sup = supervisor::start_link(init).value();
        table.insert("fail"_a, 1);
        end_process(pid_of(sup, "s3"));
        while (status_of(sup, "s3") != child_status::restarting) yield();
        for (const char* id : {"s1", "s2"}) end_child_by(pid_of(sup, id), {reason::normal, false});
        require_eq(count_children(sup).active, 1u);
        table.insert("fail"_a, 0);
        stop(sup);
        require_eq(receive<exit_signal>().reason, reason::normal);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_sig_by_request) {
    const auto body = [] {
        for (auto mode : {any_significant, all_significant})
            for (restart_type when : {transient, temporary}) {
                auto sup = supervisor::start_link(significant(self(), mode, when)).value();
                require(bool(terminate_child(sup, "s1")));
                require(bool(terminate_child(sup, "s2")));
                require_eq(count_children(sup).active, 1u);
                stop(sup);
            }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_sig_escalation) {
    const auto body = [] {
        trap_exit(true);
        for (bool matters : {true, false}) {
            const pid boss = self();
            auto inner = significant(boss, any_significant, temporary);
            auto top =
                supervisor::start_link(
                    {.auto_shutdown = any_significant,
                     .children =
                         {child<supervisor>("inner", inner).restart(transient).significant(matters),
                          child<worker>("w", boss, "w").restart(transient)}})
                    .value();
            server<supervisor> in(pid_of(top, "inner"));
            const auto ref = monitor(in);
            end_child_by(pid_of(in, "s1"), {reason::normal, false});
            require_eq(down_of(ref), reason::shutdown);
            if (matters) {
                require_eq(receive<exit_signal>().reason, reason::shutdown);
            } else {
                require_eq(count_children(top).active, 1u);
                stop(top);
                receive<exit_signal>();
            }
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// --- Reports, scale -----------------------------------------------------------------------------------------------

TEST(conformance_behaviours, sv_reports) {
    log_keeper log;
    {
        runtime rt({.workers = 2, .log = log.sink()});
        rt.invoke([] {
            trap_exit(true);
            constexpr supervisor_name name{"reporting"};
            auto table = mood();
            auto sup = supervisor::start_link(
                           name, {.intensity = {.restarts = 2, .within = 5s},
                                  .children = {child<moody>("m", table),
                                               child<odd_end>("odd", exit_reason("odd"_a))},
                                  .report_progress = true})
                           .value();
            const pid m = pid_of(sup, "m");
            end_process(m);
            wait_for_new(sup, "m", m);
            table.insert("fail"_a, 1);
            end_process(pid_of(sup, "m"));
            require_eq(receive<exit_signal>().reason, reason::shutdown);
        });
        EXPECT_TRUE(log.wait_for("progress", "reporting: started child m"));
        EXPECT_TRUE(log.wait_for("child_terminated", "reporting: child m"));
        EXPECT_TRUE(log.wait_for("child_terminated", "killed; restart 1 of 2 in 5 s"));
        EXPECT_TRUE(log.wait_for("start_error", "moody"));
        EXPECT_TRUE(log.wait_for("shutdown", "reached_max_restart_intensity"));
        EXPECT_TRUE(log.wait_for("shutdown_error", "odd"));
    }
    for (const auto& e : log.events())
        EXPECT_EQ(e.text.find('\n'), std::string::npos) << "not one line: " << e.text;
}

// Each report names supervisor, child and reason in fields of its own.
TEST(conformance_behaviours, sv_reports_fields) {
    std::mutex lock;
    std::map<std::string, std::map<std::string, std::string>> fields;  // by event
    {
        runtime rt({.workers = 1, .deterministic = {.seed = 1}, .log = [&](const log_event& e) {
                        const std::lock_guard guard(lock);
                        for (const auto& [name, value] : e.fields)
                            fields[std::string(e.event)][std::string(name)] = value;
                    }});
        const auto body = [] {
            trap_exit(true);
            constexpr supervisor_name name{"fields"};
            auto table = mood();
            auto sup = supervisor::start_link(
                           name, {.intensity = {.restarts = 2, .within = 5s},
                                  .children = {child<odd_end>("odd", exit_reason("odd"_a)),
                                               child<moody>("m", table)},
                                  .report_progress = true})
                           .value();
            table.insert("fail"_a, 1);
            end_process(pid_of(sup, "m"));
            require_eq(receive<exit_signal>().reason, reason::shutdown);
        };
        EXPECT_TRUE(holds_inside(rt, body));
    }
    const std::tuple<const char*, const char*, const char*> wanted[] = {
        {"child_terminated", "m", "killed"}, {"child_restart", "m", "moody"},
        {"start_error", "m", "moody"},       {"shutdown", "m", "moody"},
        {"shutdown_error", "odd", "odd"},    {"progress", "m", ""}};
    for (const auto& [event, child, why] : wanted) {
        EXPECT_EQ(fields[event]["supervisor"], "fields") << event;
        EXPECT_EQ(fields[event]["child"], child) << event;
        EXPECT_EQ(fields[event]["reason"], why) << event;
    }
}

TEST(conformance_behaviours, sv_scale) {
    const auto body = [] {
        // In time of the processor: on a busy machine a millisecond passes undisturbed, and ten take a hundred.
        auto time_of = [](auto f) {
            const std::clock_t begin = std::clock();
            f();
            return static_cast<double>(std::clock() - begin);
        };
        auto start_and_stop = [&](std::size_t count) {
            auto sup = supervisor::start_link({}).value();
            return time_of([&] {
                for (std::size_t i = 0; i < count; ++i)
                    start_child(sup, child<never_starts>(std::to_string(i), "ignores")).value();
                for (std::size_t i = 0; i < count; ++i) {
                    terminate_child(sup, std::to_string(i)).value();
                    delete_child(sup, std::to_string(i)).value();
                }
                stop(sup);
            });
        };
        start_and_stop(1000);
        const std::size_t many = scaled(100'000);
        const double small = start_and_stop(1000);
        const double large = start_and_stop(many);
        require(large < small * static_cast<double>(many) / 1000 * 10,
                "starting by id does not scale");

        auto dynamic = [&](std::size_t count) {
            auto sup = supervisor::start_link(simple(self(), temporary)).value();
            std::vector<pid> all;
            for (std::size_t i = 0; i < count; ++i) all.push_back(start_child(sup, "x").value());
            return time_of([&] {
                for (pid p : all) terminate_child(sup, p).value();
                stop(sup);
            });
        };
        const std::size_t more = scaled(10'000);
        dynamic(more / 10);
        const double few = dynamic(more / 10);
        require(dynamic(more) < few * 50, "stopping by pid does not scale");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(scale, servers_by_the_hundred_thousand_answer_and_end) {
    runtime rt({.workers = 2, .log = no_log()});
    const auto body = [] {
        const std::size_t count = scaled(100'000);
        auto sup = dynamic_supervisor::start_link().value();
        const child_spec spec = child<worker>("", pid(), "x");
        std::vector<server<worker>> all;
        for (std::size_t i = 0; i < count; ++i) all.emplace_back(start_child(sup, spec).value());
        require_eq(count_children(sup).active, count);
        for (const auto s : all) require_eq(call(s, worker::id_of{}), "x");
        stop(sup);
        for (const auto s : all) require(!is_alive(s));
    };
    EXPECT_TRUE(holds_inside(rt, body));
}

TEST(conformance_behaviours, sv_callback_module) {
    const auto body = [] {
        auto sup = supervisor::start_link({}).value();
        require(process_info(sup)->entry.find("supervisor") != std::string::npos);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
