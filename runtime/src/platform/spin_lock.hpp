#pragma once

#include "platform/fences.hpp"

#include <atomic>

#include <sched.h>

namespace heirloom::detail {

/// For sections of a few instructions. Ranks (a thread takes them in this order only, and holds one of a
/// rank at a time): process side lock < timer queue, names mutex; estate; names; everything else alone.
class spin_lock {
public:
    void lock() noexcept {
        // acquire; pairs with the release in unlock().
        while (locked_.exchange(true, std::memory_order_acquire)) {
            for (int spins = 0; locked_.load(std::memory_order_relaxed); ++spins) {
                if (spins < 64)
                    cpu_relax();
                else
                    sched_yield();
            }
        }
    }
    bool try_lock() noexcept { return !locked_.exchange(true, std::memory_order_acquire); }
    void unlock() noexcept { locked_.store(false, std::memory_order_release); }

private:
    std::atomic<bool> locked_{false};
};

}  // namespace heirloom::detail
