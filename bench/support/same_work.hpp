#pragma once

// What the programs of all contenders in C++ compute alike, ours included: the work itself has to be the same.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace same_work {

/// The generator every contender uses.
constexpr std::uint64_t next_random(std::uint64_t x) {
    return (x * 1103515245u + 12345u) & 0x7fffffffu;
}

/// A few microseconds of arithmetic.
constexpr std::uint64_t computed(std::uint64_t x) {
    for (int i = 0; i < 2000; ++i) x = next_random(x);
    return x;
}

/// Primes up to `n` by trial division: the sieve's answer by other means.
inline std::uint64_t prime_count(std::uint64_t n) {
    std::uint64_t count = n >= 2 ? 1 : 0;
    for (std::uint64_t x = 3; x <= n; x += 2) {
        bool prime = true;
        for (std::uint64_t d = 3; prime && d * d <= x; d += 2) prime = x % d != 0;
        count += prime ? 1 : 0;
    }
    return count;
}

/// A key of 24 bytes.
inline std::string text_key(std::uint64_t k) {
    const std::string text = std::to_string(k);
    return "key of 24 bytes, " + std::string(7 - std::min<std::size_t>(7, text.size()), '0') + text;
}

/// A value of 200 bytes.
struct wide {
    std::uint64_t number;
    char rest[192];
};

/// 65,536 ranks of a Zipf distribution (exponent 0.99) among `rows`, drawn before any clock starts.
inline std::vector<std::uint32_t> zipf(std::uint64_t rows) {
    std::vector<double> cumulated(rows);
    double sum = 0;
    for (std::uint64_t i = 0; i < rows; ++i)
        cumulated[i] = sum += 1 / std::pow(static_cast<double>(i + 1), 0.99);
    std::vector<std::uint32_t> ranks(1 << 16);
    std::uint64_t x = 88172645463325252u;
    for (auto& r : ranks) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        const double at = static_cast<double>(x >> 11) / 9007199254740992.0 * sum;
        r = static_cast<std::uint32_t>(std::lower_bound(cumulated.begin(), cumulated.end(), at) -
                                       cumulated.begin());
    }
    return ranks;
}

}  // namespace same_work
