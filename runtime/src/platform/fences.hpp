#pragma once

#include "heirloom/detail/running.hpp"
#include "platform/sanitizers.hpp"

#include <atomic>

// The asymmetric fence: the frequent side pays a compiler barrier, the rare side pays for both with
// membarrier(PRIVATE_EXPEDITED), which runs a full fence on every thread of this program.
//
//   frequent:  store A; light_fence(); load B        rare:  store B; heavy_fence(); load A
//
// At least one of the two loads sees the other's store. Where the kernel refuses membarrier both sides
// use a full fence. ThreadSanitizer models neither a fence nor membarrier, so both sides are full there
// and the variables that rely on them are atomics with seq_cst operations under HEIRLOOM_TSAN.
namespace heirloom::detail {

/// Whether membarrier works here; decided once, before the first runtime starts.
bool asymmetric_fence_available() noexcept;
extern const bool light_fence_is_full;

inline void light_fence() noexcept {
    if (under_tsan || __builtin_expect(light_fence_is_full, 0))
        std::atomic_thread_fence(std::memory_order_seq_cst);
    else
        std::atomic_signal_fence(std::memory_order_seq_cst);
}
void heavy_fence() noexcept;

inline void cpu_relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace heirloom::detail
