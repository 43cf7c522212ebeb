#pragma once

// Errors of ours: say who and why, then abort. Always on; HEIRLOOM_DCHECK in debug builds only.
namespace heirloom::detail {
[[noreturn]] void check_failed(const char* condition, const char* why, const char* file,
                               int line) noexcept;
}

#define HEIRLOOM_CHECK(condition, why)                                                             \
    (__builtin_expect(!(condition), 0)                                                             \
         ? ::heirloom::detail::check_failed(#condition, why, __FILE__, __LINE__)                   \
         : static_cast<void>(0))

#ifdef HEIRLOOM_DEBUG_CHECKS
#define HEIRLOOM_DCHECK(condition, why) HEIRLOOM_CHECK(condition, why)
#else
#define HEIRLOOM_DCHECK(condition, why) static_cast<void>(0)
#endif
