#pragma once

#include <cstdint>

// All traversal is in *hash order*: by the first `j` bits of the hash as a number, then by the others reversed. A
// bucket that is split or merged covers half or twice the stretch of that order, so a position in it says exactly
// which rows have been seen, whatever grows, shrinks or moves meanwhile. See DESIGN.md, "Traversal".
namespace heirloom::ets::detail {

/// A point in hash order, and whether there is anything at or after it.
struct hash_position {
    std::uint64_t at = 0;
    bool end = false;
};

inline std::uint64_t reverse_bits(std::uint64_t x) noexcept {
    x = (x >> 1 & 0x5555'5555'5555'5555) | (x & 0x5555'5555'5555'5555) << 1;
    x = (x >> 2 & 0x3333'3333'3333'3333) | (x & 0x3333'3333'3333'3333) << 2;
    x = (x >> 4 & 0x0f0f'0f0f'0f0f'0f0f) | (x & 0x0f0f'0f0f'0f0f'0f0f) << 4;
    return __builtin_bswap64(x);
}
/// The low `j` bits as a number, then the rest reversed. Any fixed `j` below 64 gives an order that splitting and
/// merging buckets respects; a larger one visits memory in runs.
constexpr std::uint64_t low_bits(std::uint64_t x, unsigned j) noexcept {
    return j == 0 ? 0 : x & (~std::uint64_t{0} >> (64 - j));
}
inline std::uint64_t order_of(std::uint64_t hash, unsigned j) noexcept {
    const std::uint64_t rest = reverse_bits(hash >> j) >> j;
    return j == 0 ? reverse_bits(hash) : low_bits(hash, j) << (64 - j) | rest;
}
/// Whether `a` comes before `b` in the order of j = 0: at the lowest bit in which they differ.
constexpr bool comes_before(std::uint64_t a, std::uint64_t b) noexcept {
    const std::uint64_t differ = a ^ b;
    return (b & differ & (0 - differ)) != 0;
}
inline std::uint64_t hash_at(std::uint64_t order, unsigned j) noexcept {
    return j == 0 ? reverse_bits(order) : order >> (64 - j) | reverse_bits(order << j) << j;
}

}  // namespace heirloom::ets::detail
