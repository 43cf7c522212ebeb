// What belongs to a thread, read before and after a switch in one and the same function: the thread's context, its free
// blocks, the queues that know their producers by thread. This file is also part of runtime_lto, where the library is built
// with link-time optimisation, so that its functions too are inlined into those that wait.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"
#include "support/migrate.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <heirloom/blocking.hpp>
#include <heirloom/detail/blocks.hpp>
#include <heirloom/detail/running.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

TEST(thread_state, is_read_anew_after_every_wait) {
    const auto body = [](witness& w) {
        // Inlined, both of them: what a send, a receive and a table's verb do in their caller.
        for (int i = 0; i < w.times(20, 2); ++i) {
            const auto* before = detail::known_thread();
            const auto id_before = this_thread_id();
            migrate(w);
            const auto* after = detail::known_thread();
            w.equal(before == after, id_before == this_thread_id());
            w.that(after->running != nullptr, "it is the thread that runs this process");
            if (after->running) w.equal(after->running->id, self());
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(thread_state, is_outside_the_library_after_every_kind_of_wait) {
    // The word belongs to the thread at hand, not to the one that was left: else the watchdog could never help this one.
    const auto body = [](witness& w) {
        const auto is_outside = [&](const char* after) {
            w.that(!detail::known_thread()->inside.load(), after);
        };
        for (int i = 0; i < w.times(10, 2); ++i) {
            migrate(w);
            is_outside("after a receive");
            sleep(1us);
            is_outside("after a sleep");
            yield();
            is_outside("after a yield");
            if (w.deterministic() || w.workers() < 2) continue;
            const auto before = this_thread_id();
            do {
                // Whoever runs where this process was keeps that thread until it has come back on another one.
                struct state {
                    std::atomic<bool> taken{false}, over{false};
                };
                const auto shared = std::make_shared<state>();
                spawn([shared] {
                    shared->taken = true;
                    while (!shared->over) std::this_thread::yield();
                });
                blocking([&] {
                    while (!shared->taken) std::this_thread::yield();
                });
                shared->over = true;
                is_outside("after a blocking call");
            } while (this_thread_id() == before);
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(thread_state, blocks_come_from_the_list_of_the_thread_at_hand) {
    // Migrates between taking blocks and giving them back, in one function, while a sibling does the same on the thread that was
    // left: a list used by two threads would hand out a block twice.
    const auto body = [](witness& w) {
        using block = std::array<std::uint64_t, 8>;
        const auto churn = [](const witness& here, std::uint64_t who, int rounds) {
            std::array<block*, 40> mine{};
            int wrong = 0;
            for (int i = 0; i < rounds; ++i) {
                for (auto& b : mine) b = ::new (detail::allocate_block(sizeof(block))) block{who};
                migrate(here);
                for (auto* b : mine) {
                    wrong += b->front() != who;
                    detail::free_block(b, sizeof(block));
                }
                for (auto& b : mine) b = ::new (detail::allocate_block(sizeof(block))) block{who};
                yield();
                for (auto* b : mine) {
                    wrong += b->front() != who;
                    detail::free_block(b, sizeof(block));
                }
            }
            return wrong;
        };
        const int rounds = w.times(20, 2);
        spawn([&w, churn, rounds, main = self()] { send(main, number{churn(w, 1, rounds)}); });
        w.equal(churn(w, 2, rounds), 0);
        w.equal(receive<number>().n, 0);
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(thread_state, queues_take_what_comes_from_two_threads_in_one_function) {
    // The queue of the log, that of the blocking pool and that of free processes know a producer by its thread. Each process
    // here uses all of them before and after it has changed threads; nothing may be lost or come twice.
    constexpr int processes = 4;
    for (const unsigned workers : {1u, 2u, 4u}) {
        captured_log log;
        const setting how{workers, {}};
        witness w(how, log);
        const int rounds = w.times(20, 2);
        int ran = 0;
        {
            runtime rt(quiet(workers, log));
            rt.run([&] {
                const auto use_all = [&w, rounds](pid main) {
                    int blocked = 0;
                    for (int i = 0; i < rounds; ++i) {
                        heirloom::log({.event = "before", .text = "x"});
                        blocked += blocking([] { return 1; });
                        migrate(w);
                        heirloom::log({.event = "after", .text = "x"});
                        blocked += blocking([] { return 1; });
                        for (int child = 0; child < 300; ++child) spawn([] {});
                    }
                    send(main, number{blocked});
                };
                for (int p = 0; p < processes; ++p) spawn(use_all, self());
                for (int p = 0; p < processes; ++p) ran += receive<number>().n;
            });
        }
        EXPECT_EQ(ran, 2 * processes * rounds) << workers;
        EXPECT_EQ(log.events("before").size(), static_cast<std::size_t>(processes * rounds));
        EXPECT_EQ(log.events("after").size(), static_cast<std::size_t>(processes * rounds));
        EXPECT_EQ(w.failures().size(), 0u);
    }
}

TEST(thread_state, errno_is_not_what_the_library_decides_by) {
    // Sleeping workers read errno: timers have to fire and wakes to arrive whatever the user's code leaves in it, on any thread.
    const auto body = [](witness& w) {
        for (const int left_behind : {0, EINTR, ETIMEDOUT, EAGAIN, ENOMEM}) {
            for (int i = 0; i < w.times(10, 2); ++i) {
                errno = left_behind;
                sleep(20us);
                errno = left_behind;
                migrate(w);
                errno = left_behind;
                send_after(50us, self(), number{i});
                errno = left_behind;
                w.equal(receive<number>().n, i);
            }
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}
