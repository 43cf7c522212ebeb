// What one process does to the others: nothing. It overflows its stack, computes for ever, or blocks its thread.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"
#include "support/migrate.hpp"

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/blocking.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

[[gnu::noinline]] int recurse_for_ever(int n) {
    volatile char frame[200];
    frame[0] = static_cast<char>(n);
    if (frame[0] != static_cast<char>(n)) return 0;  // never, but the compiler cannot know
    return recurse_for_ever(n + 1) + frame[0];
}

[[gnu::noinline]] int use_a_large_array() {
    volatile char large[1 << 20];
    for (std::size_t i = 0; i < sizeof large; i += 512) large[i] = 1;
    return large[sizeof large / 2];
}

options quiet(unsigned workers) {
    options opts{.workers = workers};
    opts.log = [](const log_event&) {};
    return opts;
}

void overflow_in_a_process(void (*how)()) {
    runtime rt(quiet(1));
    rt.run([how] { (void)reason_of(spawn_monitor({.name = "the_deep_one"}, how).ref); });
}

}  // namespace

TEST(stack_overflow, by_recursion_aborts_with_a_report) {
    if (under_asan || under_tsan) GTEST_SKIP() << "the sanitizer reports it in its own words";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(overflow_in_a_process([] { recurse_for_ever(0); }),
                testing::KilledBySignal(SIGABRT), "stack overflow.*the_deep_one");
}

TEST(stack_overflow, by_a_large_array_aborts_with_a_report) {
    if (under_asan || under_tsan) GTEST_SKIP() << "the sanitizer reports it in its own words";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(overflow_in_a_process([] { use_a_large_array(); }),
                testing::KilledBySignal(SIGABRT), "stack overflow.*the_deep_one");
}

TEST(stack_overflow, ends_that_process_alone_if_told_to) {
    if (under_asan || under_tsan) GTEST_SKIP() << "the sanitizer reports it in its own words";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            options opts = quiet(1);
            opts.on_stack_overflow = overflow_policy::end_process;
            runtime rt(std::move(opts));
            const int code = rt.run([] {
                for (int i = 0; i < 3; ++i)
                    if (reason_of(spawn_monitor([] { recurse_for_ever(0); }).ref) !=
                        reason::stack_overflow)
                        return 1;
                sync_with(spawn(answer_pings));
                return 0;
            });
            std::_Exit(code);
        },
        testing::ExitedWithCode(0), "");
}

TEST(stack_overflow, a_fault_elsewhere_is_still_a_fault) {
    if (under_asan || under_tsan) GTEST_SKIP() << "the sanitizer reports it in its own words";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            options opts = quiet(1);
            opts.on_stack_overflow = overflow_policy::end_process;
            runtime rt(std::move(opts));
            rt.run([] {
                volatile int* volatile nowhere = nullptr;
                *nowhere = 1;
            });
        },
        testing::KilledBySignal(SIGSEGV), "");
}

TEST(spinning, process_is_named_in_a_warning_and_delays_nobody) {
    for (unsigned workers : {1u, 2u}) {
        captured_log log;
        options opts{.workers = workers};
        opts.log = log.sink();
        std::atomic<bool> over{false};
        {
            runtime rt(std::move(opts));
            // Watched from outside: if all workers spin, nobody inside can help.
            std::thread limit([&] {
                const auto end = std::chrono::steady_clock::now() + 5s;
                while (!over && std::chrono::steady_clock::now() < end)
                    std::this_thread::sleep_for(1ms);
                over = true;
            });
            const auto delay = rt.run([&] {
                const pid echo = spawn(answer_pings);
                sync_with(echo);
                for (unsigned i = 0; i < workers; ++i)
                    spawn({.name = atom::intern("the_spinner_" + std::to_string(i))}, [&over] {
                        while (!over) {
                        }
                    });
                yield();
                const auto start = std::chrono::steady_clock::now();
                sync_with(echo);
                const bool in_time = !over;
                // Long enough to be noticed for certain: the others need no time at all.
                while (!over && log.events("long_schedule").empty() &&
                       std::chrono::steady_clock::now() - start < 2s)
                    sync_with(echo);
                const auto took = in_time ? std::chrono::steady_clock::now() - start : 10s;
                over = true;
                return took;
            });
            EXPECT_LT(delay, 4s) << workers << " workers: others wait for the spinning process";
            over = true;
            limit.join();
        }
        EXPECT_NE(log.text().find("the_spinner_"), std::string::npos)
            << workers << " workers: it is named in a warning";
    }
}

TEST(blocking, calls_delay_nobody_else) {
    run_everywhere(
        [](witness& w) {
            const auto over = std::make_shared<std::atomic<bool>>(false);
            std::vector<spawned> all;
            for (int i = 0; i < 64; ++i)
                all.push_back(spawn_monitor([over] {
                    const pid me = self();
                    const bool same = blocking([&] {
                        while (!*over) std::this_thread::sleep_for(1ms);
                        return self() == me;
                    });
                    if (!same || self() != me) exit("somebody_else"_a);
                }));
            // All of them block; the others get on.
            const pid echo = spawn(answer_pings);
            for (int i = 0; i < 200; ++i) sync_with(echo);
            w.that(!receive_for<down>(0s));
            *over = true;
            for (const auto& s : all) w.equal(reason_of(s.ref), reason::normal);
            send(echo, stop{});
        },
        threads_only());
}

TEST(blocking, works_as_the_process_and_refuses_to_wait) {
    run_everywhere(
        [](witness& w) {
            const pid me = self();
            const pid other = spawn(answer_pings);
            const int n = blocking([&] {
                int wrong = 0;
                wrong += self() != me;
                wrong += !in_process();
                wrong += !try_send(me, number{5});
                for (int what = 0; what < 5; ++what) try {
                        switch (what) {
                        case 0:
                            receive<go>();
                            break;
                        case 1:
                            (void)receive_for<go>(1ms);
                            break;
                        case 2:
                            sleep(1ms);
                            break;
                        case 3:
                            blocking([] {});
                            break;
                        case 4:
                            (void)process_info(other);
                            break;
                        }
                        ++wrong;
                    } catch (const cannot_wait&) {
                    }
                return wrong;
            });
            w.equal(n, 0);
            w.equal(receive<number>().n, 5);
        },
        threads_only());
}

TEST(blocking, beyond_its_threads_waits_its_turn) {
    run_everywhere(
        [](witness& w) {
            const auto ran = std::make_shared<std::atomic<int>>(0);
            std::vector<spawned> all;
            for (int i = 0; i < 50; ++i)
                all.push_back(spawn_monitor([ran] { blocking([&] { ++*ran; }); }));
            for (const auto& s : all) w.equal(reason_of(s.ref), reason::normal);
            w.equal(ran->load(), 50);
        },
        {.seeds = 0, .adjust = [](options& o) { o.blocking_threads = 2; }});
}
