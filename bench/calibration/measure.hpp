#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <type_traits>

namespace calibration {

/// Makes the compiler believe that `value` is read and changed here.
template <class T>
inline void keep(T& value) noexcept {
    if constexpr (std::is_scalar_v<T>) {
        asm volatile("" : "+r"(value) : : "memory");
    } else {
        asm volatile("" : "+m"(value) : : "memory");
    }
}

/// Nanoseconds one run of `body` takes, divided by `operations`. The least of nine runs after one
/// that warms up, since a floor is what the machine does undisturbed; the clock is read outside
/// `body`.
template <class Body>
double nanoseconds_per(std::size_t operations, Body&& body) {
    using clock = std::chrono::steady_clock;
    body();
    std::array<double, 9> runs;
    for (double& run : runs) {
        const auto start = clock::now();
        body();
        const std::chrono::duration<double, std::nano> took = clock::now() - start;
        run = took.count() / static_cast<double>(operations);
    }
    return std::ranges::min(runs);
}

}  // namespace calibration
