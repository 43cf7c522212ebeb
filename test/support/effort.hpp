#pragma once

#include <chrono>
#include <cstddef>
#include <cstdlib>

// How hard a test tries: `./dev test --seeds N` and `./dev stress --seconds N` decide at run time,
// the sanitizers at build time.
namespace heirloom::test {

inline std::size_t number_from_environment(const char* name, std::size_t otherwise) {
    const char* text = std::getenv(name);
    if (text == nullptr) return otherwise;
    const auto number = std::strtoull(text, nullptr, 10);
    return number == 0 ? otherwise : static_cast<std::size_t>(number);
}

#if defined(__SANITIZE_THREAD__)
inline constexpr bool under_tsan = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool under_tsan = true;
#else
inline constexpr bool under_tsan = false;
#endif
#else
inline constexpr bool under_tsan = false;
#endif

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool under_asan = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool under_asan = true;
#else
inline constexpr bool under_asan = false;
#endif
#else
inline constexpr bool under_asan = false;
#endif

/// Seeds a test that explores schedules runs. A tenth under ThreadSanitizer: a deterministic run has one thread, so there is
/// nothing for it to find, and it takes a tenth of a second to forget each runtime's stacks.
inline std::size_t seeds(std::size_t otherwise = 200) {
    return number_from_environment("HEIRLOOM_SEEDS", under_tsan ? otherwise / 10 : otherwise);
}

/// How long one storm lasts: a moment in `./dev test`, as asked in `./dev stress`.
inline std::chrono::seconds storm_length() {
    return std::chrono::seconds(number_from_environment("HEIRLOOM_STRESS_SECONDS", 2));
}

/// The size of a scale test: a tenth under a sanitizer. ThreadSanitizer itself ends at some 8,000
/// fibers, of which the library lets a program have 4,000.
inline std::size_t scaled(std::size_t full) {
    const std::size_t size = under_tsan || under_asan ? full / 10 : full;
    return under_tsan && size > 3000 ? 3000 : size;
}

}  // namespace heirloom::test
