#include "process/mailbox.hpp"
#include "support/effort.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::detail;

namespace {

struct numbered {
    int sender;
    int n;
};

message* make(int sender, int n) { return new_user_message<numbered>(numbered{sender, n}); }
numbered read(message* m) {
    const numbered value = static_cast<typed_message<numbered>*>(m)->payload;
    m->type->destroy(m);
    return value;
}

/// A mailbox of generation 5 at slot 1.
struct box {
    std::atomic<std::uint32_t> generation{5};
    pid id = pid::make(0, 1, 5);
    mailbox inbox;
    box() { inbox.open(5); }
    push_outcome push(message* m, bool wakes = false) {
        return inbox.push(generation, id, m, wakes);
    }
    std::vector<int> take() {
        message_list list;
        list.append_reversed(inbox.take_all());
        std::vector<int> all;
        while (message* m = list.pop()) all.push_back(read(m).n);
        return all;
    }
};

}  // namespace

TEST(mailbox, keeps_the_order_of_pushes) {
    box b;
    EXPECT_TRUE(b.inbox.looks_empty());
    for (int i = 0; i < 5; ++i) EXPECT_EQ(b.push(make(0, i)).what, push_outcome::queued);
    EXPECT_FALSE(b.inbox.looks_empty());
    EXPECT_EQ(b.take(), (std::vector{0, 1, 2, 3, 4}));
    EXPECT_TRUE(b.inbox.looks_empty());
    EXPECT_EQ(b.take(), std::vector<int>{});
}

TEST(mailbox, one_push_claims_a_parked_owner) {
    box b;
    ASSERT_TRUE(b.inbox.park(false));
    EXPECT_TRUE(b.inbox.is_waiting());
    message* first = make(0, 1);
    const auto outcome = b.push(first);
    EXPECT_EQ(outcome.what, push_outcome::claimed);
    EXPECT_EQ(outcome.older, nullptr);
    EXPECT_FALSE(b.inbox.is_waiting());
    EXPECT_TRUE(b.inbox.looks_empty()) << "the claiming message stays with the claimer";
    read(first);
    EXPECT_EQ(b.push(make(0, 2)).what, push_outcome::queued);
    EXPECT_FALSE(b.inbox.park(false)) << "not while there is something";
    EXPECT_EQ(b.take(), std::vector{2});
    EXPECT_TRUE(b.inbox.park(false));
    message* older = nullptr;
    EXPECT_TRUE(b.inbox.claim(b.generation, b.id, older));
    EXPECT_EQ(older, nullptr);
    EXPECT_FALSE(b.inbox.claim(b.generation, b.id, older)) << "once";
}

TEST(mailbox, a_quiet_owner_is_claimed_by_what_wakes_alone) {
    box b;
    ASSERT_TRUE(b.inbox.park(true));
    EXPECT_EQ(b.push(make(0, 1)).what, push_outcome::queued);
    EXPECT_EQ(b.push(make(0, 2)).what, push_outcome::queued);
    EXPECT_TRUE(b.inbox.is_waiting());
    message* waker = make(0, 3);
    const auto outcome = b.push(waker, true);
    EXPECT_EQ(outcome.what, push_outcome::claimed);
    message_list older;
    older.append_reversed(outcome.older);
    EXPECT_EQ(read(older.pop()).n, 1);
    EXPECT_EQ(read(older.pop()).n, 2);
    EXPECT_TRUE(older.empty());
    read(waker);
    // The same by a timer.
    ASSERT_TRUE(b.inbox.park(true));
    EXPECT_EQ(b.push(make(0, 4)).what, push_outcome::queued);
    message* collected = nullptr;
    ASSERT_TRUE(b.inbox.claim(b.generation, b.id, collected));
    EXPECT_EQ(read(collected).n, 4);
}

TEST(mailbox, refuses_the_closed_and_the_wrong_incarnation) {
    box b;
    message* m = make(0, 1);
    EXPECT_EQ(b.inbox.push(b.generation, pid::make(0, 1, 4), m, true).what, push_outcome::refused);
    EXPECT_EQ(b.inbox.push(b.generation, pid::make(0, 1, 6), m, true).what, push_outcome::refused);
    message* older = nullptr;
    ASSERT_TRUE(b.inbox.park(false));
    EXPECT_FALSE(b.inbox.claim(b.generation, pid::make(0, 1, 4), older));
    ASSERT_TRUE(b.inbox.claim(b.generation, b.id, older));
    EXPECT_EQ(b.push(make(0, 2)).what, push_outcome::queued);
    message* left = b.inbox.close();
    ASSERT_NE(left, nullptr);
    EXPECT_EQ(read(left).n, 2);
    EXPECT_EQ(b.push(m, true).what, push_outcome::refused);
    EXPECT_FALSE(b.inbox.claim(b.generation, b.id, older));
    // The next incarnation, with the old pid still about.
    b.generation = 6;
    b.inbox.open(6);
    EXPECT_EQ(b.push(m, true).what, push_outcome::refused);
    EXPECT_EQ(b.inbox.push(b.generation, pid::make(0, 1, 6), m, true).what, push_outcome::queued);
    EXPECT_EQ(b.take(), std::vector{1});
}

TEST(mailbox, loses_nothing_and_claims_once_among_many_pushers) {
    // The owner parks whenever it finds nothing; whoever claims it hands it over by a flag, as a run queue would.
    constexpr int pushers = 3;
    const int count = heirloom::test::under_tsan ? 20'000 : 200'000;
    for (const bool quietly : {false, true}) {
        box b;
        std::atomic<int> owners{
            1};  // how many believe to own the process; the reading thread begins as its owner
        std::atomic<int> worst{1};
        const auto own = [&] {
            const int now = ++owners;
            for (int seen = worst; now > seen && !worst.compare_exchange_weak(seen, now);) {
            }
        };
        std::atomic<message*> handed{nullptr};
        std::atomic<bool> runnable{true};
        std::vector<std::thread> threads;
        for (int s = 0; s < pushers; ++s)
            threads.emplace_back([&, s] {
                for (int i = 0; i < count; ++i) {
                    message* m = make(s, i);
                    const auto outcome = b.push(m, i % 4 == 0);
                    if (outcome.what != push_outcome::claimed) continue;
                    own();
                    m->next = outcome.older;  // one chain, newest first
                    handed.store(m, std::memory_order_relaxed);
                    --owners;
                    runnable.store(true, std::memory_order_release);
                }
            });
        std::vector<int> next(pushers, 0);
        int received = 0, wrong = 0;
        const auto consume = [&](message* newest) {
            message_list list;
            list.append_reversed(newest);
            while (message* m = list.pop()) {
                const auto v = read(m);
                wrong += v.n != next[static_cast<std::size_t>(v.sender)]++;
                ++received;
            }
        };
        while (received < pushers * count) {
            if (message* newest = b.inbox.take_all()) {
                consume(newest);
                continue;
            }
            runnable.store(false, std::memory_order_relaxed);
            --owners;
            if (!b.inbox.park(quietly)) {
                own();
                continue;
            }
            while (!runnable.load(std::memory_order_acquire)) {
                // Plain messages do not wake a quiet owner; a timer does, now and then.
                message* older = nullptr;
                std::this_thread::yield();
                if (quietly && b.inbox.claim(b.generation, b.id, older)) {
                    consume(older);
                    break;
                }
            }
            own();
            if (message* m = handed.exchange(nullptr, std::memory_order_relaxed)) consume(m);
        }
        for (auto& t : threads) t.join();
        EXPECT_EQ(wrong, 0) << "each pusher's messages in order";
        EXPECT_EQ(worst, 1) << "one owner at a time";
    }
}

TEST(message_list, agrees_with_a_model_on_random_steps) {
    for (std::uint64_t seed = 1; seed <= heirloom::test::seeds(); ++seed) {
        message_list list;
        std::deque<int> model;
        std::uint64_t state = seed * 0x9e3779b97f4a7c15ull;
        int next = 0;
        for (int step = 0; step < 100; ++step) {
            state = state * 6364136223846793005ull + 1442695040888963407ull;
            const auto where = static_cast<std::size_t>(state >> 33);
            const auto link_at = [&](std::size_t index) {
                message** link = list.begin_link();
                for (std::size_t i = 0; i < index; ++i) link = &(*link)->next;
                return link;
            };
            switch ((state >> 60) % 5) {
            case 0:
                list.append(make(0, next));
                model.push_back(next++);
                break;
            case 1: {
                message* newest = nullptr;
                for (std::size_t i = 0; i < where % 4; ++i) {
                    message* m = make(0, next);
                    m->next = newest;
                    newest = m;
                    model.push_back(next++);
                }
                list.append_reversed(newest);
                break;
            }
            case 2: {
                message* m = list.pop();
                ASSERT_EQ(m != nullptr, !model.empty());
                if (m) {
                    ASSERT_EQ(read(m).n, model.front());
                    model.pop_front();
                }
                break;
            }
            case 3: {
                if (model.empty()) break;
                const std::size_t i = where % model.size();
                ASSERT_EQ(read(list.unlink(link_at(i))).n, model[i]);
                model.erase(model.begin() + static_cast<std::ptrdiff_t>(i));
                break;
            }
            case 4: {
                const std::size_t i = where % (model.size() + 1);
                list.insert(link_at(i), make(0, next));
                model.insert(model.begin() + static_cast<std::ptrdiff_t>(i), next++);
                break;
            }
            }
            ASSERT_EQ(list.empty(), model.empty()) << "seed " << seed;
        }
        for (int expected : model) ASSERT_EQ(read(list.pop()).n, expected) << "seed " << seed;
        EXPECT_TRUE(list.empty());
    }
}
