// The test kit: one step at a time, a clock moved by hand, the next incarnation of a name.
#include "heirloom/receive.hpp"
#include "heirloom/test_kit.hpp"
#include "heirloom/timer.hpp"

#include <gtest/gtest.h>

using namespace heirloom;
using namespace std::chrono_literals;

namespace {
struct tick {};
options seeded(std::uint64_t seed) {
    options o;
    o.max_processes = 1000;
    o.deterministic.seed = seed;
    o.log = [](const log_event&) {};
    return o;
}
}  // namespace

TEST(stepper, refuses_a_runtime_that_is_not_deterministic) {
    options o;
    o.workers = 1;
    o.max_processes = 1000;
    runtime rt(o);
    EXPECT_THROW(stepper{rt}, bad_argument);
}

TEST(stepper, runs_one_process_a_step) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        options o = seeded(seed);
        o.deterministic.switch_chance = 0;
        runtime rt(o);
        stepper steps(rt);
        EXPECT_FALSE(steps.step());
        int a = 0, b = 0;
        rt.spawn([&] {
            ++a;
            yield();
            ++a;
        });
        rt.spawn([&] { ++b; });
        EXPECT_EQ(a + b, 0);
        EXPECT_TRUE(steps.step());
        EXPECT_EQ(a + b, 1);
        EXPECT_TRUE(steps.step());
        EXPECT_EQ(a + b, 2);
        EXPECT_TRUE(steps.step());
        EXPECT_EQ(a + b, 3);
        EXPECT_FALSE(steps.step());
    }
}

TEST(stepper, sees_no_deadline_of_a_wait_that_is_over) {
    runtime rt(seeded(4));
    stepper steps(rt);
    const pid waiting = rt.spawn([] {
        receive([](int) {}, after(1h));
        receive<int>();
    });
    const auto start = steps.now();
    steps.settle();
    EXPECT_EQ(steps.next_deadline(), start + 1h);
    rt.send(waiting, 1);
    steps.settle();
    EXPECT_EQ(steps.next_deadline(), std::nullopt);
    rt.send(waiting, 2);
    steps.settle();
    EXPECT_FALSE(rt.is_alive(waiting));
}

// [example stepper]
TEST(stepper, moves_the_clock_only_by_hand) {
    runtime rt(seeded(3));
    stepper steps(rt);
    bool woken = false;
    rt.spawn([&] {
        sleep(10ms);
        woken = true;
    });
    const auto start = steps.now();
    steps.settle();
    EXPECT_EQ(steps.now(), start);
    EXPECT_EQ(steps.next_deadline(), start + 10ms);
    steps.advance(9'999'999ns);
    EXPECT_FALSE(woken);
    steps.advance(1ns);
    EXPECT_TRUE(woken);
    EXPECT_EQ(steps.now(), start + 10ms);
    EXPECT_EQ(steps.next_deadline(), std::nullopt);
}
// [example end]

TEST(stepper, fires_timers_at_their_deadlines_in_order) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        runtime rt(seeded(seed));
        stepper steps(rt);
        std::vector<std::pair<int, duration>> fired;
        const auto start = steps.now();
        rt.spawn([&] {
            for (int i : {3, 1, 2}) send_after(std::chrono::milliseconds(i), self(), i);
            for (int n = 0; n < 3; ++n)
                receive([&](int i) { fired.emplace_back(i, runtime_clock::now() - start); });
        });
        steps.advance(1h);
        EXPECT_EQ(fired, (std::vector<std::pair<int, duration>>{{1, 1ms}, {2, 2ms}, {3, 3ms}}));
        EXPECT_EQ(steps.now(), start + 1h);
    }
}

TEST(stepper, runs_until_something_holds) {
    runtime rt(seeded(1));
    stepper steps(rt);
    int counted = 0;
    rt.spawn([&] {
        for (;;) {
            sleep(1s);
            ++counted;
        }
    });
    EXPECT_TRUE(steps.run_until([&] { return counted == 5; }));
    EXPECT_EQ(steps.now().time_since_epoch(), 5s);
    EXPECT_FALSE(steps.run_until([] { return false; }, 100));
}

TEST(stepper, says_false_when_nothing_can_happen_any_more) {
    runtime rt(seeded(1));
    stepper steps(rt);
    rt.spawn([] { receive<tick>(); });
    EXPECT_FALSE(steps.run_until([] { return false; }));
    EXPECT_NE(steps.who_waits().find("waits for a message: "), std::string::npos)
        << steps.who_waits();
}

TEST(stepper, leaves_the_runtime_to_run_by_itself_afterwards) {
    runtime rt(seeded(1));
    { stepper steps(rt); }
    EXPECT_EQ(rt.run([] {
        sleep(1s);
        return 7;
    }),
              7);
}

TEST(next_incarnation, waits_for_another_holder_of_the_name) {
    const auto found = explore(
        [] {
            spawn([] {
                for (;;) {
                    const auto child = spawn_monitor({.name = "worker"}, [] { receive<tick>(); });
                    receive(when(child.ref, [](const down&) {}));
                }
            });
            pid last = next_incarnation("worker"_a);
            for (int i = 0; i < 3; ++i) {
                send(last, tick{});
                const pid next = next_incarnation("worker"_a, last);
                require(next != last, "another incarnation");
                last = next;
            }
        },
        100);
    EXPECT_TRUE(found);
}

TEST(next_incarnation, fails_when_the_limit_passes) {
    runtime rt(seeded(1));
    rt.run([] { EXPECT_THROW(next_incarnation("nobody"_a, {}, 10ms), requirement_failed); });
    stepper steps(rt);
    EXPECT_THROW(steps.next_incarnation("nobody"_a, {}, 10ms), requirement_failed);
}

TEST(next_incarnation, works_from_outside) {
    runtime rt(seeded(2));
    stepper steps(rt);
    rt.spawn([] {
        sleep(1ms);
        register_name("late"_a, self());
        receive<tick>();
    });
    const pid late = steps.next_incarnation("late"_a);
    EXPECT_TRUE(rt.is_alive(late));
    rt.send(late, tick{});
    steps.settle();
    EXPECT_FALSE(rt.is_alive(late));
}

TEST(require, says_what_does_not_hold_and_where) {
    try {
        require(1 > 2, "one above two");
        FAIL();
    } catch (const requirement_failed& e) {
        EXPECT_NE(std::string(e.what()).find("one above two does not hold (line "),
                  std::string::npos);
    }
}
