#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
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

/// How many runs a unit gets; fewer for who is in a hurry.
inline int runs_a_unit = 9;

/// Nanoseconds one run of `body` takes, divided by `operations`. The least of some runs after one
/// that warms up, since a floor is what the machine does undisturbed; the clock is read outside
/// `body`.
template <class Body>
double nanoseconds_per(std::size_t operations, Body&& body) {
    using clock = std::chrono::steady_clock;
    body();
    double least = std::numeric_limits<double>::infinity();
    for (int run = 0; run < runs_a_unit; ++run) {
        const auto start = clock::now();
        body();
        const std::chrono::duration<double, std::nano> took = clock::now() - start;
        least = std::min(least, took.count() / static_cast<double>(operations));
    }
    return least;
}

}  // namespace calibration
