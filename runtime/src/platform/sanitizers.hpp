#pragma once

#include "heirloom/detail/sanitizers.hpp"

#include <cstddef>

// The calls that sanitizers need around a context switch.

#if HEIRLOOM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

#endif
#if HEIRLOOM_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace heirloom::detail {
// What goes through a queue that orders by fences, which ThreadSanitizer does not model: said before it is put in, and after it is
// taken out.
#if HEIRLOOM_TSAN
inline void handed_over(void* what) noexcept { __tsan_release(what); }
inline void taken_over(void* what) noexcept { __tsan_acquire(what); }
#else
inline void handed_over(const void*) noexcept {}
inline void taken_over(const void*) noexcept {}
#endif

// LeakSanitizer does not look for pointers in what was mapped, unless it is told to.
#if HEIRLOOM_ASAN
inline void holds_pointers(const void* where, std::size_t bytes) noexcept {
    if (bytes != 0) __lsan_register_root_region(where, bytes);
}
#else
inline void holds_pointers(const void*, std::size_t) noexcept {}
#endif
}  // namespace heirloom::detail
