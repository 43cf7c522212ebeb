#include "heirloom/detail/activity.hpp"
#include "heirloom/process.hpp"
#include "heirloom/receive.hpp"
#include "heirloom/runtime.hpp"
#include "heirloom/send.hpp"
#include "platform/thread_context.hpp"
#include "scheduler/reclamation.hpp"
#include "support/effort.hpp"

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::detail;

namespace {

/// An object that is poisoned, not freed, when it is reclaimed, so that a reader that comes too late is seen.
struct canary {
    static constexpr std::uint64_t alive = 0xa11ce;
    std::atomic<std::uint64_t> state{alive};
    std::uint64_t value = 0;
    static void reclaim(void* p) noexcept { static_cast<canary*>(p)->state = 0; }
};

void collect_all() {
    for (int i = 0; i < 1000 && anything_retired(); ++i) collect();
}

}  // namespace

TEST(reclamation, waits_for_readers_of_now_and_not_for_later_ones) {
    collect_all();
    canary c;
    std::atomic<int> stage{0};
    std::thread reader([&] {
        {
            const reader_scope outer;
            {
                const reader_scope inner;  // scopes nest
            }
            stage = 1;
            while (stage != 2) std::this_thread::yield();
        }
        stage = 3;
        const reader_scope later;
        stage = 4;
        while (stage != 5) std::this_thread::yield();
    });
    while (stage != 1) std::this_thread::yield();
    retire(&c, &canary::reclaim);
    for (int i = 0; i < 100; ++i) collect();
    EXPECT_EQ(c.state, canary::alive) << "a reader of then is still there";
    stage = 2;
    while (stage != 4) std::this_thread::yield();
    for (int i = 0; i < 100 && c.state == canary::alive; ++i) collect();
    EXPECT_EQ(c.state, 0u) << "a reader that came later does not matter";
    stage = 5;
    reader.join();
}

TEST(reclamation, is_held_back_by_nobody_when_nobody_reads) {
    collect_all();
    canary c[3];
    for (auto& each : c) retire(&each, &canary::reclaim);
    EXPECT_TRUE(anything_retired());
    collect_all();
    for (auto& each : c) EXPECT_EQ(each.state, 0u);
    EXPECT_FALSE(anything_retired());
}

TEST(reclamation, runs_what_was_asked_for_after_a_grace_period) {
    collect_all();
    std::atomic<int> ran{0};
    after_grace_period([](void* p) noexcept { ++*static_cast<std::atomic<int>*>(p); }, &ran);
    collect_all();
    EXPECT_EQ(ran, 1);
    collect();
    EXPECT_EQ(ran, 1);
}

TEST(reclamation, slots_of_threads_that_ended_hold_nothing_back) {
    for (int i = 0; i < 50; ++i) std::thread([] { const reader_scope scope; }).join();
    canary c;
    retire(&c, &canary::reclaim);
    collect_all();
    EXPECT_EQ(c.state, 0u);
}

TEST(reclamation, readers_never_see_what_was_reclaimed) {
    // A shared pointer is replaced all the time; readers follow it under a scope. Values only grow (a generation model).
    constexpr std::size_t count = test::under_tsan ? 2'000 : 50'000;
    std::vector<canary> all(count);
    std::atomic<canary*> current{&all[0]};
    std::atomic<bool> over{false};
    std::atomic<long> wrong{0}, reads{0};
    std::vector<std::thread> readers;
    for (int t = 0; t < 3; ++t)
        readers.emplace_back([&] {
            std::uint64_t last = 0;
            while (!over) {
                const reader_scope scope;
                canary* c = current.load(std::memory_order_acquire);
                if (reads % 16 == 0) std::this_thread::yield();
                wrong += c->state.load(std::memory_order_relaxed) != canary::alive;
                wrong += c->value < last;
                last = c->value;
                ++reads;
            }
        });
    // Not before they read: the whole of it takes no longer than starting a thread.
    while (reads < 100) std::this_thread::yield();
    for (std::size_t i = 1; i < count; ++i) {
        all[i].value = i;
        canary* old = current.exchange(&all[i], std::memory_order_acq_rel);
        retire(old, &canary::reclaim);
        if (i % 8 == 0) collect();
    }
    over = true;
    for (auto& t : readers) t.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(reads, 0);
    collect_all();
    for (std::size_t i = 0; i + 1 < count; ++i) ASSERT_EQ(all[i].state, 0u);
    EXPECT_EQ(all.back().state, canary::alive);
}

TEST(reclamation, gets_on_while_processes_come_and_go) {
    // Workers are quiescent between processes: what is retired inside one is reclaimed soon, without help.
    for (unsigned workers : {1u, 2u}) {
        options opts{.workers = workers};
        opts.log = [](const log_event&) {};
        runtime rt(std::move(opts));
        std::vector<canary> all(200);
        rt.run([&] {
            for (auto& c : all) {
                retire(&c, &canary::reclaim);
                yield();
            }
            while (all.back().state == canary::alive) yield();
        });
        for (auto& c : all) EXPECT_EQ(c.state, 0u);
    }
}

// A stale pid could mislead a sender that is slow, and a table of names go from under who looks into it.
TEST(reclamation, counts_plain_threads_that_send_or_look_up) {
    runtime rt({.workers = 1});
    const pid target = rt.spawn([] {
        for (;;) receive<int>();
    });
    const pid bounded =
        rt.spawn_with({.mailbox_bound = 4, .when_full = mailbox_policy::drop_oldest}, [] {
            for (;;) receive<int>();
        });
    const std::function<void()> verbs[] = {
        [&] { rt.send(target, 1); },       [&] { try_send(target, 1); },
        [&] { rt.exit(target, "odd"_a); }, [&] { rt.send(bounded, 1); },
        [&] { (void)rt.whereis("x"_a); },
    };
    for (const auto& verb : verbs)
        std::thread([&] {
            EXPECT_EQ(this_thread().reader_slot, nullptr);
            verb();
            EXPECT_NE(this_thread().reader_slot, nullptr);
        }).join();
}

// The slot of a thread is another's as soon as the thread's context is gone; what it destroys later must not use it.
TEST(reclamation, gives_a_thread_that_is_leaving_a_slot_of_its_own) {
    static std::function<void()> at_the_end;
    static std::atomic<int> ended;
    ended = 0;
    canary c;
    at_the_end = [&c] {
        const reader_scope mine;
        std::thread([&c] {
            { const reader_scope short_one; }
            retire(&c, &canary::reclaim);
            for (int i = 0; i < 100; ++i) collect();
        }).join();
        EXPECT_EQ(c.state, canary::alive) << "a reader of then is still there";
        ++ended;
    };
    std::thread([] {
        // Made before the thread's context is, and so destroyed after it.
        struct late {
            ~late() { at_the_end(); }
        };
        static thread_local late last;
        const reader_scope scope;
    }).join();
    EXPECT_EQ(ended, 1);
    collect_all();
    EXPECT_EQ(c.state, 0u);
}
