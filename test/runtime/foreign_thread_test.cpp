// The runtime as threads see it that run no process; several runtimes in one program; coming to an end.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <heirloom/blocking.hpp>
#include <heirloom/names.hpp>

#if HEIRLOOM_ASAN
#include <sanitizer/lsan_interface.h>
#endif

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

template <class F>
bool throws_not_in_process(F f) {
    try {
        f();
    } catch (const not_in_process&) {
        return true;
    }
    return false;
}

}  // namespace

TEST(foreign_thread, gets_an_error_for_what_only_a_process_may_do) {
    const runtime rt(quiet(1));
    EXPECT_FALSE(in_process());
    EXPECT_TRUE(throws_not_in_process([] { (void)self(); }));
    EXPECT_TRUE(throws_not_in_process([] { (void)parent(); }));
    EXPECT_TRUE(throws_not_in_process([] { receive<go>(); }));
    EXPECT_TRUE(throws_not_in_process([] { (void)receive_for<go>(0s); }));
    EXPECT_TRUE(throws_not_in_process([] { sleep(1ms); }));
    EXPECT_TRUE(throws_not_in_process([] { yield(); }));
    EXPECT_TRUE(throws_not_in_process([] { spawn([] {}); }));
    EXPECT_TRUE(throws_not_in_process([] { spawn_link([] {}); }));
    EXPECT_TRUE(throws_not_in_process([] { (void)spawn_monitor([] {}); }));
    EXPECT_TRUE(throws_not_in_process([] { send(pid(), go{}); }));
    EXPECT_TRUE(throws_not_in_process([] { send("foreign"_a, go{}); }));
    EXPECT_TRUE(throws_not_in_process([] { exit(reason::normal); }));
    EXPECT_TRUE(throws_not_in_process([] { exit(pid(), reason::kill); }));
    EXPECT_TRUE(throws_not_in_process([] { link(pid()); }));
    EXPECT_TRUE(throws_not_in_process([] { (void)monitor(pid()); }));
    EXPECT_TRUE(throws_not_in_process([] { (void)alias(); }));
    EXPECT_TRUE(throws_not_in_process([] { trap_exit(true); }));
    EXPECT_TRUE(throws_not_in_process([] { set_priority(priority::high); }));
    EXPECT_TRUE(throws_not_in_process([] { suspend(pid()); }));
    EXPECT_TRUE(throws_not_in_process([] { (void)process_info(pid()); }));
    EXPECT_TRUE(throws_not_in_process([] { send_after(1ms, pid(), go{}); }));
    EXPECT_TRUE(throws_not_in_process([] { blocking([] {}); }));
    EXPECT_TRUE(throws_not_in_process([] { unregister_name("foreign"_a); }));
    // Harmless ones.
    unlink(pid());
    EXPECT_FALSE(demonitor(monitor_ref{}));
    EXPECT_FALSE(unalias(alias_ref{}));
    EXPECT_FALSE(try_send(pid(), go{}));
    EXPECT_FALSE(cancel(timer_ref{}));
    EXPECT_FALSE(is_alive(pid()));
    EXPECT_FALSE(whereis("foreign"_a));
    { const shield s; }
}

TEST(foreign_thread, destroys_what_it_could_not_send) {
    const runtime rt(quiet(1));
    const auto token = std::make_shared<const int>(1);
    EXPECT_TRUE(throws_not_in_process([&] { send(pid(), token); }));
    EXPECT_TRUE(throws_not_in_process([&] { send_after(1ms, pid(), token); }));
    EXPECT_TRUE(throws_not_in_process([&] { spawn([](const auto&) {}, token); }));
    EXPECT_EQ(token.use_count(), 1);
}

TEST(foreign_thread, spawns_sends_and_watches) {
    for (unsigned workers : {1u, 2u, 4u}) {
        runtime rt(quiet(workers));
        std::promise<int> sum;
        const pid adder = rt.spawn_with({.name = "foreign_adder"}, [&sum] {
            int total = 0;
            for (int i = 0; i < 300; ++i) total += receive<number>().n;
            sum.set_value(total);
            receive<stop>();
            exit("over"_a);
        });
        EXPECT_EQ(rt.whereis("foreign_adder"_a), adder);
        EXPECT_TRUE(rt.is_alive(adder));
        const auto all = rt.processes();
        EXPECT_NE(std::find(all.begin(), all.end(), adder), all.end());
        std::promise<down> ended;
        rt.monitor(adder, [&](const down& d) { ended.set_value(d); });
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 100; ++i) {
                    if (i % 2)
                        rt.send(adder, number{1});
                    else
                        rt.send("foreign_adder"_a, number{1});
                }
            });
        for (auto& t : threads) t.join();
        EXPECT_EQ(sum.get_future().get(), 300);
        rt.send(adder, stop{});
        const down d = ended.get_future().get();
        EXPECT_EQ(d.from, adder);
        EXPECT_EQ(d.reason, exit_reason("over"_a));
        EXPECT_FALSE(rt.is_alive(adder));
        EXPECT_FALSE(rt.whereis("foreign_adder"_a));
        EXPECT_THROW(rt.send("foreign_adder"_a, number{1}), no_such_process);
        rt.send(adder, number{1});  // dropped
    }
}

TEST(foreign_thread, order_of_its_messages_is_kept) {
    for (unsigned workers : {1u, 2u, 4u}) {
        runtime rt(quiet(workers));
        std::promise<int> out_of_order;
        const pid reader = rt.spawn([&out_of_order] {
            int wrong = 0;
            for (int i = 0; i < 5'000; ++i) wrong += receive<number>().n != i;
            out_of_order.set_value(wrong);
        });
        for (int i = 0; i < 5'000; ++i) rt.send(reader, number{i});
        EXPECT_EQ(out_of_order.get_future().get(), 0);
    }
}

TEST(foreign_thread, signals_before_trap_exit_are_not_trapped) {
    runtime rt(quiet(1));
    std::promise<pid> here;
    std::promise<void> signalled;
    std::promise<bool> over;
    struct report {
        std::promise<bool>& to;
        bool went_on = false;
        ~report() { to.set_value(went_on); }
    };
    rt.spawn([&] {
        report at_end{over};
        here.set_value(self());
        // Not a safe point: what comes in meanwhile is there, and not looked at, when the setting changes.
        signalled.get_future().wait();
        trap_exit(true);
        at_end.went_on = true;
    });
    rt.exit(here.get_future().get(), "odd"_a);
    signalled.set_value();
    EXPECT_FALSE(over.get_future().get());
}

TEST(foreign_thread, kills_and_invokes) {
    for (unsigned workers : {1u, 2u}) {
        runtime rt(quiet(workers));
        const pid victim = rt.spawn([] { receive<stop>(); });
        std::promise<exit_reason> ended;
        rt.monitor(victim, [&](const down& d) { ended.set_value(d.reason); });
        rt.exit(victim, reason::kill);
        const auto reason_told = ended.get_future().get();
        EXPECT_TRUE(reason_told == reason::killed || reason_told == reason::no_process)
            << reason_told;
        EXPECT_EQ(rt.invoke([] { return 7; }), 7);
        EXPECT_THROW(rt.invoke([] { throw std::out_of_range("far"); }), std::out_of_range);
        EXPECT_THROW(rt.invoke([]() -> int { throw std::out_of_range("far"); }), std::out_of_range);
        // Whatever is thrown, of any type.
        EXPECT_THROW(rt.invoke([] { throw 42; }), int);
        EXPECT_THROW(rt.invoke([]() -> std::string { throw "text"; }), const char*);
        // What is the end of the process and no error comes as its reason.
        const auto failure_of = [&](const auto& f) -> exit_reason {
            try {
                rt.invoke(f);
            } catch (const main_process_failed& e) {
                return e.reason();
            }
            return "nothing was thrown"_a;
        };
        EXPECT_EQ(failure_of([] { exit("odd"_a); }), exit_reason("odd"_a));
        EXPECT_EQ(failure_of([]() -> int { exit(reason::shutdown); }), reason::shutdown);
        EXPECT_EQ(failure_of([] { exit(self(), reason::kill), receive<stop>(); }), reason::killed);
        EXPECT_EQ(failure_of([] {
                      try {
                          exit(self(), reason::kill);
                          receive<stop>();
                      } catch (...) {
                          throw std::out_of_range("instead");
                      }
                  }),
                  reason::killed);
        EXPECT_THROW(rt.invoke([] { hibernate([] {}); }), bad_argument);
        std::vector<std::thread> threads;
        std::atomic<int> sum{0};
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 50; ++i)
                    sum += rt.invoke([] {
                        yield();
                        return 1;
                    });
            });
        for (auto& t : threads) t.join();
        EXPECT_EQ(sum, 200);
    }
}

TEST(foreign_thread, functions_are_refused_inside_a_process) {
    runtime rt(quiet(2));
    const int code = rt.run([&] {
        int refused = 0;
        try {
            rt.run([] {});
        } catch (const bad_argument&) {
            ++refused;
        }
        try {
            rt.invoke([] {});
        } catch (const bad_argument&) {
            ++refused;
        }
        try {
            rt.spawn([] {});
        } catch (const bad_argument&) {
            ++refused;
        }
        try {
            rt.send(self(), go{});
        } catch (const bad_argument&) {
            ++refused;
        }
        return refused;
    });
    EXPECT_EQ(code, 4);
}

TEST(runtimes, live_side_by_side) {
    runtime a(quiet(2)), b(quiet(1));
    EXPECT_EQ(a.workers(), 2u);
    EXPECT_EQ(b.workers(), 1u);
    const pid echo_a = a.spawn_with({.name = "same_name"}, answer_pings);
    const pid echo_b = b.spawn_with({.name = "same_name"}, answer_pings);
    EXPECT_NE(echo_a, echo_b);
    EXPECT_NE(echo_a.runtime_index(), echo_b.runtime_index());
    EXPECT_EQ(a.whereis("same_name"_a), echo_a);
    EXPECT_EQ(b.whereis("same_name"_a), echo_b);
    for (auto* rt : {&a, &b}) {
        const auto all = rt->processes();
        EXPECT_EQ(all.size(), 1u);
    }
    // Processes of one talk to processes of the other, watch them and end them.
    const int code = a.run([&] {
        for (int i = 0; i < 500; ++i) {
            sync_with(echo_b);
            sync_with(echo_a);
        }
        const monitor_ref watch = monitor(echo_b);
        exit(echo_b, "odd"_a);
        if (reason_of(watch) != exit_reason("odd"_a)) return 1;
        if (is_alive(echo_b)) return 2;
        trap_exit(true);
        link(echo_a);
        exit(echo_a, reason::kill);
        if (receive<exit_signal>().reason != reason::killed) return 3;
        return 0;
    });
    EXPECT_EQ(code, 0);
}

TEST(runtimes, come_and_go_without_a_trace) {
    // A pid of a runtime that is gone names nobody, also when a later runtime uses the same numbers.
    pid old;
    {
        runtime rt(quiet(1));
        old = rt.spawn([] { receive<stop>(); });
    }
    for (int i = 0; i < 20; ++i) {
        runtime rt(quiet(2));
        const pid now = rt.spawn(answer_pings);
        EXPECT_NE(now, old);
        EXPECT_FALSE(rt.is_alive(old));
        rt.send(old, go{});
        rt.exit(old, reason::kill);
        EXPECT_EQ(rt.run([&] {
            sync_with(now);
            return await_end(old) == reason::no_process ? 0 : 1;
        }),
                  0);
        EXPECT_TRUE(rt.is_alive(now));
    }
}

TEST(runtimes, end_their_processes) {
    for (unsigned workers : {1u, 2u, 4u}) {
        const auto token = std::make_shared<const int>(1);
        {
            options opts = quiet(workers);
            opts.shutdown_limit =
                1s;  // half of it passes, for some do not heed that they are asked
            runtime rt(std::move(opts));
            rt.run([&] {
                for (int i = 0; i < 100; ++i) {
                    spawn([token] { receive<stop>(); });
                    spawn([token] { sleep(1h); });
                    spawn([token] {
                        for (;;) yield();
                    });
                    spawn([token] {
                        trap_exit(true);
                        receive<stop>();
                    });
                    send_after(1h, self(), token);
                    send_after(1h, "nobody"_a, token);
                    send(spawn([] { receive<stop>(); }), token);
                }
            });
        }
        EXPECT_EQ(token.use_count(), 1) << workers << " workers";
    }
}

TEST(runtimes, ask_those_that_trap_first) {
    std::atomic<int> told{0};
    {
        runtime rt(quiet(2));
        std::promise<void> ready;
        rt.spawn([&] {
            trap_exit(true);
            ready.set_value();
            const auto e = receive<exit_signal>();
            told = e.reason == reason::shutdown ? 1 : 2;
        });
        ready.get_future().get();
    }
    EXPECT_EQ(told, 1);
}

// Whoever stands above them and does not trap is no reason to wait for them in vain, nor to kill them.
TEST(runtimes, ask_those_that_trap_below_one_that_does_not) {
    std::atomic<int> told{0};
    options opts = quiet(2);
    opts.shutdown_limit = 1h;
    {
        runtime rt(std::move(opts));
        std::promise<void> ready;
        rt.spawn([&] {
            spawn([&] {
                trap_exit(true);
                // Outlives who has started it, and is asked when that one has gone.
                spawn([&] {
                    trap_exit(true);
                    ready.set_value();
                    told += receive<exit_signal>().reason == reason::shutdown ? 1 : 100;
                });
                told += receive<exit_signal>().reason == reason::shutdown ? 1 : 100;
            });
            receive<int>();
        });
        ready.get_future().get();
    }
    EXPECT_EQ(told, 2);
}

namespace {

/// Computes for ever without a library call, until `over`; then it waits for what never comes, for its runtime is no more.
void hold_up(const std::shared_ptr<std::atomic<bool>>& started,
             const std::shared_ptr<std::atomic<bool>>& over) {
    *started = true;
    while (!*over) std::this_thread::yield();
    std::promise<void>().get_future().wait();
}

}  // namespace

TEST(shutdown, says_who_holds_it_up_and_goes_on) {
    const auto started = std::make_shared<std::atomic<bool>>(false);
    const auto over = std::make_shared<std::atomic<bool>>(false);
    captured_log log;
    options opts = quiet(2, log);
    opts.shutdown_limit = 100ms;
    opts.leak_on_shutdown = true;
    auto rt = std::make_unique<runtime>(std::move(opts));
    const pid held = rt->spawn([started, over] { hold_up(started, over); });
    while (!*started) std::this_thread::yield();
    auto destroyed = std::make_shared<std::promise<void>>();
    auto waiting = destroyed->get_future();
    std::thread([destroyed, owned = rt.release()] {
#if HEIRLOOM_ASAN
        // Left behind on purpose, and reachable, but the head of a mailbox is a tagged pointer, which LeakSanitizer takes for none.
        const __lsan::ScopedDisabler on_purpose;
#endif
        delete owned;
        destroyed->set_value();
    }).detach();
    EXPECT_EQ(waiting.wait_for(20s), std::future_status::ready)
        << "the destructor keeps to its limit";
    const auto reports = log.events("shutdown_held");
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_NE(reports.front().text.find(to_string(held)), std::string::npos)
        << reports.front().text;
    *over = true;
}

TEST(shutdown, ends_the_program_if_told_to) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            const auto started = std::make_shared<std::atomic<bool>>(false);
            const auto over = std::make_shared<std::atomic<bool>>(false);
            options opts{.workers = 2};
            opts.shutdown_limit = 50ms;
            opts.leak_on_shutdown = false;
            runtime rt(std::move(opts));
            rt.spawn([started, over] { hold_up(started, over); });
            while (!*started) std::this_thread::yield();
        },
        testing::ExitedWithCode(70), "held up by");
}
