// Beside a runtime's workers: its watchdog, plain threads and other runtimes, which look at its processes and send to them while
// those end. Most of this is about windows of nanoseconds: ThreadSanitizer sees what is wrong there also when nothing comes of it.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <atomic>
#include <chrono>
#include <ctime>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <heirloom/detail/activity.hpp>
#include <heirloom/detail/running.hpp>
#include <heirloom/names.hpp>
#include <heirloom/timer.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

/// Computes until the watchdog takes the thread's role away, and calls nothing of the library.
void compute_until_revoked() {
    const auto start = std::chrono::steady_clock::now();
    while (!detail::known_thread()->revoked.load(std::memory_order_relaxed) &&
           std::chrono::steady_clock::now() - start < 10s) {
    }
}

}  // namespace

// Whose role was taken may be over, and its control block another's, while the watchdog still says who it was.
TEST(watchdog, names_who_computes_while_that_ends_and_another_takes_its_place) {
    const captured_log log;
    runtime rt(quiet(2, log));
    constexpr int rounds = 20;
    const auto is_named = [&log] { return !log.events("long_schedule").empty(); };
    rt.run([&] {
        for (int i = 0; i < rounds; ++i) reason_of(spawn_monitor(compute_until_revoked).ref);
        // Those may all have been back in the library before the watchdog looked, and kept their threads. This one is not.
        const auto until_named = [&is_named, start = std::chrono::steady_clock::now()] {
            while (!is_named() && std::chrono::steady_clock::now() - start < 10s) {
            }
        };
        reason_of(spawn_monitor(until_named).ref);
    });
    EXPECT_TRUE(is_named());
}

// What it used before does not hide that it uses nothing now: the only worker would be lost, and what others retire never freed.
TEST(watchdog, notices_who_computes_a_little_and_blocks_its_thread_then) {
    const captured_log log;
    runtime rt(quiet(1, log));
    rt.run([] {
        const auto [who, watch] = spawn_monitor([] {
            const auto other = std::make_shared<std::promise<void>>();
            spawn([other] { other->set_value(); });
            const auto own_time = [] {
                timespec used{};
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
                return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
            };
            for (const auto start = own_time(); own_time() - start < 2ms;) {
            }
            EXPECT_EQ(other->get_future().wait_for(10s), std::future_status::ready);
        });
        EXPECT_EQ(reason_of(watch), reason::normal);
    });
}

// A lookup reads a table that a registration may replace.
TEST(names, are_looked_up_from_everywhere_while_their_table_grows) {
    runtime rt(quiet(2));
    std::atomic<bool> over{false};
    std::atomic<int> wrong{0};
    std::thread outside;
    rt.run([&] {
        register_name("outsiders_keeper"_a, self());
        outside = std::thread([&] {
            while (!over) wrong += rt.whereis("outsiders_keeper"_a) == pid();
        });
        const auto [inside, done] = spawn_monitor([&] {
            while (!over) {
                wrong += whereis("outsiders_keeper"_a) == pid();
                yield();
            }
        });
        const int many = (under_tsan || under_asan) ? 2'000 : 20'000;
        for (int i = 0; i < many; ++i) {
            const atom name = atom::intern("outsiders_" + std::to_string(i));
            const auto [who, watch] = spawn_monitor({.name = name}, [] {});
            reason_of(watch);
        }
        over = true;
        outside.join();
        reason_of(done);
    });
    EXPECT_EQ(wrong, 0);
}

// Who looks a name up finds a process that can be reached, or nobody.
TEST(names, given_by_spawn_lead_to_a_process_that_is_there) {
    const auto body = [](witness& w) {
        const int rounds = w.times(3'000, 10);
        const pid main = self();
        for (int i = 0; i < rounds; ++i) {
            const auto looking = std::make_shared<std::atomic<bool>>(false);
            const auto [seeker, watch] = spawn_monitor([main, looking] {
                pid found;
                // So long at a time that the others do not wait for this worker.
                for (int looks = 1; !(found = whereis("outsiders_late"_a)); ++looks) {
                    *looking = true;
                    if (looks % 10'000 == 0) yield();
                }
                send(found, ping{self()});
                const bool answered =
                    receive([](pong) { return true; }, after(5s, [] { return false; }));
                send(main, answered);
            });
            while (!*looking) yield();
            const auto [named, end] = spawn_monitor({.name = "outsiders_late"_a}, answer_pings);
            const bool answered = receive<bool>();
            w.that(answered, "who is found by name is there");
            reason_of(watch);
            send(named, stop{});
            reason_of(end);
            if (!answered) return;
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

// A timer that is armed for a process which ends meanwhile is that end's to cancel, or the armer's.
TEST(timers, armed_for_who_is_ending_are_cancelled) {
    const auto body = [](witness& w) {
        const int rounds = w.times(2'000, 10);
        for (int i = 0; i < rounds; ++i) {
            const auto [target, watch] = spawn_monitor([] { receive<go>(); });
            const auto [armer, over] = spawn_monitor([target] {
                for (int n = 0; n < 20; ++n) {
                    const timer_ref ref = send_after(1h, target, go{});
                    if (!is_alive(target)) {
                        while (is_alive(target)) yield();
                        await_gone(target);
                        if (read_timer(ref)) exit("armed_for_the_dead"_a);
                    }
                    if (n % 4 == 0) yield();
                }
            });
            yield();
            send(target, go{});
            reason_of(watch);
            w.equal(reason_of(over), reason::normal);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

// A process is all that keeps its runtime up, and ends as soon as it has what a thread or another runtime's process sends: that one
// may not be done yet.
TEST(runtimes, end_while_others_still_send_to_them) {
    runtime outer(quiet(1));
    const int rounds = (under_tsan || under_asan) ? 100 : 500;
    for (int i = 0; i < rounds; ++i) {
        std::promise<void> received;
        auto inner = std::make_unique<runtime>(quiet(1));
        const pid target = inner->spawn([&] {
            receive<go>();
            received.set_value();
        });
        // Its worker does not sleep meanwhile, so that nobody need be woken.
        inner->spawn([] {
            for (;;) yield();
        });
        std::thread plain;
        if (i % 2 == 0)
            plain = std::thread([target] { try_send(target, go{}); });
        else
            outer.spawn([target] { send(target, go{}); });
        received.get_future().wait();
        inner.reset();
        if (plain.joinable()) plain.join();
    }
}

// What is being born when everybody is told to end is told as well.
TEST(shutdown, reaches_those_who_are_just_being_born) {
    const int rounds = (under_tsan || under_asan) ? 50 : 200;
    for (int i = 0; i < rounds; ++i) {
        options opts = quiet(4);
        opts.shutdown_limit = 10s;
        opts.leak_on_shutdown = true;
        auto rt = std::make_unique<runtime>(std::move(opts));
        std::promise<void> begun;
        rt->spawn([&begun] {
            for (int n = 0; n < 3; ++n)
                spawn([] {
                    for (;;) spawn([] { receive<stop>(); });
                });
            begun.set_value();
        });
        begun.get_future().wait();
        const auto start = std::chrono::steady_clock::now();
        rt.reset();
        ASSERT_LT(std::chrono::steady_clock::now() - start, 8s) << "round " << i;
    }
}

// Somebody who is in the middle of waking one of its processes may still use the runtime.
TEST(runtimes, stay_while_somebody_is_in_the_middle_of_a_send) {
    std::atomic<int> stage{0};
    std::thread sender([&] {
        const detail::reader_scope sending;
        stage = 1;
        while (stage != 2) std::this_thread::yield();
        for (int i = 0; i < 20'000; ++i) std::this_thread::yield();
        stage = 3;
    });
    while (stage != 1) std::this_thread::yield();
    {
        const runtime rt(quiet(1));
        stage = 2;
    }
    EXPECT_EQ(stage, 3);
    sender.join();
}

// What others retire all the time is none of its business.
TEST(runtimes, end_while_others_retire_without_end) {
    std::atomic<bool> over{false};
    runtime busy(quiet(2));
    for (int i = 0; i < 2; ++i)
        busy.spawn([&over] {
            while (!over) {
                for (int n = 0; n < 10; ++n) detail::retire(nullptr, [](void*) noexcept {});
                yield();
            }
        });
    std::promise<void> ended;
    std::thread limit([&over, end = ended.get_future()] {
        (void)end.wait_for(20s);
        over = true;
    });
    { const runtime rt(quiet(1)); }
    EXPECT_FALSE(over) << "it waited until the other runtime had nothing to retire";
    ended.set_value();
    limit.join();
}

// A runtime that a process of another makes and destroys waits for all but that one.
TEST(runtimes, end_in_a_process_of_another) {
    runtime outer(quiet(1));
    EXPECT_EQ(outer.run([] {
        for (int i = 0; i < 5; ++i) {
            runtime inner(quiet(1));
            detail::retire(nullptr, [](void*) noexcept {});
            // Not in a process of this one: its thread has one already.
        }
    }),
              0);
}
