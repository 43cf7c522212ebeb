#include "scheduler/run_queue.hpp"
#include "support/effort.hpp"

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using heirloom::detail::run_queue;

namespace {
using item = std::size_t;
}

TEST(run_queue, gives_items_in_the_order_they_were_pushed) {
    run_queue<item, 8> q;
    std::vector<item> items{0, 1, 2, 3, 4, 5, 6, 7};
    EXPECT_EQ(q.pop(), nullptr);
    for (int round = 0; round < 5; ++round) {
        for (auto& i : items) {
            ASSERT_TRUE(q.has_room());
            q.push(&i);
        }
        EXPECT_FALSE(q.has_room());
        EXPECT_EQ(q.size(), 8u);
        for (auto& i : items) EXPECT_EQ(q.pop(), &i);
        EXPECT_EQ(q.pop(), nullptr);
        EXPECT_EQ(q.size(), 0u);
    }
}

TEST(run_queue, a_thief_takes_the_older_half_rounded_up) {
    for (std::size_t n = 0; n <= 8; ++n) {
        run_queue<item, 8> q;
        std::vector<item> items(n);
        for (auto& i : items) q.push(&i);
        item* taken[4];
        const std::size_t got = q.steal(taken);
        EXPECT_EQ(got, (n + 1) / 2);
        for (std::size_t i = 0; i < got; ++i) EXPECT_EQ(taken[i], &items[i]);
        for (std::size_t i = got; i < n; ++i) EXPECT_EQ(q.pop(), &items[i]);
        EXPECT_EQ(q.pop(), nullptr);
    }
}

TEST(run_queue, agrees_with_a_model_on_random_steps) {
    std::vector<item> items(64);
    for (std::uint64_t seed = 1; seed <= heirloom::test::seeds(); ++seed) {
        run_queue<item, 4> q;
        std::deque<item*> model;
        std::uint64_t state = seed * 0x9e3779b97f4a7c15ull;
        std::size_t next = 0;
        for (int step = 0; step < 200; ++step) {
            state = state * 6364136223846793005ull + 1442695040888963407ull;
            switch ((state >> 60) % 4) {
            case 0:
            case 1: {
                ASSERT_EQ(q.has_room(), model.size() < 4);
                if (!q.has_room()) break;
                item* i = &items[next++ % items.size()];
                q.push(i);
                model.push_back(i);
                break;
            }
            case 2: {
                item* const got = q.pop();
                ASSERT_EQ(got, model.empty() ? nullptr : model.front()) << "seed " << seed;
                if (got) model.pop_front();
                break;
            }
            case 3: {
                item* taken[2];
                const std::size_t n = q.steal(taken);
                ASSERT_EQ(n, (model.size() + 1) / 2) << "seed " << seed;
                for (std::size_t i = 0; i < n; ++i) {
                    ASSERT_EQ(taken[i], model.front());
                    model.pop_front();
                }
                break;
            }
            }
            ASSERT_EQ(q.size(), model.size());
        }
    }
}

TEST(run_queue, owner_and_thieves_take_every_item_once) {
    // A tiny ring, so that it goes round all the time. Items carry their number; nobody may see one twice.
    constexpr std::size_t count = heirloom::test::under_tsan ? 50'000 : 400'000;
    for (const int thieves : {1, 3}) {
        run_queue<item, 4> q;
        std::vector<item> items(count);
        for (std::size_t i = 0; i < count; ++i) items[i] = i;
        std::vector<std::atomic<int>> taken(count);
        std::atomic<bool> over{false};
        std::atomic<int> out_of_order{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < thieves; ++t)
            threads.emplace_back([&] {
                item* got[2];
                std::size_t last = 0;
                while (!over) {
                    const std::size_t n = q.steal(got);
                    for (std::size_t i = 0; i < n; ++i) {
                        ++taken[*got[i]];
                        if (*got[i] < last) ++out_of_order;
                        last = *got[i];
                    }
                    if (n == 0) std::this_thread::yield();
                }
            });
        for (std::size_t i = 0; i < count;) {
            if (q.has_room()) q.push(&items[i++]);
            if (i % 3 == 0)
                if (item* got = q.pop()) ++taken[*got];
        }
        while (item* got = q.pop()) ++taken[*got];
        over = true;
        for (auto& t : threads) t.join();
        while (item* got = q.pop()) ++taken[*got];
        std::size_t wrong = 0;
        for (auto& n : taken) wrong += n != 1;
        EXPECT_EQ(wrong, 0u);
        EXPECT_EQ(out_of_order, 0) << "one thief sees items in order";
    }
}
