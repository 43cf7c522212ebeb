// Work wakes whoever could do it. With a watchdog a wake that is missing costs a millisecond and nobody notices, so these
// runtimes have none: what nobody is woken for never happens.
#include "support/effort.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/runtime.hpp>
#include <heirloom/timer.hpp>

using namespace heirloom;
using namespace std::chrono_literals;

namespace {

constexpr auto a_long_time = 20s;  // against what would be for ever

options unwatched(unsigned workers) {
    options o{.workers = workers};
    o.shutdown_limit = 1s;  // when nobody is woken nobody ends
    o.max_processes = 4000;
    o.watchdog = false;
    return o;
}

/// Lets about so much time pass, a little more each time, so that what others do meanwhile is met at every point.
void linger(int turns) {
    for (std::atomic<int> i{0}; i < turns;) i.fetch_add(1, std::memory_order_relaxed);
}

/// Computes, without a call of the library, until `holds`; false if that takes too long.
template <class F>
bool computes_until(F holds) {
    const auto end = std::chrono::steady_clock::now() + a_long_time;
    while (!holds())
        if (std::chrono::steady_clock::now() > end) return false;
    return true;
}

}  // namespace

TEST(waking, a_spawn_from_outside_is_run_however_deep_the_workers_sleep) {
    for (unsigned workers : {1u, 2u, 4u}) {
        runtime rt(unwatched(workers));
        for (int i = 0; i < static_cast<int>(test::scaled(2000)); ++i) {
            auto done = std::make_shared<std::promise<void>>();
            auto ran = done->get_future();
            rt.spawn([done] { done->set_value(); });
            ASSERT_EQ(ran.wait_for(a_long_time), std::future_status::ready)
                << "turn " << i << " with " << workers << " workers";
            linger(i * 7 % 6000);
        }
    }
}

TEST(waking, a_message_from_outside_wakes_who_waits) {
    for (unsigned workers : {1u, 2u, 4u}) {
        runtime rt(unwatched(workers));
        auto got = std::make_shared<std::atomic<int>>(0);
        const pid waiting = rt.spawn([got] {
            for (;;) *got = receive<int>();
        });
        for (int i = 1; i < static_cast<int>(test::scaled(2000)); ++i) {
            rt.send(waiting, i);
            ASSERT_TRUE(computes_until([&] { return *got == i; }))
                << "message " << i << " with " << workers << " workers";
            linger(i * 7 % 6000);
        }
    }
}

TEST(waking, what_a_ring_cannot_hold_is_run_by_others) {
    runtime rt(unwatched(2));
    EXPECT_TRUE(rt.invoke([] {
        constexpr int many = 600;  // a ring holds 256
        auto awake = std::make_shared<std::atomic<int>>(0);
        for (int turn = 0; turn < 10; ++turn) {
            std::vector<pid> all;
            for (int i = 0; i < many; ++i)
                all.push_back(spawn([awake] {
                    receive<int>();
                    ++*awake;
                }));
            sleep(3ms);  // by then all wait and the other worker sleeps
            *awake = 0;
            for (pid p : all) (void)try_send(p, 1);  // no safe point: all are here still
            if (!computes_until([&] { return *awake > 0; })) return false;
            while (*awake < many) yield();
        }
        return true;
    }));
}

TEST(waking, a_process_of_high_priority_is_run_by_others) {
    runtime rt(unwatched(2));
    EXPECT_TRUE(rt.invoke([] {
        for (int turn = 0; turn < 10; ++turn) {
            auto awake = std::make_shared<std::atomic<bool>>(false);
            const pid urgent = spawn({.priority = priority::high}, [awake] {
                receive<int>();
                *awake = true;
            });
            sleep(3ms);  // by then it waits and the other worker sleeps
            send(urgent, 1);
            if (!computes_until([&] { return awake->load(); })) return false;
        }
        return true;
    }));
}

TEST(waking, processes_that_take_turns_on_one_worker_come_to_share_two) {
    // Few, too: a queue of one or three turns over before anybody looks at it twice.
    for (int many : {2, 4, 12}) {
        runtime rt(unwatched(2));
        EXPECT_TRUE(rt.invoke([many] {
            auto at_once = std::make_shared<std::atomic<int>>(0);
            auto met = std::make_shared<std::atomic<bool>>(false);
            sleep(3ms);  // the other worker sleeps
            std::vector<monitor_ref> all;
            for (int i = 0; i < many; ++i)
                all.push_back(spawn_monitor([at_once, met] {
                                  const auto end = std::chrono::steady_clock::now() + a_long_time;
                                  while (!*met && std::chrono::steady_clock::now() < end) {
                                      if (++*at_once > 1) *met = true;
                                      linger(50'000);  // so long that the others are worth moving
                                      --*at_once;
                                      yield();
                                  }
                              }).ref);
            for (const auto& ref : all) receive(when(ref, [](const down&) {}));
            return met->load();
        })) << many
            << " processes";
    }
}
