// What a supervisor says of restarts: every end once, every attempt once, with the count and the limit.
#include "children.hpp"

#include <string>
#include <vector>

namespace heirloom::test {
namespace {

// The reports of `event` whose text is about a child, without the process ids.
std::vector<std::string> told(const log_keeper& log, std::string_view event) {
    std::vector<std::string> all;
    for (const auto& e : log.events()) {
        if (e.event != event) continue;
        std::string text;
        for (std::size_t i = 0; i < e.text.size(); ++i) {
            if (e.text[i] == '<') i = e.text.find('>', i), text += '#';
            if (e.text[i] != '>') text += e.text[i];
        }
        all.push_back(text);
    }
    return all;
}
using lines = std::vector<std::string>;

inline constexpr supervisor_name the_sup{"reports"};
inline constexpr std::string_view the_child = "child m (heirloom::test::moody)";

/// What is logged while `body` runs on virtual time.
template <class F>
void logs_of(log_keeper& log, F body) {
    runtime rt({.workers = 1, .deterministic = {.seed = 1}, .log = log.sink()});
    EXPECT_TRUE(holds_inside(rt, body));
}
std::string of_child(std::string_view rest) {
    return "reports: " + std::string(the_child) + std::string(rest);
}

// The two kinds of supervisors, with the same child.
server<supervisor> start_sup(bool dynamic, restart_intensity intensity, const child_spec& spec) {
    if (!dynamic)
        return supervisor::start_link(the_sup, {.intensity = intensity, .children = {spec}})
            .value();
    auto sup = dynamic_supervisor::start_link(the_sup, {.intensity = intensity}).value();
    start_child(sup, spec).value();
    return sup;
}

TEST(restart_reports, tell_an_end_once_also_where_the_restart_waits) {
    for (const bool dynamic : {false, true}) {
        log_keeper log;
        logs_of(log, [dynamic] {
            auto table = mood();
            auto sup = start_sup(dynamic, {.restarts = 5},
                                 child<moody>("m", table).delay({.initial = 500ms}));
            const pid m = pid_of(sup, "m");
            end_process(m);
            wait_for_new(sup, "m", m);
            stop(sup);
        });
        EXPECT_EQ(told(log, "child_terminated"),
                  lines{of_child(" # ended: killed; restart in 0.5 s")});
        EXPECT_EQ(told(log, "child_restart"),
                  lines{of_child(" is started again after its back-off; it ended: killed; restart "
                                 "1 of 5 in 5 s")});
    }
}

TEST(restart_reports, name_the_attempt_after_a_start_that_failed) {
    for (const bool dynamic : {false, true}) {
        log_keeper log;
        logs_of(log, [dynamic] {
            auto table = mood();
            auto sup = start_sup(dynamic, {.restarts = 3, .within = 1h}, child<moody>("m", table));
            unlink(sup);
            const auto ref = monitor(sup);
            table.insert("fail"_a, 1);
            end_process(pid_of(sup, "m"));
            require_eq(down_of(ref), reason::shutdown);
        });
        EXPECT_EQ(told(log, "child_terminated"),
                  lines{of_child(" # ended: killed; restart 1 of 3 in 3600 s")});
        const std::string failed = "; the last one failed: moody; restart ";
        EXPECT_EQ(told(log, "child_restart"),
                  (lines{of_child(" is started again, attempt 2" + failed + "2 of 3 in 3600 s"),
                         of_child(" is started again, attempt 3" + failed + "3 of 3 in 3600 s")}));
        EXPECT_EQ(told(log, "start_error"), lines(3, of_child(" could not be started: moody")));
        EXPECT_EQ(log.count("shutdown"), 1u);
    }
}

TEST(restart_reports, begin_anew_with_each_end) {
    log_keeper log;
    logs_of(log, [] {
        auto table = mood();
        auto sup =
            start_sup(false, {.restarts = 100}, child<moody>("m", table).delay({.initial = 10ms}));
        table.insert("fail"_a, 1);
        pid m = pid_of(sup, "m");
        end_process(m);
        sleep(15ms);  // the first attempt has failed
        table.insert("fail"_a, 0);
        m = wait_for_new(sup, "m", m);
        end_process(m);
        wait_for_new(sup, "m", m);
        stop(sup);
    });
    EXPECT_EQ(told(log, "child_terminated").size(), 2u);
    const auto again = told(log, "child_restart");
    ASSERT_EQ(again.size(), 3u);
    EXPECT_NE(again[0].find("after its back-off"), std::string::npos) << again[0];
    EXPECT_NE(again[1].find("attempt 2;"), std::string::npos) << again[1];
    EXPECT_NE(again[2].find("after its back-off"), std::string::npos) << again[2];
}

// Of a child that a group restart could not start: each time from the first attempt.
TEST(restart_reports, count_the_attempts_of_each_group_restart_anew) {
    log_keeper log;
    logs_of(log, [] {
        auto table = mood();
        auto sup = supervisor::start_link(
                       the_sup, {.strategy = rest_for_one,
                                 .intensity = {.restarts = 100},
                                 .children = {child<worker>("b", self(), "b"),
                                              child<moody>("m", table).delay({.initial = 10ms})}})
                       .value();
        for (int round = 0; round < 2; ++round) {
            table.insert("fail"_a, 1);
            end_process(pid_of(sup, "b"));
            while (status_of(sup, "m") != child_status::restarting) yield();
            table.insert("fail"_a, 0);
            while (status_of(sup, "m") != child_status::running) sleep(1ms);
        }
        stop(sup);
    });
    const auto again = told(log, "child_restart");
    ASSERT_EQ(again.size(), 2u);
    for (const auto& text : again)
        EXPECT_NE(text.find("attempt 2; the last one failed: moody"), std::string::npos) << text;
}

TEST(restart_reports, say_why_when_a_budget_is_used_up) {
    for (const bool dynamic : {false, true}) {
        log_keeper log;
        logs_of(log, [dynamic] {
            auto table = mood();
            auto sup = start_sup(dynamic, {.restarts = 5},
                                 child<moody>("m", table).budget({.restarts = 0}));
            end_process(pid_of(sup, "m"));
            while (count_children(sup).active != 0) yield();
            stop(sup);
        });
        EXPECT_EQ(told(log, "budget_used_up"),
                  lines{of_child(" stays stopped: more than its own 0 restarts in 5 s; last: "
                                 "killed")});
    }
}

// No value of a duration stands for something else.
TEST(shutdown_limit, of_any_negative_duration_is_refused) {
    const auto body = [] {
        auto sup = supervisor::start_link({}).value();
        for (const duration bad : {duration(-1), duration::min(), duration::min() + duration(1),
                                   duration::min() + duration(2)}) {
            const child_spec spec = child<worker>("a", self(), "a").shutdown(bad);
            require(!spec.kills_at_once());
            require_eq(spec.shutdown(), bad);
            const auto r = start_child(sup, spec);
            require(!r && r.error().kind == child_failure::bad_spec);
            require(r.error().text.find("child \"a\": shutdown: " + std::to_string(bad.count())) !=
                        std::string::npos,
                    r.error().text);
        }
        require(said_so_far().empty());
        // The last word counts.
        child_spec spec = child<worker>("a", self(), "a").shutdown(brutal_kill).shutdown(2s);
        require(!spec.kills_at_once() && spec.shutdown() == 2s);
        spec.shutdown(brutal_kill);
        require(spec.kills_at_once() && spec.shutdown() == 0s);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(child_known_by_pid, that_is_empty_is_nobody_s) {
    const auto body = [] {
        auto sup = supervisor::start_link({}).value();
        auto dynamic = dynamic_supervisor::start_link().value();
        for (auto s : {sup, dynamic}) {
            require(terminate_child(s, pid()).error().kind == child_failure::not_found);
            require(get_childspec(s, pid()).error().kind == child_failure::not_found);
            stop(s);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(start_limit, that_is_negative_fails_in_the_starter_before_anything_starts) {
    const auto body = [] {
        thrown_by<bad_argument>(
            [] { (void)start_link<worker>(start_options{.limit = -1s}, self(), "x"); });
        require(said_so_far().empty());
        thrown_by<bad_argument>([] {
            const auto f = [boss = self()](int) { send(boss, "ran"_a); };
            for ([[maybe_unused]] auto& r : async_stream(std::vector{1}, f, {.limit = -1s})) {
            }
        });
        require_eq(process_info(self())->links.size(), 0u);
        require_eq(process_info(self())->message_queue_len, 0u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
