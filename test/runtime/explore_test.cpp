// explore: finds a failing seed, says why, shows the trace, and names the command that runs it
// again.
#include "heirloom/explore.hpp"
#include "heirloom/names.hpp"
#include "heirloom/receive.hpp"
#include "heirloom/test_kit.hpp"
#include "support/lost_update.hpp"

#include <cstdlib>
#include <sstream>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

struct environment {
    std::string name;
    environment(const char* n, const std::string& value) : name(n) {
        if (const char* old = std::getenv(n)) old_ = old;
        ::setenv(n, value.c_str(), 1);
    }
    ~environment() {
        if (old_.empty())
            ::unsetenv(name.c_str());
        else
            ::setenv(name.c_str(), old_.c_str(), 1);
    }
    std::string old_;
};

struct explored {
    exploration result;
    std::string report;
};
explored explore_quietly(const std::function<void()>& body, seed_range seeds,
                         explore_options options = {}) {
    // Seeds of the test run itself are not meant for what a test explores on purpose.
    environment count("HEIRLOOM_SEEDS", std::to_string(seeds.count));
    std::ostringstream out;
    options.out = &out;
    auto result = explore(body, seeds, options);
    return {std::move(result), std::move(out).str()};
}

}  // namespace

TEST(explore, finds_the_interleaving_that_loses_an_update) {
    const auto [result, report] =
        explore_quietly(lost_update, 1000, {.name = "lost_update", .replay = "./program"});
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.reproducible);
    EXPECT_NE(result.why.find("that both additions count does not hold"), std::string::npos)
        << result.why;
    const std::string seed = std::to_string(*result.failing_seed);
    EXPECT_EQ(result.replay, "HEIRLOOM_SEED=" + seed + " ./program");
    EXPECT_NE(report.find("lost_update fails with seed " + seed), std::string::npos) << report;
    EXPECT_NE(report.find("replay: " + result.replay), std::string::npos) << report;
    EXPECT_NE(report.find("::put"), std::string::npos) << report;
    EXPECT_NE(report.find(" us  <255."), std::string::npos) << report;
}

TEST(explore, replays_a_seed_with_its_trace_from_the_environment) {
    const auto first = explore_quietly(lost_update, 1000);
    ASSERT_FALSE(first.result);
    environment seed("HEIRLOOM_SEED", std::to_string(*first.result.failing_seed));
    const auto again = explore_quietly(lost_update, 1000);
    ASSERT_FALSE(again.result);
    EXPECT_EQ(again.result.seeds, 1u);
    EXPECT_EQ(again.result.failing_seed, first.result.failing_seed);
    EXPECT_EQ(again.result.why, first.result.why);
    EXPECT_EQ(again.result.trace, first.result.trace);
    for (const auto& line : first.result.trace)
        EXPECT_NE(again.report.find(line), std::string::npos) << line;
}

TEST(explore, runs_as_many_seeds_as_the_environment_says) {
    environment seeds("HEIRLOOM_SEEDS", "17");
    EXPECT_EQ(explore([] {}, 5).seeds, 17u);
}

TEST(explore, refuses_a_seed_that_is_no_number) {
    environment seeds("HEIRLOOM_SEED", "seventeen");
    EXPECT_THROW(static_cast<void>(explore([] {}, 5)), bad_argument);
}

TEST(explore, says_well_when_nothing_fails) {
    const auto [result, report] = explore_quietly([] { yield(); }, 50);
    EXPECT_TRUE(result);
    EXPECT_EQ(result.seeds, 50u);
    EXPECT_EQ(report, "");
}

TEST(explore, fails_when_the_main_process_is_killed) {
    const auto [result, report] = explore_quietly([] { exit("gone"_a); }, 5);
    EXPECT_EQ(result.why, "the main process ended: gone");
}

TEST(explore, fails_on_a_deadlock_and_says_who_waits) {
    const auto [result, report] = explore_quietly([] { receive<int>(); }, 5);
    EXPECT_NE(result.why.find("waits for a message: int"), std::string::npos) << result.why;
}

TEST(explore, fails_when_a_seed_does_not_end) {
    const auto [result, report] = explore_quietly(
        [] {
            for (;;) yield();
        },
        5, {.step_limit = 1000});
    EXPECT_NE(result.why.find("has not ended after 1000 steps"), std::string::npos) << result.why;
}

TEST(explore, fails_by_a_check_that_does_not_throw) {
    bool failed = false;
    const auto [result, report] =
        explore_quietly([&] { failed = true; }, 5, {.failed = [&] { return failed; }});
    EXPECT_EQ(result.why, "a check of the body failed");
}

TEST(explore, says_when_a_failure_is_not_the_seeds) {
    int runs = 0;
    const auto [result, report] =
        explore_quietly([&] { require(++runs != 3, "not the third"); }, 10);
    ASSERT_FALSE(result);
    EXPECT_FALSE(result.reproducible);
    EXPECT_NE(report.find("not reproducible"), std::string::npos) << report;
}

TEST(explore, keeps_the_last_lines_of_a_long_trace) {
    const auto [result, report] = explore_quietly(
        [] {
            for (int i = 0; i < 500; ++i) send(self(), i);
            exit("gone"_a);
        },
        5, {.trace_lines = 10});
    EXPECT_GT(result.trace.size(), 400u);
    EXPECT_NE(report.find(" lines before\n"), std::string::npos);
    EXPECT_EQ(std::count(report.begin(), report.end(), '\n'), 15) << report;
}

TEST(explore, shows_what_was_logged_among_the_steps) {
    const auto [result, report] = explore_quietly(
        [] {
            const auto child = spawn_monitor([] { throw std::runtime_error("broken"); });
            receive(when(child.ref, [](const down& d) { exit(d.reason); }));
        },
        5);
    EXPECT_NE(report.find("log  process <255.2.1>"), std::string::npos) << report;
}

TEST(explore, leaves_nobody_behind_between_seeds) {
    int alive = 0;
    struct counted {
        int& n;
        explicit counted(int& c) : n(c) { ++n; }
        ~counted() { --n; }
    };
    const auto [result, report] = explore_quietly(
        [&] {
            require(alive == 0, "a clean start");
            for (int i = 0; i < 5; ++i)
                spawn([&] {
                    counted c(alive);
                    receive<int>();
                });
            yield();
        },
        100);
    EXPECT_TRUE(result) << report;
    EXPECT_EQ(alive, 0);
}

TEST(explore, with_kills_finds_a_server_nobody_watches) {
    // Without faults every seed passes.
    const auto body = [] {
        const pid server = spawn([] {
            for (;;) receive([](get g) { send(g.from, 1); });
        });
        for (int i = 0; i < 3; ++i) {
            send(server, get{self()});
            receive<int>();
        }
    };
    EXPECT_TRUE(explore_quietly(body, 200).result);
    explore_options options;
    options.runtime.deterministic.faults.kill = 20'000;
    const auto [result, report] = explore_quietly(body, 200, options);
    ASSERT_FALSE(result);
    EXPECT_NE(report.find("FAULT <255.2.1> is killed"), std::string::npos) << report;
    EXPECT_NE(result.why.find("deadlock"), std::string::npos);
}
