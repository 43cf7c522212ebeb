#include "scheduler/nursery.hpp"
#include "support/effort.hpp"

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using heirloom::detail::backlog_watch;
using heirloom::detail::nursery;

namespace {
using item = std::size_t;
}

TEST(nursery, gives_the_youngest_to_its_owner_and_the_oldest_to_a_thief) {
    nursery<item, 8> n;
    std::vector<item> items(4);
    EXPECT_EQ(n.pop(), nullptr);
    EXPECT_EQ(n.steal(), nullptr);
    for (auto& i : items) EXPECT_TRUE(n.push(&i));
    EXPECT_EQ(n.size(), 4u);
    EXPECT_EQ(n.pop(), &items[3]);
    EXPECT_EQ(n.steal(), &items[0]);
    EXPECT_EQ(n.pop(), &items[2]);
    EXPECT_EQ(n.pop(), &items[1]);
    EXPECT_EQ(n.pop(), nullptr);
    EXPECT_EQ(n.size(), 0u);
}

TEST(nursery, refuses_what_it_has_no_room_for) {
    nursery<item, 4> n;
    item one{};
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 4; ++i) EXPECT_TRUE(n.push(&one));
        EXPECT_FALSE(n.push(&one));
        EXPECT_EQ(n.steal(), &one);
        EXPECT_TRUE(n.push(&one)) << "a thief makes room";
        while (n.pop()) {
        }
    }
}

// What the scheduler tells the age of the oldest by: an index is one entry, also when the nursery runs empty in between.
TEST(nursery, an_entry_that_comes_after_it_was_empty_is_not_as_old_as_the_one_before) {
    nursery<item, 8> n;
    backlog_watch watch;
    item first{};
    item second{};
    n.push(&first);
    EXPECT_EQ(n.age(watch, 1000), 0);
    EXPECT_EQ(n.age(watch, 1500), 500);
    EXPECT_EQ(n.pop(), &first);
    n.push(&second);
    EXPECT_EQ(n.age(watch, 9000), 0);
    n.push(&first);
    EXPECT_EQ(n.age(watch, 9100), 100);
    EXPECT_EQ(n.pop(), &first);
    EXPECT_EQ(n.age(watch, 9200), 200) << "younger ones come and go";
}

TEST(nursery, agrees_with_a_model_on_random_steps) {
    std::vector<item> items(64);
    for (std::uint64_t seed = 1; seed <= heirloom::test::seeds(); ++seed) {
        nursery<item, 4> n;
        std::deque<item*> model;
        std::uint64_t state = seed * 0x9e3779b97f4a7c15ull;
        std::size_t next = 0;
        for (int step = 0; step < 200; ++step) {
            state = state * 6364136223846793005ull + 1442695040888963407ull;
            switch ((state >> 60) % 4) {
            case 0:
            case 1: {
                item* i = &items[next++ % items.size()];
                ASSERT_EQ(n.push(i), model.size() < 4);
                if (model.size() < 4) model.push_back(i);
                break;
            }
            case 2: {
                item* expected = model.empty() ? nullptr : model.back();
                if (expected) model.pop_back();
                ASSERT_EQ(n.pop(), expected) << "seed " << seed;
                break;
            }
            default: {
                item* expected = model.empty() ? nullptr : model.front();
                if (expected) model.pop_front();
                ASSERT_EQ(n.steal(), expected) << "seed " << seed;
            }
            }
            ASSERT_EQ(n.size(), model.size());
        }
    }
}

TEST(nursery, gives_each_item_once_to_an_owner_and_many_thieves) {
    const std::size_t count = heirloom::test::under_tsan ? 20'000 : 400'000;
    nursery<item, 8> n;
    std::vector<item> items(count);
    std::vector<std::atomic<int>> taken(count);
    std::atomic<bool> over{false};
    auto take = [&](item* i) {
        if (i) taken[static_cast<std::size_t>(i - items.data())].fetch_add(1);
    };
    std::vector<std::thread> thieves;
    for (int t = 0; t < 3; ++t)
        thieves.emplace_back([&] {
            while (!over.load()) take(n.steal());
        });
    std::size_t next = 0;
    std::uint64_t state = 1;
    while (next < count) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        for (std::uint64_t k = state >> 62; k > 0 && next < count; --k)
            if (n.push(&items[next])) ++next;
        // Mostly one or two are in it: where the owner and the thieves meet.
        for (std::uint64_t k = (state >> 60) % 4; k > 0; --k) take(n.pop());
    }
    while (item* i = n.pop()) take(i);
    over = true;
    for (auto& t : thieves) t.join();
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(taken[i].load(), 1) << "item " << i;
}
