#pragma once

#include "scheduler/backlog_watch.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

// run_queue: one worker's ready list. The owner pushes and pops; any other worker steals half.
//   I1  slots [head, tail) hold runnable processes; a process is in at most one queue.
//   I2  only the owner moves tail; owner and thieves both move head, by CAS.
//   I3  tail - head <= Capacity at every store of tail, so a slot is not overwritten while a thief may still read it:
//       a thief's CAS on head fails if the owner has gone round (64-bit positions do not repeat).
// Not chosen: Chase-Lev (LIFO for the owner starves mailboxes, steals one, and its pop needs a store-load fence as dear
// as this CAS); linked queues (1.5 to 2 times slower in ping-pong elsewhere); one shared queue (every push contends).
namespace heirloom::detail {

template <class T, std::size_t Capacity = 256>
class run_queue {
    static_assert((Capacity & (Capacity - 1)) == 0);

public:
    // --- The owner ---
    bool has_room() const noexcept {
        // acquire; pairs with the release CAS of thieves: a slot freed by them has been read.
        return tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_acquire) <
               Capacity;
    }
    /// Requires: has_room().
    void push(T* item) noexcept {
        const auto tail = tail_.load(std::memory_order_relaxed);  // only the owner writes it
        slots_[tail & mask].store(item, std::memory_order_relaxed);
        // release; pairs with the acquire of tail_ in steal(): whoever sees the new tail sees the slot.
        tail_.store(tail + 1, std::memory_order_release);
    }
    T* pop() noexcept {
        auto head = head_.load(std::memory_order_relaxed);
        for (;;) {
            if (head == tail_.load(std::memory_order_relaxed)) return nullptr;
            T* item = slots_[head & mask].load(std::memory_order_relaxed);
            // acq_rel against thieves; on failure one has moved head and we look again.
            if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel,
                                            std::memory_order_relaxed))
                return item;
        }
    }
    /// Takes the older half out, for the overflow queue. Writes at most Capacity / 2 items; returns how many.
    std::size_t shed(T** out) noexcept { return grab(out); }

    // --- Anyone ---
    std::size_t size() const noexcept {
        const auto head = head_.load(std::memory_order_relaxed);
        const auto tail = tail_.load(std::memory_order_relaxed);
        return tail > head ? static_cast<std::size_t>(tail - head) : 0;
    }

    /// How long the oldest entry has waited, to somebody who has looked before.
    std::int64_t age(backlog_watch& watch, std::int64_t now) const noexcept {
        const auto head = head_.load(std::memory_order_relaxed);
        return watch.age(head, tail_.load(std::memory_order_relaxed), now);
    }

    // --- A thief ---
    /// Takes the older half. Writes at most Capacity / 2 items; returns how many.
    std::size_t steal(T** out) noexcept { return grab(out); }

private:
    static constexpr std::uint64_t mask = Capacity - 1;

    std::size_t grab(T** out) noexcept {
        for (;;) {
            auto head = head_.load(std::memory_order_acquire);
            // acquire; pairs with push.
            const auto tail = tail_.load(std::memory_order_acquire);
            if (tail <= head) return 0;
            const std::uint64_t n = (tail - head + 1) / 2;
            if (n > Capacity / 2) continue;  // head and tail were read at different times
            for (std::uint64_t i = 0; i < n; ++i)
                out[i] = slots_[(head + i) & mask].load(std::memory_order_relaxed);
            if (head_.compare_exchange_strong(head, head + n, std::memory_order_acq_rel,
                                              std::memory_order_relaxed))
                return static_cast<std::size_t>(n);
        }
    }

    alignas(64) std::atomic<std::uint64_t> head_{0};
    alignas(64) std::atomic<std::uint64_t> tail_{0};
    std::array<std::atomic<T*>, Capacity> slots_{};
};

}  // namespace heirloom::detail
