#include "scheduler/timer_queue.hpp"
#include "support/effort.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::detail;

TEST(timer_queue, expires_in_order_of_deadline_then_of_arming) {
    timer_queue q;
    EXPECT_EQ(q.earliest(), timer_queue::never);
    std::deque<timer_node> nodes(6);
    const std::int64_t when[] = {50, 10, 30, 10, 20, 10};
    for (std::size_t i = 0; i < nodes.size(); ++i) q.arm(nodes[i], when[i]);
    EXPECT_EQ(q.earliest(), 10);
    expired_timer due[8];
    EXPECT_EQ(q.expire(9, due, 8), 0u);
    ASSERT_EQ(q.expire(30, due, 8), 5u);
    const std::size_t order[] = {1, 3, 5, 4, 2};
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(due[i].node, &nodes[order[i]]);
    EXPECT_EQ(q.earliest(), 50);
    EXPECT_FALSE(q.cancel(nodes[1])) << "it has expired";
    EXPECT_TRUE(q.cancel(nodes[0]));
    EXPECT_FALSE(q.cancel(nodes[0]));
    EXPECT_EQ(q.earliest(), timer_queue::never);
    EXPECT_EQ(q.size(), 0u);
}

TEST(timer_queue, expires_no_more_than_there_is_room_for) {
    timer_queue q;
    std::deque<timer_node> nodes(10);
    for (auto& n : nodes) q.arm(n, 1);
    expired_timer due[4];
    EXPECT_EQ(q.expire(1, due, 4), 4u);
    EXPECT_EQ(q.expire(1, due, 4), 4u);
    EXPECT_EQ(q.expire(1, due, 4), 2u);
    EXPECT_EQ(q.expire(1, due, 4), 0u);
}

TEST(timer_queue, says_when_a_new_timer_is_the_earliest) {
    timer_queue q;
    std::deque<timer_node> nodes(4);
    EXPECT_TRUE(q.arm(nodes[0], 100));
    EXPECT_FALSE(q.arm(nodes[1], 200));
    EXPECT_TRUE(q.arm(nodes[2], 50));
    EXPECT_FALSE(q.arm(nodes[3], 50)) << "equal is later";
}

TEST(timer_queue, agrees_with_a_model_on_random_steps) {
    for (std::uint64_t seed = 1; seed <= heirloom::test::seeds(); ++seed) {
        std::minstd_rand random(static_cast<unsigned>(seed));
        timer_queue q;
        std::deque<timer_node> nodes(40);
        struct entry {
            std::int64_t when;
            std::uint64_t order;
            timer_node* node;
            bool operator<(const entry& o) const {
                return when != o.when ? when < o.when : order < o.order;
            }
        };
        std::vector<entry> model;
        std::uint64_t order = 0;
        std::int64_t now = 0;
        for (int step = 0; step < 300; ++step) {
            timer_node& node = nodes[random() % nodes.size()];
            const auto found = std::find_if(model.begin(), model.end(),
                                            [&](const entry& e) { return e.node == &node; });
            switch (random() % 3) {
            case 0:
                if (found == model.end()) {
                    const auto when = now + static_cast<std::int64_t>(random() % 20);
                    q.arm(node, when);
                    model.push_back({when, ++order, &node});
                }
                break;
            case 1:
                ASSERT_EQ(q.cancel(node), found != model.end()) << "seed " << seed;
                if (found != model.end()) model.erase(found);
                break;
            case 2: {
                now += static_cast<std::int64_t>(random() % 8);
                std::sort(model.begin(), model.end());
                expired_timer due[3];
                const std::size_t n = q.expire(now, due, 3);
                std::size_t expected = 0;
                while (expected < model.size() && expected < 3 && model[expected].when <= now)
                    ++expected;
                ASSERT_EQ(n, expected) << "seed " << seed;
                for (std::size_t i = 0; i < n; ++i)
                    ASSERT_EQ(due[i].node, model[i].node) << "seed " << seed;
                model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(n));
                break;
            }
            }
            ASSERT_EQ(q.size(), model.size());
            const auto first = std::min_element(model.begin(), model.end());
            ASSERT_EQ(q.earliest(), first == model.end() ? timer_queue::never : first->when);
        }
    }
}

TEST(timer_queue, refs_name_one_arming) {
    timer_queue q;
    timer_node node;
    const timer_ref first = q.reserve(3);
    EXPECT_EQ(first.worker, 3u);
    EXPECT_FALSE(q.deadline(first));
    EXPECT_EQ(q.cancel(first), nullptr);
    node.ref = first;
    q.attach(first, &node);
    q.arm(node, 77);
    EXPECT_EQ(q.deadline(first), 77);
    EXPECT_EQ(q.cancel(first), &node);
    EXPECT_FALSE(q.deadline(first));
    EXPECT_EQ(q.cancel(first), nullptr);
    timer_node again;
    const timer_ref second = q.reserve(3);
    EXPECT_NE(first, second);
    again.ref = second;
    q.attach(second, &again);
    q.arm(again, 78);
    EXPECT_FALSE(q.deadline(first))
        << "the old ref does not name the new timer, though it uses its slot";
    EXPECT_EQ(q.cancel(first), nullptr);
    expired_timer due[1];
    ASSERT_EQ(q.expire(78, due, 1), 1u);
    EXPECT_EQ(q.cancel(second), nullptr) << "too late";
    q.release(second);
    EXPECT_EQ(q.cancel(timer_ref{99, 3, 5000}), nullptr);
    EXPECT_FALSE(q.deadline(timer_ref{99, 3, 5000}));
}

TEST(timer_queue, has_as_many_slots_as_timers_were_armed_at_once) {
    timer_queue q;
    std::deque<timer_node> nodes(3);
    const auto arm = [&](timer_node& node) {
        node.ref = q.reserve(0);
        q.attach(node.ref, &node);
        q.arm(node, 10);
        return node.ref;
    };
    for (int round = 0; round < 100; ++round) {
        timer_ref refs[3];
        for (std::size_t i = 0; i < 3; ++i) {
            refs[i] = arm(nodes[i]);
            ASSERT_LT(refs[i].slot, 3u) << "a slot was not given back, round " << round;
        }
        // However they end: cancelled, expired, never armed.
        ASSERT_EQ(q.cancel(refs[1]), &nodes[1]);
        expired_timer due[3];
        ASSERT_EQ(q.expire(10, due, 3), 2u);
        q.release(refs[0]);
        q.release(refs[2]);
        const timer_ref unused = q.reserve(0);
        ASSERT_LT(unused.slot, 3u);
        q.release(unused);
    }
}

TEST(timer_queue, each_timer_is_taken_out_once_by_many_threads) {
    // Armers and cancellers against one expirer: every arming ends in exactly one cancel or one expiry.
    constexpr int threads_count = 3;
    const int rounds = heirloom::test::under_tsan ? 5'000 : 50'000;
    timer_queue q;
    std::atomic<std::int64_t> now{0};
    std::atomic<long> cancelled{0}, expired{0};
    std::atomic<int> running{threads_count};
    struct owned {
        timer_node node;
        std::atomic<bool> fired{false};
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < threads_count; ++t)
        threads.emplace_back([&, t] {
            std::minstd_rand random(static_cast<unsigned>(t + 1));
            owned mine;
            for (int i = 0; i < rounds; ++i) {
                mine.fired = false;
                mine.node.body = reinterpret_cast<message*>(&mine.fired);
                q.arm(mine.node, now.load() + static_cast<std::int64_t>(random() % 4));
                if (random() % 2) std::this_thread::yield();
                if (q.cancel(mine.node))
                    ++cancelled;
                else
                    while (!mine.fired) std::this_thread::yield();
            }
            --running;
        });
    expired_timer due[8];
    while (running > 0) {
        ++now;
        const std::size_t n = q.expire(now, due, 8);
        for (std::size_t i = 0; i < n; ++i) {
            ++expired;
            *reinterpret_cast<std::atomic<bool>*>(due[i].node->body) = true;
        }
        std::this_thread::yield();
    }
    for (auto& t : threads) t.join();
    EXPECT_EQ(cancelled + expired, threads_count * long{rounds});
    EXPECT_EQ(q.size(), 0u);
}
