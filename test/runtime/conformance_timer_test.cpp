// Timers: the catalogue's rows tm-*.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/names.hpp>
#include <heirloom/timer.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

TEST(conformance_processes, tm_order) {
    const auto body = [](witness& w) {
        for (const int n : {103, 101, 100, 102})
            send_after(std::chrono::milliseconds(n - 80), self(), number{n});
        for (const int n : {100, 101, 102, 103}) w.equal(receive<number>().n, n);
        send_after(0s, self(), number{1});
        w.equal(receive<number>().n, 1);
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, tm_order_of_many) {
    const auto body = [](witness& w) {
        std::vector<int> delays(200);
        for (std::size_t i = 0; i < delays.size(); ++i)
            delays[i] = static_cast<int>((i * 7919) % delays.size());
        const auto start = runtime_clock::now() + 20ms;
        for (int d : delays) send_at(start + d * 50us, self(), number{d});
        for (int i = 0; i < static_cast<int>(delays.size()); ++i) {
            w.equal(receive<number>().n, i);
            w.that(runtime_clock::now() >= start + i * 50us, "not early");
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, tm_start_timer_carries_its_ref) {
    const auto body = [](witness& w) {
        const timer_ref first = start_timer(2ms, self(), 1);
        const timer_ref second = start_timer(1ms, self(), 2);
        w.that(first != second);
        const int n = receive(when(second, [](timeout<int> t) { return t.value; }));
        w.equal(n, 2);
        const auto t = receive<timeout<int>>();
        w.equal(t.value, 1);
        w.that(t.ref == first);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, tm_cross_thread) {
    const auto body = [](witness& w) {
        // Read and cancelled by another process, wherever it runs; a moved owner loses nothing.
        const pid main = self();
        const pid helper = spawn([main] {
            for (bool more = true; more;)
                more = receive(
                    [main](timer_ref t) {
                        const auto left = read_timer(t);
                        const auto cancelled = cancel(t);
                        send(main, number{(left ? 1 : 0) + (cancelled ? 2 : 0)});
                        return true;
                    },
                    [](stop) { return false; });
        });
        for (int i = 0; i < w.times(100, 5); ++i) {
            const timer_ref t = send_after(1h, main, done{});
            yield();
            const auto left = read_timer(t);
            w.that(left && *left <= 1h && *left > 59min, "plausible time left");
            send(helper, t);
            w.equal(receive<number>().n, 3);
            w.that(!read_timer(t));
            w.that(!cancel(t));
        }
        send(helper, stop{});
        // Set here, delivered wherever its owner is by then.
        for (int i = 0; i < w.times(50, 3); ++i) {
            const pid owner = spawn([main] {
                send_after(200us, self(), go{});
                for (int n = 0; n < 20; ++n) yield();
                receive<go>();
                send(main, done{});
            });
            w.that(static_cast<bool>(owner));
            receive<done>();
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, tm_race_exactly_one) {
    const auto body = [](witness& w) {
        // Cancelled at the instant they expire: each either tells the time left or sends its message.
        const int count = w.times(300, 40);
        for (const bool by_other : {false, true}) {
            const auto end =
                runtime_clock::now() + (w.deterministic() ? duration(100us) : duration(3ms));
            std::vector<timer_ref> timers;
            for (int i = 0; i < count; ++i) timers.push_back(send_at(end, self(), number{i}));
            const auto cancel_all = [](const std::vector<timer_ref>& all) {
                std::vector<bool> stopped;
                for (const auto& t : all) stopped.push_back(cancel(t).has_value());
                return stopped;
            };
            std::vector<bool> stopped;
            sleep(std::max(duration(0), end - runtime_clock::now() - 20us));
            if (by_other) {
                spawn([timers, cancel_all, main = self()] { send(main, cancel_all(timers)); });
                stopped = receive<std::vector<bool>>();
            } else {
                stopped = cancel_all(timers);
            }
            sleep(w.deterministic() ? 1s : 5ms);  // well after the end: what fires has fired
            std::vector<int> arrived(static_cast<std::size_t>(count), 0);
            sync_with(spawn(answer_pings));
            const auto expected = std::count(stopped.begin(), stopped.end(), false);
            for (int i = 0; i < expected; ++i)
                ++arrived[static_cast<std::size_t>(receive<number>().n)];
            w.that(!receive_for<number>(w.a_while()), "none beyond those not cancelled");
            for (std::size_t i = 0; i < stopped.size(); ++i)
                w.equal(arrived[i], stopped[i] ? 0 : 1);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, tm_abs) {
    const auto body = [](witness& w) {
        const auto end = runtime_clock::now() + (w.deterministic() ? duration(1s) : duration(20ms));
        for (int i = 0; i < 310; ++i) send_at(end, self(), number{i});
        std::vector<bool> seen(310);
        for (int i = 0; i < 310; ++i) {
            seen[static_cast<std::size_t>(receive<number>().n)] = true;
            w.that(runtime_clock::now() >= end, "not early");
        }
        w.that(runtime_clock::now() <= end + (w.deterministic() ? duration(200ms) : duration(10s)),
               "in time");
        w.equal(std::count(seen.begin(), seen.end(), true), 310);
        // A time that has passed is now.
        send_at(runtime_clock::now() - 1s, self(), done{});
        receive<done>();
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, tm_dies_with_pid) {
    const auto body = [](witness& w) {
        const auto token = std::make_shared<const int>(1);
        for (int round = 0; round < w.times(20, 2); ++round) {
            const pid target = spawn([] { receive<stop>(); });
            const monitor_ref watch = monitor(target);
            std::vector<timer_ref> timers;
            for (int i = 0; i < 300; ++i) timers.push_back(send_after(1h, target, token));
            w.equal(token.use_count(), 301L);
            send(target, stop{});
            reason_of(watch);
            for (const auto& t : timers) w.that(!read_timer(t), "gone with its target");
            w.equal(token.use_count(), 1L);
            // Aimed at the dead: starts, and is gone.
            const timer_ref late = send_after(1h, target, token);
            w.that(!read_timer(late));
            w.that(!cancel(late));
            w.equal(token.use_count(), 1L);
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, tm_dies_with_pid_race) {
    const auto body = [](witness& w) {
        const auto token = std::make_shared<const int>(1);
        for (int i = 0; i < w.times(300, 10); ++i) {
            const pid target = spawn([] {});
            const timer_ref t = send_after(1h, target, token);
            await_gone(target);
            w.that(!read_timer(t), "gone with its target, whichever came first");
        }
        w.equal(token.use_count(), 1L);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, tm_name_late_binding) {
    const auto body = [](witness& w) {
        send_after(300ms, "tm_late"_a, number{1});
        const pid first = spawn({.name = "tm_late"}, [] {});
        await_gone(first);  // its death does not cancel the timer
        register_name("tm_late"_a, self());
        w.equal(receive<number>().n, 1);
        unregister_name("tm_late"_a);
        send_after(1ms, "tm_late"_a, number{2});
        w.that(!receive_for<number>(w.a_while()), "nobody has the name: dropped");
        register_name("tm_late"_a, self());
        w.that(!receive_for<number>(0s));
        unregister_name("tm_late"_a);
        const auto by_name = start_timer(200ms, "tm_late"_a, 7);
        register_name("tm_late"_a, self());
        const auto t = receive<timeout<int>>();
        w.that(t.ref == by_name && t.value == 7);
        unregister_name("tm_late"_a);
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, tm_big) {
    const auto body = [](witness& w) {
        for (const auto limit :
             {std::chrono::milliseconds(1ll << 31), std::chrono::milliseconds(1ll << 33)}) {
            const timer_ref t = send_after(limit, self(), done{});
            const auto left = read_timer(t);
            w.that(left && *left <= limit && *left > limit - 1min, "plausible time left");
            const auto cancelled = cancel(t);
            w.that(cancelled && *cancelled <= limit && *cancelled > limit - 1min);
        }
        const timer_ref never = send_after(forever, self(), done{});
        w.that(read_timer(never).has_value());
        w.that(!receive_for<done>(0s));
        w.that(cancel(never).has_value());
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, tm_badarg) {
    const auto body = [](witness& w) {
        int refused = 0;
        try {
            send_after(-1ms, self(), done{});
        } catch (const bad_argument&) {
            ++refused;
        }
        try {
            start_timer(-1ns, self(), 1);
        } catch (const bad_argument&) {
            ++refused;
        }
        w.equal(refused, 2);
        w.that(!cancel(timer_ref{}));
        w.that(!read_timer(timer_ref{}));
        w.that(!cancel(timer_ref{77, 999, 12345}), "a ref that never was");
        w.that(!receive_for<done>(0s));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, tm_zero_in_timeout) {
    const auto body = [](witness& w) {
        const auto start = runtime_clock::now();
        send_after(5ms, self(), done{});
        send_after(1ms, self(), number{3});
        while (const int n = receive<number>().n)
            for (int i = 0; i < 3; ++i) send_after(0s, self(), number{i == 0 ? n - 1 : 0});
        receive<done>();
        w.that(runtime_clock::now() - start < 1s);
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, tm_mod_sleep) {
    const auto body = [](witness& w) {
        const auto start = runtime_clock::now();
        sleep(2ms);
        w.that(runtime_clock::now() - start >= 2ms);
        // Messages do not wake a sleeper, and are all there afterwards.
        const pid main = self();
        spawn([main] {
            for (int i = 0; i < 10; ++i) send(main, number{i});
        });
        const auto again = runtime_clock::now();
        sleep(2ms);
        w.that(runtime_clock::now() - again >= 2ms);
        for (int i = 0; i < 10; ++i) w.equal(receive<number>().n, i);
        // For ever, and killed.
        for (const duration limit :
             {forever, duration(std::chrono::hours(100'000)), duration(1h)}) {
            auto [sleeper, watch] = spawn_monitor([limit, main] {
                send(main, go{});
                sleep(limit);
            });
            receive<go>();
            w.that(is_alive(sleeper));
            exit(sleeper, "odd"_a);
            w.equal(reason_of(watch), exit_reason("odd"_a));
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, tm_mod_sleep_is_not_cut_short_by_signals) {
    const auto body = [](witness& w) {
        const pid main = self();
        const pid sleeper = spawn([main] {
            send(main, go{});
            const auto start = runtime_clock::now();
            sleep(20ms);
            send(main, number{runtime_clock::now() - start >= 20ms ? 1 : 0});
        });
        receive<go>();
        // Each of these wakes it to be handled.
        for (int i = 0; i < 5; ++i) {
            (void)demonitor(monitor(sleeper));
            (void)process_info(sleeper);
            exit(sleeper, reason::normal);
        }
        w.that(receive<number>().n == 1, "it slept as long as it wanted to");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, tm_no_early_no_lost) {
    const auto body = [](witness& w) {
        // Random timers under load: none early, none lost.
        const pid main = self();
        const int processes_count = 20;
        const int timers = w.times(200, 20);
        std::vector<pid> load;
        for (int i = 0; i < 4; ++i)
            load.push_back(spawn([] {
                for (;;) {
                    for (int n = 0; n < 1000; ++n) asm volatile("");
                    yield();
                }
            }));
        for (int p = 0; p < processes_count; ++p)
            spawn([=] {
                std::minstd_rand random(static_cast<unsigned>(p + 1));
                int early = 0;
                for (int i = 0; i < timers; ++i) {
                    const auto delay = std::chrono::microseconds(random() % 2000);
                    const auto end = runtime_clock::now() + delay;
                    const timer_ref t = start_timer(delay, self(), i);
                    receive(when(t, [&](timeout<int>) { early += runtime_clock::now() < end; }));
                }
                send(main, number{early});
            });
        int early = 0;
        for (int p = 0; p < processes_count; ++p) early += receive<number>().n;
        w.equal(early, 0);
        for (pid p : load) exit(p, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}
