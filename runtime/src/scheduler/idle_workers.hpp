#pragma once

#include "platform/fences.hpp"

#include <atomic>
#include <cstdint>

// idle_workers: which workers sleep, and who wakes them. Work must not wait while all who could do it sleep.
//
//   a worker       announce_sleep(asleep); looks for work once more; sleeps; end_sleep(asleep)
//   who has work   makes it visible; anybody_asleep(); claim(asleep) of one; wakes that one
//
//   I1  The announcement and the second look are one side of the asymmetric fence, the work and the look at `sleeping` the
//       other: at least one of the two looks sees what the other side did.
//   I2  A sleeper is woken by whoever takes its announcement back, or takes it back itself; `sleeping` counts those not taken.
namespace heirloom::detail {

class idle_workers {
public:
    /// The worker goes to sleep unless it finds work in the look that must follow. It was searching.
    void announce_sleep(std::atomic<bool>& asleep) noexcept {
        asleep.store(true, std::memory_order_seq_cst);
        sleeping.fetch_add(1, std::memory_order_seq_cst);
        searching.fetch_sub(1, std::memory_order_seq_cst);
        heavy_fence();  // partner: the light_fence of anybody_asleep()
    }
    void end_sleep(std::atomic<bool>& asleep) noexcept { (void)claim(asleep); }
    /// To be asked after work was made visible.
    bool anybody_asleep() const noexcept {
        light_fence();  // partner: the heavy_fence of announce_sleep()
        return sleeping.load(std::memory_order_relaxed) != 0;
    }
    /// Takes an announcement back; true for the one who must wake that worker.
    bool claim(std::atomic<bool>& asleep) noexcept {
        if (!asleep.load(std::memory_order_relaxed)) return false;
        if (!asleep.exchange(false, std::memory_order_seq_cst)) return false;
        sleeping.fetch_sub(1, std::memory_order_seq_cst);
        return true;
    }

    std::atomic<std::uint32_t> sleeping{0};   // workers asleep
    std::atomic<std::uint32_t> searching{0};  // workers looking for work
};

}  // namespace heirloom::detail
