#pragma once

// Which sanitizer this translation unit is built for.

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
#ifndef HEIRLOOM_VALGRIND
#define HEIRLOOM_VALGRIND 0  // set by the build option of that name
#endif

namespace heirloom::detail {
inline constexpr bool under_asan = HEIRLOOM_ASAN;
inline constexpr bool under_tsan = HEIRLOOM_TSAN;
}  // namespace heirloom::detail
