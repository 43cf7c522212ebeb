#pragma once

#include <cstddef>

// Which sanitizer this translation unit is built for, and the calls it needs around a context switch.

#if defined(__SANITIZE_ADDRESS__)
#define HEIRLOOM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEIRLOOM_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HEIRLOOM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HEIRLOOM_TSAN 1
#endif
#endif
#ifndef HEIRLOOM_ASAN
#define HEIRLOOM_ASAN 0
#endif
#ifndef HEIRLOOM_TSAN
#define HEIRLOOM_TSAN 0
#endif

#if HEIRLOOM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

#endif
#if HEIRLOOM_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace heirloom::detail {
inline constexpr bool under_asan = HEIRLOOM_ASAN;
inline constexpr bool under_tsan = HEIRLOOM_TSAN;

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
