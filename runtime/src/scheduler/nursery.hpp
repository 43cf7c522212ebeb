#pragma once

#include "scheduler/backlog_watch.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

// nursery: one worker's processes that have not run yet. Its owner takes the youngest, thieves take the oldest (Chase and
// Lev's deque, with the orders of Lê, Pop, Cohen and Zappa Nardelli, PPoPP 2013).
//
// The youngest first, because what a process starts is then over before its next sibling begins: a tree of a million
// processes keeps some dozens alive, where first come, first served keeps a third of them, each a cache miss. (skynet: 600 to
// 116 ns a process.) The oldest is the root of the largest part that is left: what a thief wants. R10 promises no order among
// children; that none waits for ever is the scheduler's business (worker::pick_slowly takes the oldest now and then).
//
//   I1  slots [top, bottom) hold processes that no other queue has.
//   I2  only the owner moves bottom. top only grows; whoever moves it, by CAS, has what it pointed at.
//   I3  the owner takes the last entry by moving top, as a thief would: so an index below bottom is used for one entry only, and
//       an unchanged top means an unchanged oldest entry.
// Not chosen: youngest first in the ready list as well (woken processes would starve).
namespace heirloom::detail {

template <class T, std::size_t Capacity = 256>
class nursery {
    static_assert((Capacity & (Capacity - 1)) == 0);

public:
    // --- The owner ---

    /// False, and nothing done, if it is full.
    bool push(T* item) noexcept {
        const auto bottom = bottom_.load(std::memory_order_relaxed);  // only the owner writes it
        // acquire; pairs with the CAS of thieves: a slot that they have left has been read.
        if (bottom - top_.load(std::memory_order_acquire) >= std::int64_t{Capacity}) return false;
        slots_[index(bottom)].store(item,
                                    std::memory_order_relaxed);  // published by the next store
        // release; pairs with the load of bottom_ in steal(): whoever sees the new bottom sees the slot.
        bottom_.store(bottom + 1, std::memory_order_release);
        return true;
    }
    /// The youngest; null if there is none. One locked instruction, none when it is empty.
    T* pop() noexcept {
        const auto old_bottom = bottom_.load(std::memory_order_relaxed);
        // relaxed: top only grows, so what looks empty is.
        if (old_bottom <= top_.load(std::memory_order_relaxed)) return nullptr;
        const auto bottom = old_bottom - 1;
        // seq_cst: this store must not pass the load below. A thief does the reverse, so that of a thief and the owner who are
        // after the same entry at least one knows of the other.
        bottom_.store(bottom, std::memory_order_seq_cst);
        auto top = top_.load(std::memory_order_seq_cst);
        T* item = nullptr;
        if (top < bottom) return slots_[index(bottom)].load(std::memory_order_relaxed);
        if (top == bottom) {
            item = slots_[index(bottom)].load(std::memory_order_relaxed);
            // relaxed: who moves top has the entry, and this one's contents are the owner's own.
            if (!top_.compare_exchange_strong(top, top + 1, std::memory_order_relaxed,
                                              std::memory_order_relaxed))
                item = nullptr;  // a thief was quicker
        }
        bottom_.store(old_bottom, std::memory_order_relaxed);
        return item;
    }

    // --- Anyone ---

    std::size_t size() const noexcept {
        const auto n =
            bottom_.load(std::memory_order_relaxed) - top_.load(std::memory_order_relaxed);
        return n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    /// How long the oldest entry has waited, to somebody who has looked before.
    std::int64_t age(backlog_watch& watch, std::int64_t now) const noexcept {
        const auto top = static_cast<std::uint64_t>(top_.load(std::memory_order_relaxed));
        return watch.age(top, top + 1, now);
    }
    /// The oldest; null if there is none, or somebody else took it.
    T* steal() noexcept {
        // seq_cst, both: see pop().
        auto top = top_.load(std::memory_order_seq_cst);
        // also acquire; pairs with push().
        if (top >= bottom_.load(std::memory_order_seq_cst)) return nullptr;
        T* item = slots_[index(top)].load(std::memory_order_relaxed);
        if (!top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst,
                                          std::memory_order_relaxed))
            return nullptr;
        return item;
    }

private:
    static constexpr std::size_t index(std::int64_t position) noexcept {
        return static_cast<std::size_t>(position) & (Capacity - 1);
    }

    alignas(64) std::atomic<std::int64_t> top_{0};
    alignas(64) std::atomic<std::int64_t> bottom_{0};
    std::array<std::atomic<T*>, Capacity> slots_{};
};

}  // namespace heirloom::detail
