#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include <heirloom/detail/activity.hpp>
#include <heirloom/ets/detail/bucket_array.hpp>

// The two forms of a row in a hash table: packed into the words of a bucket, or in a box of its own that never
// changes.
namespace heirloom::ets::detail {

template <class K, class V>
struct packed_row {
    static constexpr std::size_t value_at = (sizeof(K) + alignof(V) - 1) / alignof(V) * alignof(V);
    static constexpr std::size_t bytes = value_at + sizeof(V);
    static constexpr unsigned words = static_cast<unsigned>((bytes + 7) / 8);
    static constexpr bool fits = std::is_trivially_copyable_v<K> &&
                                 std::is_trivially_copyable_v<V> && alignof(K) <= 8 &&
                                 alignof(V) <= 8 && bytes <= bucket::room * 8;
    static constexpr unsigned first_value_word = static_cast<unsigned>(value_at / 8);
    static constexpr unsigned key_words = static_cast<unsigned>((sizeof(K) + 7) / 8);
    /// One store replaces the value.
    static constexpr bool one_word_value = first_value_word + 1 == words;

    packed_row() noexcept {}  // NOLINT: filled word by word
    packed_row(const K& key, const V& value) noexcept {
        if constexpr (sizeof(K) + sizeof(V) != sizeof(byte)) std::memset(byte, 0, sizeof(byte));
        std::memcpy(byte, &key, sizeof(K));
        std::memcpy(byte + value_at, &value, sizeof(V));
    }
    const K& key() const noexcept { return *std::launder(reinterpret_cast<const K*>(byte)); }
    const V& value() const noexcept {
        return *std::launder(reinterpret_cast<const V*>(byte + value_at));
    }
    std::uint64_t word(unsigned i) const noexcept {
        std::uint64_t w;
        std::memcpy(&w, byte + 8 * i, 8);
        return w;
    }
    void set_word(unsigned i, std::uint64_t w) noexcept { std::memcpy(byte + 8 * i, &w, 8); }

    alignas(8) unsigned char byte[words * 8];  // every byte that is read has been written
};

template <class K, class V>
struct boxed_row {
    template <class Q, class W>
    boxed_row(std::uint64_t h, Q&& k, W&& v)
        : hash(h), stored_key(std::forward<Q>(k)), stored_value(std::forward<W>(v)) {}

    const K& key() const noexcept { return stored_key; }
    const V& value() const noexcept { return stored_value; }

    static void* operator new(std::size_t n) { return heirloom::detail::allocate_block(n); }
    static void operator delete(void* p, std::size_t n) noexcept {
        heirloom::detail::free_block(p, n);
    }

    const std::uint64_t hash;
    const K stored_key;
    const V stored_value;
};

}  // namespace heirloom::ets::detail
