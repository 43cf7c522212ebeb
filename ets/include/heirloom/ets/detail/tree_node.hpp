#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
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

template <class K, class V, class Compare>
struct tree_node {
    static constexpr bool key_in_node = fits_word<K>;
    static constexpr bool boxed = !(fits_word<K> && fits_word<V>);

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
        explicit node(bool is_leaf) noexcept : leaf(is_leaf) {}

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
                return from_word<K>(key_word(i));
            else if (leaf)
                return static_cast<const K&>(reinterpret_cast<const box*>(key_word(i))->k);
            else
                return static_cast<const K&>(reinterpret_cast<const key_box*>(key_word(i))->k);
        }
        small_row row_at(unsigned i) const noexcept
            requires(!boxed)
        {
            return {from_word<K>(key_word(i)), from_word<V>(value_word(i))};
        }
        /// How many separators are at or below `key`: the child that has it.
        template <class Q>
        unsigned children_up_to(const Q& key) const {
            return partition([&](const auto& k) { return !below(key, k); });
        }
        /// How many keys are below `key`.
        template <class Q>
        unsigned first_not_below(const Q& key) const {
            return partition([&](const auto& k) { return below(k, key); });
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
        void set_size(unsigned n) noexcept { count.store(n, std::memory_order_release); }
        void set_box(unsigned i, const box* b) noexcept {
            set_value(i, reinterpret_cast<std::uint64_t>(b));
            if constexpr (!key_in_node)
                set_key(i, reinterpret_cast<std::uint64_t>(b));
            else
                set_key(i, to_word(b->k));
        }
        void set_row(unsigned i, const small_row& r) noexcept
            requires(!boxed)
        {
            set_key(i, to_word(r.k));
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
        bool leaf;  // constant while anyone reads it
        std::atomic<std::uint64_t> keys[fan_out] = {};
        std::atomic<std::uint64_t> values[fan_out + 1] = {};
    };
    struct key_box {
        explicit key_box(const K& key) : k(key) {}
        const K k;
    };
};

}  // namespace heirloom::ets::detail
