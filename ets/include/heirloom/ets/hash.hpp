#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/atom.hpp>
#include <heirloom/pid.hpp>

namespace heirloom::ets {

namespace detail {

// One multiplication whose two halves meet: every bit of a reaches every bit of the result.
inline std::uint64_t fold_multiply(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using wide = unsigned __int128;
    const wide product = static_cast<wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
inline constexpr std::uint64_t odd_a = 0x9e3779b97f4a7c15ull;
inline constexpr std::uint64_t odd_b = 0xd6e8feb86659fd93ull;

inline std::uint64_t load_word(const char* p) noexcept {
    std::uint64_t w;
    std::memcpy(&w, p, 8);
    return w;
}
// wyhash's shape: 16 bytes a step, the tail read overlapping.
inline std::uint64_t hash_bytes(const char* p, std::size_t n, std::uint64_t seed) noexcept {
    std::uint64_t state = seed ^ odd_a;
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::size_t left = n;
    while (left > 16) {
        state = fold_multiply(load_word(p) ^ odd_b, load_word(p + 8) ^ state);
        p += 16;
        left -= 16;
    }
    if (left >= 8) {
        a = load_word(p);
        b = load_word(p + left - 8);
    } else if (left >= 4) {
        std::uint32_t lo;
        std::uint32_t hi;
        std::memcpy(&lo, p, 4);
        std::memcpy(&hi, p + left - 4, 4);
        a = lo;
        b = hi;
    } else if (left > 0) {
        a = static_cast<unsigned char>(p[0]) |
            static_cast<std::uint64_t>(static_cast<unsigned char>(p[left / 2])) << 8 |
            static_cast<std::uint64_t>(static_cast<unsigned char>(p[left - 1])) << 16;
    }
    return fold_multiply(fold_multiply(a ^ odd_b, b ^ state), n ^ odd_a);
}

}  // namespace detail

/// The customisation point: specialise it, or give a table a hash of its own, for a key type of yours.
/// `operator()(key, seed)` returns 64 bits that depend on both; equal keys give equal hashes. The seed is the
/// table's, so that nobody can prepare keys that collide. Without a specialisation `std::hash` is used. It must not
/// throw for a key that is in the table. With a member type `lookup_type`, keys are looked up by that type.
template <class Key>
struct hash {
    std::uint64_t operator()(const Key& key, std::uint64_t seed) const {
        return detail::fold_multiply(static_cast<std::uint64_t>(std::hash<Key>()(key)) ^ seed,
                                     detail::odd_a);
    }
};

template <class Key>
    requires(std::is_integral_v<Key> || std::is_enum_v<Key>)
struct hash<Key> {
    std::uint64_t operator()(Key key, std::uint64_t seed) const noexcept {
        return detail::fold_multiply(static_cast<std::uint64_t>(key) ^ seed, detail::odd_a);
    }
};
template <>
struct hash<atom> {
    std::uint64_t operator()(atom key, std::uint64_t seed) const noexcept {
        return detail::fold_multiply(key.hash() ^ seed, detail::odd_a);
    }
};
template <>
struct hash<pid> {
    std::uint64_t operator()(pid key, std::uint64_t seed) const noexcept {
        return detail::fold_multiply(key.bits() ^ seed, detail::odd_a);
    }
};
/// Strings look up by anything that converts to a string_view, without making a string.
template <>
struct hash<std::string> {
    using lookup_type = std::string_view;
    std::uint64_t operator()(std::string_view key, std::uint64_t seed) const noexcept {
        return detail::hash_bytes(key.data(), key.size(), seed);
    }
};
template <class A, class B>
struct hash<std::pair<A, B>> {
    std::uint64_t operator()(const std::pair<A, B>& key, std::uint64_t seed) const {
        return hash<B>()(key.second, hash<A>()(key.first, seed));
    }
};
template <class... A>
struct hash<std::tuple<A...>> {
    std::uint64_t operator()(const std::tuple<A...>& key, std::uint64_t seed) const {
        std::apply([&](const A&... part) { ((seed = hash<A>()(part, seed)), ...); }, key);
        return seed;
    }
};
template <class A, class Allocator>
struct hash<std::vector<A, Allocator>> {
    std::uint64_t operator()(const std::vector<A, Allocator>& key, std::uint64_t seed) const {
        seed ^= key.size();
        for (const auto& part : key) seed = hash<A>()(part, seed);
        return seed;
    }
};
template <class A, std::size_t N>
struct hash<std::array<A, N>> {
    std::uint64_t operator()(const std::array<A, N>& key, std::uint64_t seed) const {
        for (const auto& part : key) seed = hash<A>()(part, seed);
        return seed;
    }
};
template <class A>
struct hash<std::optional<A>> {
    std::uint64_t operator()(const std::optional<A>& key, std::uint64_t seed) const {
        return key ? hash<A>()(*key, seed) : detail::fold_multiply(~seed, detail::odd_a);
    }
};

}  // namespace heirloom::ets
