#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <heirloom/detail/activity.hpp>
#include <heirloom/ets/detail/memory.hpp>

// A node of a B+ tree and the rows and keys it points to. The invariants are at the head of tree_rows.hpp.
namespace heirloom::ets::detail {

template <class T>
inline constexpr bool fits_word =
    std::is_trivially_copyable_v<T> && sizeof(T) <= 8 && alignof(T) <= 8;

template <class T>
std::uint64_t to_word(const T& value) noexcept {
    std::uint64_t w = 0;
    std::memcpy(&w, &value, sizeof(T));
    return w;
}
template <class T>
T from_word(std::uint64_t w) noexcept {
    alignas(T) unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, &w, sizeof(T));
    return *std::launder(reinterpret_cast<const T*>(bytes));
}

/// A number as a word: unsigned ones in the order of the numbers.
template <class N>
constexpr std::uint64_t ordered_word(N number) noexcept {
    constexpr std::uint64_t sign = std::is_signed_v<N> ? std::uint64_t{1} << 63 : 0;
    return static_cast<std::uint64_t>(number) ^ sign;
}
template <class N>
constexpr N from_ordered_word(std::uint64_t w) noexcept {
    constexpr std::uint64_t sign = std::is_signed_v<N> ? std::uint64_t{1} << 63 : 0;
    return static_cast<N>(w ^ sign);
}

template <class K, class V, class Compare>
struct tree_node {
    static constexpr bool key_in_node = fits_word<K>;
    static constexpr bool boxed = !(fits_word<K> && fits_word<V>);

    /// Keys are numbers in their order: compared all at once, with no call.
    static constexpr bool direct = key_in_node && (std::is_integral_v<K> || std::is_enum_v<K>)&&(
                                                      std::is_same_v<Compare, std::less<>> ||
                                                      std::is_same_v<Compare, std::less<K>>);

    static constexpr bool users_order =
        !std::is_same_v<Compare, std::less<>> && !std::is_same_v<Compare, std::less<K>>;

    /// A key as a node holds it. Direct keys are words in the order of the keys, whatever their type: they are compared as such.
    static std::uint64_t word_of_key(const K& key) noexcept
        requires key_in_node
    {
        if constexpr (!direct)
            return to_word(key);
        else if constexpr (std::is_enum_v<K>)
            return ordered_word(static_cast<std::underlying_type_t<K>>(key));
        else
            return ordered_word(key);
    }
    static K key_of_word(std::uint64_t w) noexcept
        requires key_in_node
    {
        if constexpr (!direct)
            return from_word<K>(w);
        else if constexpr (std::is_enum_v<K>)
            return static_cast<K>(from_ordered_word<std::underlying_type_t<K>>(w));
        else
            return from_ordered_word<K>(w);
    }
    static constexpr std::uint64_t highest_word = ~std::uint64_t{0};

    struct small_row {
        const K& key() const noexcept { return k; }
        const V& value() const noexcept { return v; }
        K k;
        V v;
    };
    struct box {
        template <class Q, class W>
        box(Q&& key_, W&& value_) : k(std::forward<Q>(key_)), v(std::forward<W>(value_)) {}
        const K& key() const noexcept { return k; }
        const V& value() const noexcept { return v; }
        static void* operator new(std::size_t n) { return heirloom::detail::allocate_block(n); }
        static void operator delete(void* p, std::size_t n) noexcept {
            heirloom::detail::free_block(p, n);
        }
        const K k;
        const V v;
    };
    using row = std::conditional_t<boxed, box, small_row>;
    using held_row = std::conditional_t<boxed, std::unique_ptr<box>, small_row>;

    static held_row make(std::uint64_t, K key, V value) {
        if constexpr (boxed)
            return std::unique_ptr<box>(new box(std::move(key), std::move(value)));
        else
            return small_row{key, value};
    }

    static constexpr unsigned fan_out = 14;  // a node is four cache lines
    static constexpr unsigned max_depth = 24;

    template <class A, class B>
    static bool below(const A& a, const B& b) {
        return Compare()(a, b);
    }

    struct node {
        static node* make(bool is_leaf) {
            return ::new (heirloom::detail::allocate_block(sizeof(node))) node(is_leaf);
        }
        static void destroy(node* n) noexcept {
            // Separators of keys that do not fit a word are boxes of their own.
            if constexpr (!key_in_node)
                if (!n->leaf)
                    for (unsigned i = 0; i < n->size(); ++i)
                        delete reinterpret_cast<key_box*>(n->key_word(i));
            n->~node();
            heirloom::detail::free_block(n, sizeof(node));
        }
        explicit node(bool is_leaf) noexcept : leaf(is_leaf) {
            if constexpr (direct)  // nobody else sees it yet
                for (auto& k : keys) k.store(highest_word, std::memory_order_relaxed);
        }

        // acquire, throughout: see the file's head.
        unsigned size() const noexcept {
            return static_cast<unsigned>(count.load(std::memory_order_acquire));
        }
        std::uint64_t key_word(unsigned i) const noexcept {
            return keys[i].load(std::memory_order_acquire);
        }
        std::uint64_t value_word(unsigned i) const noexcept {
            return values[i].load(std::memory_order_acquire);
        }
        node* child(unsigned i) const noexcept { return reinterpret_cast<node*>(value_word(i)); }
        const box* box_at(unsigned i) const noexcept {
            return reinterpret_cast<const box*>(value_word(i));
        }
        decltype(auto) key_at(unsigned i) const noexcept {
            if constexpr (key_in_node)
                return key_of_word(key_word(i));
            else if (leaf)
                return static_cast<const K&>(reinterpret_cast<const box*>(key_word(i))->k);
            else
                return static_cast<const K&>(reinterpret_cast<const key_box*>(key_word(i))->k);
        }
        small_row row_at(unsigned i) const noexcept
            requires(!boxed)
        {
            return {key_of_word(key_word(i)), from_word<V>(value_word(i))};
        }
        /// How many separators are at or below `key`: the child that has it.
        template <class Q>
        [[gnu::always_inline]] unsigned children_up_to(const Q& key) const {
            if constexpr (direct)
                // A word behind the last key counts only if `key` is the highest of all.
                return std::min(size(), count_words(word_of_key(key),
                                                    [](auto word, auto k) { return word <= k; }));
            else
                return partition([&](const auto& k) { return !below(key, k); });
        }
        /// How many keys are below `key`.
        template <class Q>
        [[gnu::always_inline]] unsigned first_not_below(const Q& key) const {
            if constexpr (direct)
                return count_words(word_of_key(key), [](auto word, auto k) { return word < k; });
            else
                return partition([&](const auto& k) { return below(k, key); });
        }
        // Not by halves: each step would guess which way to go, and a wrong guess costs more than all of this.
        template <class P>
        [[gnu::always_inline]] unsigned count_words(std::uint64_t key, P&& in_front) const {
            std::uint64_t even = 0;
            std::uint64_t odd = 0;
#pragma GCC unroll 7
            for (unsigned i = 0; i < fan_out; i += 2) {
                even += in_front(key_word(i), key) ? 1 : 0;
                odd += in_front(key_word(i + 1), key) ? 1 : 0;
            }
            return static_cast<unsigned>(even + odd);
        }
        template <class P>
        unsigned partition(P&& in_front) const {
            unsigned low = 0;
            unsigned n = size();
            while (n > 0) {
                const unsigned half = n / 2;
                if (in_front(key_at(low + half))) {
                    low += half + 1;
                    n -= half + 1;
                } else {
                    n = half;
                }
            }
            return low;
        }

        // acquire; pairs with the release in close(): whoever sees the version sees the words.
        std::uint64_t stable_version() const noexcept {
            return version.load(std::memory_order_acquire);
        }
        bool changed(std::uint64_t before) const noexcept {
            return version.load(std::memory_order_relaxed) !=
                   before;  // kept behind by the acquire loads before it
        }
        void open() noexcept {
            // relaxed: the release stores that follow stay behind it.
            version.store(version.load(std::memory_order_relaxed) | 1, std::memory_order_relaxed);
        }
        void close() noexcept {
            version.store((version.load(std::memory_order_relaxed) | 1) + 1,
                          std::memory_order_release);
        }
        void set_key(unsigned i, std::uint64_t w) noexcept {
            keys[i].store(w, std::memory_order_release);
        }
        void set_value(unsigned i, std::uint64_t w) noexcept {
            values[i].store(w, std::memory_order_release);
        }
        void set_size(unsigned n) noexcept {
            // Behind the last key there are always words that no key is above.
            if constexpr (direct)
                for (unsigned i = n; i < size(); ++i) set_key(i, highest_word);
            count.store(n, std::memory_order_release);
        }
        void set_box(unsigned i, const box* b) noexcept {
            set_value(i, reinterpret_cast<std::uint64_t>(b));
            if constexpr (!key_in_node)
                set_key(i, reinterpret_cast<std::uint64_t>(b));
            else
                set_key(i, word_of_key(b->k));
        }
        void set_row(unsigned i, const small_row& r) noexcept
            requires(!boxed)
        {
            set_key(i, word_of_key(r.k));
            set_value(i, to_word(r.v));
        }
        void become_leaf() noexcept {
            leaf = true;
            set_size(0);
        }
        void drop_last() noexcept {
            const unsigned n = size() - 1;
            if constexpr (!key_in_node) delete reinterpret_cast<key_box*>(key_word(n));
            set_size(n);
        }

        std::atomic<std::uint64_t> version{0};
        std::atomic<std::uint32_t> count{0};
        bool leaf;                // constant while anyone reads it
        std::uint64_t draft = 0;  // the writer's: the draft that made it, if one did
        std::atomic<std::uint64_t> keys[fan_out] = {};
        std::atomic<std::uint64_t> values[fan_out + 1] = {};
    };
    struct key_box {
        explicit key_box(const K& key) : k(key) {}
        const K k;
    };
};

}  // namespace heirloom::ets::detail
