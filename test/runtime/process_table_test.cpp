#include "process/process_table.hpp"
#include "scheduler/reclamation.hpp"
#include "support/effort.hpp"

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::detail;

// Each test has a runtime index that no runtime of this program uses, so that the slab is its own.

TEST(process_table, gives_each_slot_to_one_and_generations_grow) {
    process_table table(250, 1000, 1, false);
    slot_cache cache;
    std::set<std::uint32_t> slots;
    std::vector<process*> all;
    for (int i = 0; i < 200; ++i) {
        process* p = table.acquire(cache);
        ASSERT_NE(p, nullptr);
        EXPECT_NE(p->slot, 0u);
        EXPECT_EQ(p->id.runtime_index(), 250u);
        EXPECT_EQ(p->id.slot(), p->slot);
        EXPECT_EQ(resolve(p->id), p);
        EXPECT_TRUE(slots.insert(p->slot).second);
        all.push_back(p);
    }
    for (process* p : all) table.release(cache, p);
    std::set<pid> before;
    for (process* p : all) before.insert(p->id);
    int reused = 0;
    for (int i = 0; i < 200; ++i) {
        process* p = table.acquire(cache);
        ASSERT_NE(p, nullptr);
        EXPECT_FALSE(before.contains(p->id)) << "no pid twice";
        reused += slots.contains(p->slot);
    }
    EXPECT_GT(reused, 0);
    EXPECT_EQ(resolve(pid()), nullptr);
    EXPECT_EQ(resolve(pid::make(249, 1, 1)), nullptr) << "an index that was never used";
}

TEST(process_table, has_a_limit) {
    process_table table(251, 10, 1, false);
    slot_cache cache;
    std::vector<process*> all;
    while (process* p = table.acquire(cache)) all.push_back(p);
    EXPECT_EQ(all.size(), 10u);
    table.release(cache, all.back());
    EXPECT_NE(table.acquire(cache), nullptr);
    EXPECT_EQ(table.acquire(cache), nullptr);
    EXPECT_LE(table.used(), 11u);
}

TEST(process_table, retires_a_slot_at_its_last_generation) {
    process_table table(252, 1, 1, false);
    slot_cache cache;
    process* p = table.acquire(cache);
    ASSERT_NE(p, nullptr);
    p->id = pid::make(252, p->slot, ~std::uint32_t{0} - 1);
    table.release(cache, p);
    while (anything_retired()) collect();
    process* last = table.acquire(cache);
    ASSERT_EQ(last, p);
    EXPECT_EQ(last->id.generation(), ~std::uint32_t{0});
    table.release(cache, last);
    while (anything_retired()) collect();
    EXPECT_EQ(table.acquire(cache), nullptr) << "used up";
}

TEST(process_table, keeps_a_slot_back_for_a_grace_period_before_its_tag_repeats) {
    process_table table(253, 1, 1, false);
    slot_cache cache;
    process* p = table.acquire(cache);
    ASSERT_NE(p, nullptr);
    p->id = pid::make(253, p->slot, 0x1fffe);
    table.release(cache, p);
    p = table.acquire(cache);
    ASSERT_NE(p, nullptr);
    EXPECT_EQ(p->id.generation(), 0x1ffffu);
    {
        // Somebody may still be in the middle of a push to an old incarnation.
        std::atomic<int> stage{0};
        std::thread reader([&] {
            const reader_scope scope;
            stage = 1;
            while (stage != 2) std::this_thread::yield();
        });
        while (stage != 1) std::this_thread::yield();
        table.release(cache, p);
        for (int i = 0; i < 100; ++i) collect();
        EXPECT_EQ(table.acquire(cache), nullptr) << "not before the grace period is over";
        stage = 2;
        reader.join();
    }
    while (anything_retired()) collect();
    p = table.acquire(cache);
    ASSERT_NE(p, nullptr);
    EXPECT_EQ(p->id.generation(), 0x20000u);
}

TEST(process_table, never_gives_a_slot_to_two_threads) {
    const int rounds = test::under_tsan ? 20'000 : 200'000;
    process_table table(254, 600, 1, false);
    std::vector<std::atomic<int>> holders(700);
    std::atomic<int> worst{0};
    std::atomic<long> got{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            slot_cache cache;
            std::vector<process*> mine;
            for (int i = 0; i < rounds; ++i) {
                if ((i / 50 + t) % 2 && !mine.empty()) {
                    process* p = mine.back();
                    mine.pop_back();
                    --holders[p->slot];
                    table.release(cache, p);
                } else if (process* p = table.acquire(cache)) {
                    if (++holders[p->slot] != 1) ++worst;
                    mine.push_back(p);
                    ++got;
                }
            }
            for (process* p : mine) {
                --holders[p->slot];
                table.release(cache, p);
            }
            table.flush(cache);
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(worst, 0);
    EXPECT_GT(got, 1000);
}
