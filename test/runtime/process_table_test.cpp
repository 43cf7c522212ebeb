#include "process/process_table.hpp"
#include "scheduler/reclamation.hpp"
#include "support/effort.hpp"

#include <atomic>
#include <cstddef>
#include <cstring>
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
        EXPECT_NE(p->id.slot(), 0u);
        EXPECT_EQ(p->id.runtime_index(), 250u);
        EXPECT_EQ(resolve(p->id), p);
        EXPECT_EQ(resolve(p->id), p);
        EXPECT_TRUE(slots.insert(p->id.slot()).second);
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
        reused += slots.contains(p->id.slot());
    }
    EXPECT_GT(reused, 0);
    EXPECT_EQ(resolve(pid()), nullptr);
    EXPECT_EQ(resolve(pid::make(249, 1, 1)), nullptr) << "an index that was never used";
}

namespace {

/// Takes `n` blocks, lets each live for a moment, and puts all back; their last pids.
std::vector<pid> storm(process_table& table, slot_cache& cache, std::size_t n) {
    std::vector<process*> all;
    std::vector<pid> pids;
    for (std::size_t i = 0; i < n; ++i) {
        process* p = table.acquire(cache);
        if (!p) break;
        p->inbox.open(p->id.generation());
        p->generation.store(p->id.generation());
        all.push_back(p);
        pids.push_back(p->id);
    }
    for (process* p : all) {
        p->inbox.close();
        p->generation.store(0);
        table.release(cache, p);
    }
    table.flush(cache);
    return pids;
}
std::size_t given_back(process* base, std::size_t blocks) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < blocks; ++i) n += !base[i].runs && !base[i].id;
    return n;
}
void trim_thoroughly(process_table& table) {
    for (int i = 0; i < 500; ++i) table.trim_unused(64);
}

}  // namespace

TEST(process_table, gives_back_blocks_that_nobody_needs_and_remembers_their_generations) {
    constexpr std::size_t many = 10'000;
    std::set<pid> ever;
    const auto remember = [&](const std::vector<pid>& pids) {
        for (const pid p : pids) EXPECT_TRUE(ever.insert(p).second) << "no pid twice: " << p;
    };
    {
        process_table table(248, 20'000, 1, false);
        slot_cache cache;
        for (int wave = 0; wave < 4; ++wave) {
            remember(storm(table, cache, many));
            trim_thoroughly(table);
            EXPECT_GT(given_back(table.at(0), many), many * 9 / 10) << "wave " << wave;
            EXPECT_LE(table.used(), many + 2 * slot_cache::most) << "the same ones are used again";
        }
        // A pid from before finds nobody, in whatever state its block is.
        for (const pid p : ever) {
            process* block = resolve(p);
            ASSERT_NE(block, nullptr);
            EXPECT_FALSE(block->lives_as(p));
            message m;
            EXPECT_EQ(block->inbox.push(block->generation, p, &m, true).what,
                      push_outcome::refused);
        }
    }
    // Nor does a later runtime of the same index make one again.
    process_table later(248, 20'000, 1, false);
    slot_cache cache;
    remember(storm(later, cache, many));
}

TEST(process_table, brings_a_block_back_as_if_it_were_new) {
    constexpr std::size_t many = 5'000;
    process_table table(245, 20'000, 1, false);
    slot_cache cache;
    (void)storm(table, cache, many);
    trim_thoroughly(table);
    ASSERT_GT(given_back(table.at(0), many), many * 9 / 10);
    const auto again = storm(table, cache, many);
    alignas(process) std::byte fresh[sizeof(process)] = {};
    for (const pid id : again) {
        process* const block = resolve(id);
        auto* const wanted = ::new (static_cast<void*>(fresh)) process();
        wanted->id = id;
        // Both have been opened and closed with the same generation.
        wanted->inbox.open(id.generation());
        wanted->inbox.close();
        ASSERT_EQ(std::memcmp(static_cast<void*>(block), fresh, sizeof fresh), 0) << id;
        wanted->~process();
    }
}

TEST(process_table, keeps_a_block_in_which_somebody_is) {
    constexpr std::size_t many = 5'000;
    process_table table(247, 20'000, 1, false);
    slot_cache cache;
    const auto pids = storm(table, cache, many);
    process* const busy = resolve(pids[many / 2]);
    busy->side_lock.lock();
    trim_thoroughly(table);
    EXPECT_GT(given_back(table.at(0), many), many * 9 / 10);
    EXPECT_EQ(busy->id, pids[many / 2]) << "its lock is still held";
    busy->side_lock.unlock();
}

TEST(process_table, has_all_its_slots_while_some_are_given_back) {
    // Two threads take and release up to the limit while a third trims: nobody is refused who need not be.
    constexpr std::size_t limit = 4'000;
    process_table table(246, limit, 2, false);
    std::atomic<bool> over{false};
    std::atomic<int> refused{0};
    std::thread trimmer([&] {
        while (!over) table.trim_unused(0);
    });
    std::vector<std::thread> users;
    for (int t = 0; t < 2; ++t)
        users.emplace_back([&] {
            slot_cache cache;
            for (int round = 0; round < 300; ++round) {
                std::vector<process*> all;
                // Less than half: the caches of both may hold some.
                for (std::size_t i = 0; i < limit / 3; ++i) {
                    process* p = table.acquire(cache);
                    if (p)
                        all.push_back(p);
                    else
                        ++refused;
                }
                for (process* p : all) table.release(cache, p);
                table.flush(cache);
            }
        });
    for (auto& t : users) t.join();
    over = true;
    trimmer.join();
    EXPECT_EQ(refused, 0);
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
    p->id = pid::make(252, p->id.slot(), ~std::uint32_t{0} - 1);
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
    p->id = pid::make(253, p->id.slot(), 0x1fffe);
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
                    --holders[p->id.slot()];
                    table.release(cache, p);
                } else if (process* p = table.acquire(cache)) {
                    if (++holders[p->id.slot()] != 1) ++worst;
                    mine.push_back(p);
                    ++got;
                }
            }
            for (process* p : mine) {
                --holders[p->id.slot()];
                table.release(cache, p);
            }
            table.flush(cache);
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(worst, 0);
    EXPECT_GT(got, 1000);
}
