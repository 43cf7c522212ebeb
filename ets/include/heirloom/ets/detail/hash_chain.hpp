#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <heirloom/ets/detail/bucket_array.hpp>
#include <heirloom/ets/detail/row_forms.hpp>
#include <heirloom/ets/hash.hpp>

// What the words of a bucket chain mean for a key and a value type, and the steps that all who read or change one
// share. It has no state of its own.
namespace heirloom::ets::detail {

template <class K, class V, class Hash, class Equal>
struct hash_chain {
    using packed = packed_row<K, V>;
    using box = boxed_row<K, V>;
    static constexpr bool boxed = !packed::fits;
    using row = std::conditional_t<boxed, box, packed>;
    static constexpr unsigned words = boxed ? 1 : packed::words;
    static constexpr unsigned slots = bucket::room / words;
    /// The key is one word, compared as such: no copy, no call, no tag.
    static constexpr bool direct = !boxed && (std::is_integral_v<K> || std::is_enum_v<K>)&&(
                                                 std::is_same_v<Equal, std::equal_to<>> ||
                                                 std::is_same_v<Equal, std::equal_to<K>>);
    static constexpr bool users_equality =
        !std::is_same_v<Equal, std::equal_to<>> && !std::is_same_v<Equal, std::equal_to<K>>;
    /// Beside such a key a value that has a word to itself: to change it is one store.
    static constexpr bool value_is_word =
        direct && packed::one_word_value && packed::value_at % 8 == 0;
    static constexpr bool tagged = !boxed && !direct && slots <= 3;
    // Four times the rows a bucket holds on average: few chains, and under 40 bytes for a row of two words.
    static constexpr std::uint64_t load = slots == 6 ? 13 : slots == 3 ? 8 : slots == 2 ? 5 : 3;

    template <class Q>
    static constexpr bool calls_quietly() noexcept {
        if constexpr (std::is_invocable_v<const Hash&, const Q&, std::uint64_t>)
            return std::is_nothrow_invocable_v<const Hash&, const Q&, std::uint64_t>;
        else
            return std::is_nothrow_invocable_v<const Hash&, const Q&>;
    }
    template <class Q>
    static std::uint64_t hash_with(std::uint64_t seed, const Q& key) noexcept(calls_quietly<Q>()) {
        if constexpr (std::is_invocable_v<const Hash&, const Q&, std::uint64_t>)
            return Hash()(key, seed);
        else
            return fold_multiply(static_cast<std::uint64_t>(Hash()(key)) ^ seed, odd_a);
    }
    using held_row = std::conditional_t<boxed, std::unique_ptr<box>, packed>;
    static held_row make(std::uint64_t hash, K key, V value) {
        if constexpr (boxed)
            return std::unique_ptr<box>(new box(hash, std::move(key), std::move(value)));
        else
            return packed(key, value);
    }

    static constexpr std::uint32_t all_slots = (1u << slots) - 1;
    static constexpr std::uint64_t pointer_bits = 0xffff'ffff'ffff;

    static std::uint64_t box_tag(std::uint64_t hash) noexcept { return (hash >> 48) | 1; }
    static std::uint64_t word_of(const box* b, std::uint64_t hash) noexcept {
        return reinterpret_cast<std::uint64_t>(b) | box_tag(hash) << 48;
    }
    static const box* box_in(std::uint64_t word) noexcept {
        return reinterpret_cast<const box*>(word & pointer_bits);
    }
    static void discard(const box* b) noexcept {
        heirloom::detail::retire_often(const_cast<box*>(b),
                                       [](void* p) noexcept { delete static_cast<box*>(p); });
    }
    static bool changed(const bucket* first, std::uint64_t before) noexcept {
        // relaxed: the acquire loads of the words before it keep it behind them; see the file's head.
        return ((first->head.load(std::memory_order_relaxed) ^ before) & ~head::locked) != 0;
    }
    static void copy_words(packed& to, const bucket* c, unsigned s, unsigned from,
                           unsigned end) noexcept {
        for (unsigned w = from; w < end; ++w)
            to.set_word(
                w, c->word[s * words + w].load(std::memory_order_acquire));  // see the file's head
    }
    static void write_slot(bucket* c, unsigned s, const unsigned char* from) noexcept {
        for (unsigned w = 0; w < words; ++w) {
            std::uint64_t value;
            std::memcpy(&value, from + 8 * w, 8);
            c->word[s * words + w].store(value, std::memory_order_release);  // see the file's head
        }
    }
    static std::uint64_t tag_of(std::uint64_t hash) noexcept { return hash >> 56; }
    static std::uint64_t tag_in(std::uint64_t h, unsigned s) noexcept {
        return tagged ? h >> (head::tags_at + 8 * s) & 0xff : 0;
    }
    static std::uint64_t with_tag(std::uint64_t h, unsigned s, std::uint64_t tag) noexcept {
        if constexpr (!tagged) return h;
        const auto at = head::tags_at + 8 * s;
        return (h & ~(std::uint64_t{0xff} << at)) | tag << at;
    }
    static std::uint64_t with_slot(std::uint64_t h, unsigned s, std::uint64_t hash) noexcept {
        return with_tag(h, s, tag_of(hash)) | std::uint64_t{1} << (head::occupancy_at + s);
    }
    static std::uint64_t without_slot(std::uint64_t h, unsigned s) noexcept {
        return h & ~(std::uint64_t{1} << (head::occupancy_at + s));
    }

    /// The slots of one bucket that may hold `key`: exactly those if the key is direct.
    template <class Q>
    static std::uint32_t candidates(const bucket* c, std::uint64_t h, const Q& key,
                                    std::uint64_t hash) noexcept {
        std::uint32_t m = 0;
        if constexpr (boxed) {
            const std::uint64_t tag = box_tag(hash);
#pragma GCC unroll 6
            for (unsigned s = 0; s < slots; ++s)
                m |= static_cast<std::uint32_t>(c->word[s].load(std::memory_order_acquire) >> 48 ==
                                                tag)
                     << s;
            return m;
        } else if constexpr (direct) {
            std::uint64_t mask = 0;
            std::memset(&mask, 0xff, sizeof(K));
            std::uint64_t wanted = 0;
            const K exact = static_cast<K>(key);
            std::memcpy(&wanted, &exact, sizeof(K));
#pragma GCC unroll 6
            for (unsigned s = 0; s < slots; ++s)
                m |=
                    static_cast<std::uint32_t>(
                        ((c->word[s * words].load(std::memory_order_acquire) ^ wanted) & mask) == 0)
                    << s;
            return m & head::occupancy(h);
        } else if constexpr (tagged) {
            const std::uint64_t tag = tag_of(hash);
#pragma GCC unroll 6
            for (unsigned s = 0; s < slots; ++s)
                m |= static_cast<std::uint32_t>((h >> (head::tags_at + 8 * s) & 0xff) == tag) << s;
            return m & head::occupancy(h);
        } else {
            return head::occupancy(h);
        }
    }

    // Locks a chain and marks it changing, for those who change more than a row.
    static std::uint64_t lock_chain(bucket* first, bool shared) noexcept {
        for (unsigned round = 0;; ++round) {
            if (round) pause_in_spin(round);
            std::uint64_t h = first->head.load(std::memory_order_relaxed);  // as in place()
            if (!shared) {
                first->head.store(h | head::changing, std::memory_order_relaxed);  // as in open()
                return h;
            }
            if (!(h & head::locked) && first->head.compare_exchange_weak(
                                           h, h | head::locked | head::changing,
                                           std::memory_order_acquire, std::memory_order_relaxed))
                return h;
        }
    }
    // The same of a bucket that comes into use: new memory, or one that was left closed. Its last users may be there for a
    // moment still: a writer that went by an older shape, until it sees that.
    static std::uint64_t lock_unused(bucket* b, bool shared) noexcept {
        constexpr std::uint64_t closed = head::locked | head::changing;
        // relaxed: what was done to a closed bucket is ordered by the lock of the structure.
        const std::uint64_t h = b->head.load(std::memory_order_relaxed);
        return (h & closed) == closed ? h : lock_chain(b, shared);
    }
    // Marks a chain changing whose writers are kept out. Nothing may be waited for until it is unlocked: readers wait.
    static void begin_change(bucket* first, std::uint64_t h, bool shared) noexcept {
        // relaxed: as in place::open()
        first->head.store(h | head::changing | (shared ? head::locked : 0),
                          std::memory_order_relaxed);
    }
    // Leaves a bucket that is in use no more, so that whoever comes by an older shape looks again, even if the shape is
    // by then what it was.
    static void close_unused(bucket* b, std::uint64_t h) noexcept {
        // release: pairs with the acquire of who looks, so that it sees the new shape.
        b->head.store(head::bumped(h) | head::locked | head::changing, std::memory_order_release);
    }
    // Locks a chain against writers; readers pass. Alone there are none. Returns its head as it was.
    static std::uint64_t keep_writers_out(bucket* first, bool shared) noexcept {
        for (unsigned round = 0;; ++round) {
            if (round) pause_in_spin(round);
            std::uint64_t h = first->head.load(std::memory_order_relaxed);  // as in place()
            if (!shared ||
                (!(h & head::locked) &&
                 first->head.compare_exchange_weak(h, h | head::locked, std::memory_order_acquire,
                                                   std::memory_order_relaxed)))
                return h;
        }
    }
    static void unlock_chain(bucket* first, std::uint64_t h) noexcept {
        first->head.store(head::bumped(h), std::memory_order_release);  // as in publish()
    }
};

}  // namespace heirloom::ets::detail
