// The protocols that everything rests on, in every interleaving: the run queue's ring at capacity 2, the mailbox's park
// and claim, and going to sleep. Each also with its decisive step taken away, to show that the model would notice.
#include "process/mailbox.hpp"
#include "support/explore.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

using namespace heirloom::test;

// --- run_queue -------------------------------------------------------------------------------------
// Thread 0 is the owner, who pushes items 1..n and pops now and then; the others steal once or twice. Every load, store
// and CAS of run_queue.hpp is a step of its own.

namespace {

constexpr int capacity = 2;
constexpr int items = 5;

struct ring_thread {
    int at = 0;  // the step it is to do
    int head = 0, tail = 0, n = 0, loaded = 0;
    int rounds = 0;
    auto operator<=>(const ring_thread&) const = default;
};
struct ring_state {
    int head = 0, tail = 0;
    std::array<int, capacity> slots{};
    std::array<ring_thread, 3> threads{};
    int pushed = 0;
    std::array<int, items + 1> taken{};
    auto operator<=>(const ring_state&) const = default;
};

enum class ring_variant { as_written, slot_read_after_the_cas, room_ignored };

template <ring_variant Variant>
step_result ring_step(ring_state& s, std::size_t who) {
    ring_thread& t = s.threads[who];
    const auto take = [&](int item) { ++s.taken[static_cast<std::size_t>(item)]; };
    const auto slot = [&](int position) -> int& {
        return s.slots[static_cast<std::size_t>(position % capacity)];
    };
    if (who == 0) {
        switch (t.at) {
        case 0:  // has_room: reads head; full or all pushed: pops
            if (s.pushed == items) {
                t.at = 4;
                return step_result::moved;
            }
            t.head = s.head;
            t.at = (Variant == ring_variant::room_ignored || s.tail - t.head < capacity) ? 1 : 4;
            return step_result::moved;
        case 1:
            slot(s.tail) = ++s.pushed;
            t.at = 2;
            return step_result::moved;
        case 2:
            ++s.tail;
            t.at = s.pushed % 3 == 0 ? 4 : 0;
            return step_result::moved;
        case 4:
            t.head = s.head;
            t.at = 5;
            return step_result::moved;
        case 5:
            if (t.head == s.tail) {
                if (s.pushed == items) {
                    t.at = 9;
                    return step_result::moved;
                }
                t.at = 0;
                return step_result::moved;
            }
            t.loaded = slot(t.head);
            t.at = 6;
            return step_result::moved;
        case 6:
            if (s.head == t.head) {
                ++s.head;
                take(t.loaded);
                t.at = 0;
            } else {
                t.head = s.head;
                t.at = 5;
            }
            return step_result::moved;
        default:
            return step_result::blocked;
        }
    }
    switch (t.at) {
    case 0:
        t.head = s.head;
        t.at = 1;
        return step_result::moved;
    case 1:
        t.tail = s.tail;
        if (t.tail <= t.head) {
            t.at = ++t.rounds < 2 ? 0 : 9;
            return step_result::moved;
        }
        t.n = (t.tail - t.head + 1) / 2;
        t.at = t.n > capacity / 2 ? 0 : 2;
        return step_result::moved;
    case 2:  // n is 1 at capacity 2
        if (Variant != ring_variant::slot_read_after_the_cas) t.loaded = slot(t.head);
        t.at = 3;
        return step_result::moved;
    case 3:
        if (s.head != t.head) {
            t.at = 0;
            return step_result::moved;
        }
        s.head += t.n;
        if (Variant == ring_variant::slot_read_after_the_cas) {
            t.at = 4;
            return step_result::moved;
        }
        take(t.loaded);
        t.at = ++t.rounds < 2 ? 0 : 9;
        return step_result::moved;
    case 4:
        take(slot(t.head));
        t.at = ++t.rounds < 2 ? 0 : 9;
        return step_result::moved;
    default:
        return step_result::blocked;
    }
}

std::string ring_check(const ring_state& s, bool quiet) {
    if (s.taken[0] != 0) return "an empty slot was taken";
    for (int i = 1; i <= items; ++i)
        if (s.taken[static_cast<std::size_t>(i)] > 1)
            return "item " + std::to_string(i) + " was taken twice";
    if (quiet)
        for (int i = 1; i <= items; ++i)
            if (s.taken[static_cast<std::size_t>(i)] != 1)
                return "item " + std::to_string(i) + " was lost";
    return {};
}

template <ring_variant Variant>
std::string ring_verdict() {
    std::size_t visited = 0;
    std::string wrong = explore<ring_state>({}, 3, &ring_step<Variant>, &ring_check, visited);
    if (wrong.empty() && visited < 1000)
        return "too few states to mean anything: " + std::to_string(visited);
    return wrong;
}

}  // namespace

TEST(run_queue_model, takes_every_item_once_in_every_interleaving) {
    EXPECT_EQ(ring_verdict<ring_variant::as_written>(), "");
}
TEST(run_queue_model, notices_a_slot_read_too_late) {
    EXPECT_NE(ring_verdict<ring_variant::slot_read_after_the_cas>(), "");
}
TEST(run_queue_model, notices_a_push_without_room) {
    EXPECT_NE(ring_verdict<ring_variant::room_ignored>(), "");
}

// --- mailbox ---------------------------------------------------------------------------------------
// The real mailbox: each of its operations is one CAS, so interleaving whole operations is all there is. Replayed from
// the beginning for each interleaving, since a mailbox cannot be copied.

namespace {

using namespace heirloom;
using namespace heirloom::detail;

struct mailbox_run {
    std::atomic<std::uint32_t> generation{1};
    pid id = pid::make(0, 1, 1);
    mailbox inbox;
    bool parked = false;  // the owner has let go
    int owners = 1;
    int in_hand = 0;  // messages that reached the owner
    int pushed = 0, refused = 0;
    bool ended = false;
    std::string wrong;

    mailbox_run() { inbox.open(1); }
    void count(message* chain) {
        while (chain) {
            message* next = chain->next;
            chain->type->destroy(chain);
            chain = next;
            ++in_hand;
        }
    }
    void claimed(message* own, message* older) {
        if (!parked) wrong = "claimed while the owner ran";
        parked = false;
        if (++owners != 1) wrong = "two owners";
        count(older);
        if (own) {
            own->next = nullptr;
            count(own);
        }
    }
    void push(bool wakes) {
        message* m = new_user_message<int>(1);
        const auto outcome = inbox.push(generation, id, m, wakes);
        switch (outcome.what) {
        case push_outcome::refused:
            ++refused;
            m->type->destroy(m);
            if (!ended) wrong = "refused while alive";
            break;
        case push_outcome::queued:
            ++pushed;
            break;
        case push_outcome::claimed:
            ++pushed;
            claimed(m, outcome.older);
            break;
        }
    }
    void timer() {
        message* older = nullptr;
        if (inbox.claim(generation, id, older)) claimed(nullptr, older);
    }
    /// The owner's next operation, if it has the process.
    void owner(bool quietly, int& at) {
        if (parked || ended) return;
        if (at++ % 2 == 0) {
            count(inbox.take_all());
        } else {
            --owners;
            parked = true;
            if (!inbox.park(quietly)) {
                parked = false;
                ++owners;
            }
        }
    }
    void end() {
        if (parked) return;
        ended = true;
        count(inbox.close());
    }
};

/// All orders of the letters of `steps`: p push, w waking push, t timer, o owner, e end.
std::string every_order(std::string steps, bool quietly, std::size_t& orders) {
    std::sort(steps.begin(), steps.end());
    do {
        ++orders;
        mailbox_run run;
        int at = 0;
        for (char c : steps) switch (c) {
            case 'p':
                run.push(false);
                break;
            case 'w':
                run.push(true);
                break;
            case 't':
                run.timer();
                break;
            case 'o':
                run.owner(quietly, at);
                break;
            case 'e':
                run.end();
                break;
            }
        // A waiting owner may have mail only if it waits quietly and none of it wakes.
        if (run.parked && !quietly && !run.inbox.looks_empty())
            run.wrong = "waits while there is mail";
        if (run.parked && steps.rfind('w') != std::string::npos) {
            message* older = nullptr;
            if (!run.inbox.claim(run.generation, run.id, older))
                run.wrong = "waits, and cannot be claimed";
            run.count(older);
        } else {
            run.count(run.inbox.take_all());
        }
        if (run.wrong.empty() && run.in_hand != run.pushed) run.wrong = "lost or doubled a message";
        if (!run.wrong.empty()) return steps + ": " + run.wrong;
    } while (std::next_permutation(steps.begin(), steps.end()));
    return {};
}

}  // namespace

TEST(mailbox_model, loses_no_message_and_no_owner_in_every_interleaving) {
    for (const bool quietly : {false, true})
        for (const char* steps : {"ooooppww", "ooooppwtt", "oooopwwte", "oooooopw", "ooopppeet"}) {
            std::size_t orders = 0;
            EXPECT_EQ(every_order(steps, quietly, orders), "");
            EXPECT_GT(orders, 20u);
        }
}

// --- Going to sleep ----------------------------------------------------------------------------------
// A worker announces that it sleeps, fences heavily, and looks once more; whoever makes work stores it, fences lightly
// (nothing, on the processor) and looks whether somebody sleeps. Stores wait in a buffer that only its thread sees, until
// it is flushed at any later time, or by the heavy fence on every thread.

namespace {

struct sleep_state {
    // Memory, and each thread's store buffer: thread 0 works and makes work, thread 1 is the worker.
    int work = 0, sleeping = 0;
    bool work_buffered = false, sleeping_buffered = false;
    int maker_at = 0, worker_at = 0;
    bool woken = false, asleep = false;
    auto operator<=>(const sleep_state&) const = default;
};

template <bool HeavyFence>
step_result sleep_step(sleep_state& s, std::size_t who) {
    switch (who) {
    case 0:  // the maker
        if (s.maker_at == 0) {
            s.work_buffered = true;
            s.maker_at = 1;
            return step_result::moved;
        }
        if (s.maker_at == 1) {
            if (s.sleeping) s.woken = true;
            s.maker_at = 2;
            return step_result::moved;
        }
        return step_result::blocked;
    case 1:  // the worker
        switch (s.worker_at) {
        case 0:
            s.sleeping_buffered = true;
            s.worker_at = 1;
            return step_result::moved;
        case 1:
            s.sleeping = 1;  // a sequentially consistent store is in memory before what follows
            s.sleeping_buffered = false;
            if (HeavyFence && s.work_buffered) {
                s.work = 1;
                s.work_buffered = false;
            }
            s.worker_at = 2;
            return step_result::moved;
        case 2:
            s.asleep = s.work == 0;
            s.worker_at = 3;
            return step_result::moved;
        default:
            if (s.asleep && s.woken) {
                s.asleep = false;
                return step_result::moved;
            }
            return step_result::blocked;
        }
    default:  // the maker's buffer is flushed at some time
        if (!s.work_buffered) return step_result::blocked;
        s.work = 1;
        s.work_buffered = false;
        return step_result::moved;
    }
}

std::string sleep_check(const sleep_state& s, bool quiet) {
    return quiet && s.work && s.asleep ? "work waits and the worker sleeps" : std::string();
}

}  // namespace

TEST(sleep_model, no_worker_sleeps_while_work_waits) {
    std::size_t visited = 0;
    EXPECT_EQ(explore<sleep_state>({}, 3, &sleep_step<true>, &sleep_check, visited), "");
    EXPECT_GT(visited, 10u);
}
TEST(sleep_model, notices_a_missing_heavy_fence) {
    std::size_t visited = 0;
    EXPECT_NE(explore<sleep_state>({}, 3, &sleep_step<false>, &sleep_check, visited), "");
}
