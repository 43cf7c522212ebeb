#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/detail/activity.hpp>
#include <heirloom/ets/detail/core.hpp>
#include <heirloom/ets/detail/memory.hpp>

// The rows of an ordered_set: a B+ tree that is read without locks and written by one writer at a time (the owner alone, or
// whoever holds the tree's lock when strangers may write).
//
//   I1  Every word of a node is read and written whole: a key of up to 8 bytes in place, or a pointer to an immutable box.
//       Nodes and boxes are freed only after a grace period. So whatever a reader sees can be followed.
//   I2  A node changes only while its version is odd; what a reader concludes from a node counts if the version is the
//       same before and after. A node that has left the tree stays odd for ever.
//   I3  Going down, a reader looks at the parent's version again after it has read the child's: the child was the
//       right one at a moment when its version was that.
//   I4  Child i of an inner node has the keys k with key[i-1] <= k < key[i].
//   I5  A leaf may be nearly empty; an empty one is taken out, with every inner node that has no child left.
//
// Orders are those of hash_rows.hpp: words are stored with release and loaded with acquire, which keeps them behind the
// odd version and before the check. Not chosen: locks on each node for writers. Ordered tables with many writers at once
// are rare, and one lock makes each of them cheaper; see DESIGN.md.
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
class tree_rows final : public contents {
public:
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

private:
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

    struct path {
        std::array<std::pair<node*, unsigned>, max_depth> inner;
        unsigned depth = 0;
        node* leaf = nullptr;
        unsigned at = 0;
    };

public:
    explicit tree_rows(std::uint64_t) : root_(node::make(true)) {}
    ~tree_rows() override {
        while (!shred(std::numeric_limits<std::size_t>::max())) {
        }
        while (reserve_) {
            node* n = reserve_;
            reserve_ = n->child(0);
            node::destroy(n);
        }
    }

    template <class Q>
    static std::uint64_t hash_of(const Q&) noexcept {
        return 0;
    }
    static held_row make(std::uint64_t, K key, V value) {
        if constexpr (boxed)
            return std::unique_ptr<box>(new box(std::move(key), std::move(value)));
        else
            return small_row{key, value};
    }

    // --- Reading ---

    template <class Q, class F>
    bool read(const Q& key, F&& f) const {
        for (unsigned round = 0;; ++round) {
            if (round) pause_in_spin(round);
            const auto bulk = bulk_.load(
                std::memory_order_acquire);  // pairs with the release that ended a bulk write
            if (bulk & 1) continue;
            descent d;
            if (!go_down(d, [&](const node* n) { return n->children_up_to(key); })) continue;
            const unsigned i = d.leaf->first_not_below(key);
            if (i == d.leaf->size() || below(key, d.leaf->key_at(i))) {
                if (d.leaf->changed(d.version) || bulk_.load(std::memory_order_relaxed) != bulk)
                    continue;
                return false;
            }
            if constexpr (boxed) {
                const box* b = d.leaf->box_at(i);
                if (d.leaf->changed(d.version) || bulk_.load(std::memory_order_relaxed) != bulk)
                    continue;
                f(b->v);
            } else {
                const V value = from_word<V>(d.leaf->value_word(i));
                if (d.leaf->changed(d.version) || bulk_.load(std::memory_order_relaxed) != bulk)
                    continue;
                f(value);
            }
            return true;
        }
    }

    // --- Traversal ---

    /// A row seen, its box the caller's until its verb ends.
    struct seen {
        std::conditional_t<boxed, const box*, small_row> held;
        const row& get() const noexcept {
            if constexpr (boxed)
                return *held;
            else
                return held;
        }
    };
    /// Appends rows in order, at least one if there is one: those of one leaf after `*from` (from the beginning if null), or
    /// with `inclusive` at or after it. False if there is none.
    bool gather_up(const K* from, bool inclusive, std::vector<seen>& out) const {
        return gather(from, inclusive, true, out);
    }
    /// The same before `*from`, in descending order.
    bool gather_down(const K* from, std::vector<seen>& out) const {
        return gather(from, false, false, out);
    }

    // --- Writing ---

    /// As hash_rows::place: one key's place, with the tree locked (shared) or this the only writer.
    class place {
    public:
        template <class Q>
        place(tree_rows& rows, const Q& key, std::uint64_t, bool shared)
            : rows_(rows), shared_(shared) {
            if (shared) rows_.lock();
            locked_ = shared;
            struct unlock_on_throw {
                place* p;
                ~unlock_on_throw() {
                    if (p) p->unlock();
                }
            } guard{this};
            find(key);
            guard.p = nullptr;
        }
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place() {
            unlock();
            if constexpr (boxed) {
                if (dead_) rows_.discard(dead_);
            }
        }
        bool found() const noexcept { return found_; }
        const row& current() noexcept {
            if constexpr (boxed) {
                return *leaf_->box_at(at_);
            } else {
                copy_.emplace(leaf_->row_at(at_));
                return *copy_;
            }
        }
        void replace(held_row next) noexcept {
            if constexpr (boxed) {
                dead_ = leaf_->box_at(at_);
                leaf_->open();
                leaf_->set_box(at_, next.release());
                leaf_->close();
            } else {
                leaf_->open();
                leaf_->set_row(at_, next);
                leaf_->close();
            }
        }
        void add(held_row next) {
            rows_.provide(path_.depth + 3);
            rows_.insert_at(path_, std::move(next));
        }
        void erase() noexcept {
            if constexpr (boxed) dead_ = leaf_->box_at(at_);
            rows_.erase_at(path_, at_);
        }
        bool spilled() const noexcept { return false; }
        void unlock() noexcept {
            if (!std::exchange(locked_, false)) return;
            rows_.unlock();
        }

    private:
        template <class Q>
        void find(const Q& key) {
            rows_.path_to(key, path_);
            leaf_ = path_.leaf;
            at_ = leaf_->first_not_below(key);
            path_.at = at_;
            found_ = at_ < leaf_->size() && !tree_rows::below(key, leaf_->key_at(at_));
        }
        tree_rows& rows_;
        path path_;
        node* leaf_ = nullptr;
        unsigned at_ = 0;
        bool found_ = false;
        bool shared_;
        bool locked_ = false;
        struct nothing {};
        [[no_unique_address]] std::conditional_t<boxed, const box*, nothing> dead_{};
        [[no_unique_address]] std::conditional_t<boxed, nothing, std::optional<small_row>> copy_{};
    };

    void added(bool, std::uint64_t, bool) noexcept {}  // counted where it is done
    void erased(bool, std::uint64_t) noexcept {}

    struct ready {
        held_row held;
        const row& get() const noexcept {
            if constexpr (boxed)
                return *held;
            else
                return held;
        }
    };
    static ready make_ready(std::uint64_t, const K& key, const V& value) {
        return {make(0, key, value)};
    }
    /// Inserts all rows at one moment: readers wait while it lasts.
    bool insert_many(std::vector<ready>& rows, bool only_new, bool shared, std::uint64_t) {
        if (shared) lock();
        struct unlock_at_end {
            tree_rows* rows;
            ~unlock_at_end() {
                if (rows) rows->unlock();
            }
        } guard{shared ? this : nullptr};
        // What may throw comes first: the order, which asks the user's comparison about every row, and memory.
        std::stable_sort(rows.begin(), rows.end(), [](const ready& a, const ready& b) {
            return below(a.get().key(), b.get().key());
        });
        if (only_new)
            for (const auto& r : rows)
                if (read(r.get().key(), [](const V&) {})) return false;
        provide(nodes_for(rows));
        std::vector<const box*> dead;
        if constexpr (boxed) dead.reserve(rows.size());
        const auto bulk = bulk_.load(std::memory_order_relaxed);  // one writer
        bulk_.store(bulk + 1,
                    std::memory_order_relaxed);  // kept before the rows by their release stores
        for (auto& r : rows) {
            path p;
            path_to(r.get().key(), p);
            p.at = p.leaf->first_not_below(r.get().key());
            if (p.at < p.leaf->size() && !below(r.get().key(), p.leaf->key_at(p.at))) {
                p.leaf->open();
                if constexpr (boxed) {
                    dead.push_back(p.leaf->box_at(p.at));
                    p.leaf->set_box(p.at, r.held.release());
                } else {
                    p.leaf->set_row(p.at, r.held);
                }
                p.leaf->close();
            } else {
                insert_at(p, std::move(r.held));
            }
        }
        rows_.store(rows_.load(std::memory_order_relaxed) + std::exchange(bulk_rows_, 0),
                    std::memory_order_relaxed);
        bulk_.store(bulk + 2, std::memory_order_release);  // pairs with the acquire in read()
        for (const box* b : dead) discard(b);
        return true;
    }

    // --- The whole table ---

    std::size_t size() const noexcept override {
        return rows_.load(std::memory_order_relaxed);
    }  // a number
    std::size_t memory() const noexcept override {
        return sizeof(*this) + nodes_.load(std::memory_order_relaxed) * sizeof(node) +
               (boxed ? size() * sizeof(box) : 0);
    }
    void prepare_sharing() override {}
    bool shred(std::size_t budget) noexcept override {
        // Nobody else is left. Takes the leftmost leaf off until the root is gone.
        while (node* n = root_.load(std::memory_order_relaxed)) {
            node* parent = nullptr;
            while (!n->leaf) {
                parent = n;
                n = n->child(n->size());  // the last: cheap to take off
            }
            if constexpr (boxed)
                for (unsigned i = 0; i < n->size(); ++i) delete n->box_at(i);
            const std::size_t here = n->size() + 1;
            node::destroy(n);
            if (!parent)
                root_.store(nullptr, std::memory_order_relaxed);
            else if (parent->size() == 0)
                parent->become_leaf();
            else
                parent->drop_last();
            if (budget <= here) return root_.load(std::memory_order_relaxed) == nullptr;
            budget -= here;
        }
        return true;
    }

private:
    struct descent {
        const node* leaf = nullptr;
        std::uint64_t version = 0;
        // The separators next to the way down: where the neighbouring leaf begins, and where this one does. Words, as
        // in a node; a box is the caller's until its verb ends.
        std::uint64_t right = 0;
        std::uint64_t left = 0;
        bool has_right = false;
        bool has_left = false;
    };
    /// Goes down from the root as `choose(node)` says. False if something changed on the way.
    template <class F>
    bool go_down(descent& d, F&& choose) const {
        const node* n =
            root_.load(std::memory_order_acquire);  // pairs with the release in set_root()
        std::uint64_t v = n->stable_version();
        if ((v & 1) || root_.load(std::memory_order_acquire) != n) return false;
        while (!n->leaf) {
            const unsigned i = choose(n);
            const unsigned size = n->size();
            if (i > size) return false;  // it shrank meanwhile
            if (i < size) {
                d.right = n->key_word(i);
                d.has_right = true;
            }
            if (i > 0) {
                d.left = n->key_word(i - 1);
                d.has_left = true;
            }
            const node* next = n->child(i);
            if (n->changed(v)) return false;
            const std::uint64_t next_version = next->stable_version();
            if ((next_version & 1) || n->changed(v)) return false;
            n = next;
            v = next_version;
        }
        d.leaf = n;
        d.version = v;
        return true;
    }
    static decltype(auto) separator(const std::uint64_t& word) noexcept {
        if constexpr (key_in_node)
            return from_word<K>(word);
        else
            return static_cast<const K&>(reinterpret_cast<const key_box*>(word)->k);
    }

    bool gather(const K* from, bool inclusive, bool up, std::vector<seen>& out) const {
        // The bound moves from leaf to leaf by separators; at_word holds the one in use.
        std::uint64_t at_word = 0;
        bool at_separator = false;
        for (unsigned round = 0;; ++round) {
            if (round > 8) pause_in_spin(round);
            const auto bulk = bulk_.load(std::memory_order_acquire);  // as in read()
            if (bulk & 1) continue;
            const auto step = [&](const auto* bound) -> int {  // 1: rows, 0: none here, -1: again
                descent d;
                const bool down_ok = go_down(d, [&](const node* n) {
                    if (!bound) return up ? 0u : n->size();
                    return up ? n->children_up_to(*bound) : n->first_not_below(*bound);
                });
                if (!down_ok) return -1;
                const unsigned size = d.leaf->size();
                unsigned begin = 0;
                unsigned end = size;
                if (bound && up) {
                    begin = inclusive || at_separator ? d.leaf->first_not_below(*bound)
                                                      : d.leaf->children_up_to(*bound);
                } else if (bound) {
                    end = std::min(size, d.leaf->first_not_below(*bound));
                }
                const std::size_t kept = out.size();
                for (unsigned i = begin; i < end; ++i) {
                    if constexpr (boxed)
                        out.push_back({d.leaf->box_at(i)});
                    else
                        out.push_back({d.leaf->row_at(i)});
                }
                if (d.leaf->changed(d.version) || bulk_.load(std::memory_order_relaxed) != bulk) {
                    out.erase(out.begin() + static_cast<std::ptrdiff_t>(kept), out.end());
                    return -1;
                }
                if (out.size() > kept) {
                    if (!up)
                        std::reverse(out.begin() + static_cast<std::ptrdiff_t>(kept), out.end());
                    return 1;
                }
                if (up ? !d.has_right : !d.has_left) return 2;
                at_word = up ? d.right : d.left;
                return 0;
            };
            int outcome;
            if (at_separator) {
                const auto& bound = separator(at_word);
                outcome = step(&bound);
            } else {
                outcome = step(from);
            }
            if (outcome == 1) return true;
            if (outcome == 2) return false;
            if (outcome == 0) at_separator = true;
        }
    }

    // --- The one writer's side: nothing changes under it. ---

    template <class Q>
    void path_to(const Q& key, path& p) {
        p.depth = 0;
        node* n = root_.load(std::memory_order_relaxed);
        while (!n->leaf) {
            const unsigned i = n->children_up_to(key);
            p.inner[p.depth++] = {n, i};
            n = n->child(i);
        }
        p.leaf = n;
    }
    void lock() noexcept {
        for (unsigned round = 0;
             writer_.exchange(1, std::memory_order_acquire) != 0;) {  // pairs with unlock()
            while (writer_.load(std::memory_order_relaxed) != 0) pause_in_spin(++round);
        }
    }
    void unlock() noexcept { writer_.store(0, std::memory_order_release); }
    void set_root(node* n) noexcept {
        root_.store(n, std::memory_order_release);
    }  // pairs with go_down()
    void discard(const box* b) noexcept {
        heirloom::detail::retire(const_cast<box*>(b),
                                 [](void* p) noexcept { delete static_cast<box*>(p); });
    }
    void discard(node* n) noexcept {
        nodes_.store(nodes_.load(std::memory_order_relaxed) - 1,
                     std::memory_order_relaxed);  // a statistic
        heirloom::detail::retire(n, [](void* p) noexcept { node::destroy(static_cast<node*>(p)); });
    }
    void discard_key(std::uint64_t word) noexcept {
        if constexpr (!key_in_node)
            heirloom::detail::retire(reinterpret_cast<void*>(word),
                                     [](void* p) noexcept { delete static_cast<key_box*>(p); });
    }
    /// Sets `n` nodes aside, so that a change that has begun cannot fail. May throw bad_alloc.
    void provide(std::size_t n) {
        while (reserved_ < n) {
            node* fresh = node::make(true);
            fresh->set_value(0, reinterpret_cast<std::uint64_t>(reserve_));
            reserve_ = fresh;
            ++reserved_;
        }
    }
    /// How many nodes inserting all of `sorted` can take.
    std::size_t nodes_for(const std::vector<ready>& sorted) {
        std::size_t leaves = 0;
        std::size_t here = 0;
        const node* last = nullptr;
        const auto count_last = [&] {
            if (last && last->size() + here > fan_out)
                leaves += (last->size() + here) / (fan_out / 2) + 1;
        };
        path p;
        for (const auto& r : sorted) {
            path_to(r.get().key(), p);
            if (p.leaf != last) {
                count_last();
                last = p.leaf;
                here = 0;
            }
            ++here;
        }
        count_last();
        return leaves + leaves / (fan_out / 2) + 2 * max_depth;
    }
    node* take_node(bool leaf) noexcept {
        node* n = reserve_;
        reserve_ = n->child(0);
        --reserved_;
        n->leaf = leaf;
        n->set_value(0, 0);
        nodes_.store(nodes_.load(std::memory_order_relaxed) + 1,
                     std::memory_order_relaxed);  // a statistic
        return n;
    }
    /// The word of a separator equal to the first key of `leaf`.
    std::uint64_t separator_before(const node* leaf) {
        if constexpr (key_in_node)
            return leaf->key_word(0);
        else
            return reinterpret_cast<std::uint64_t>(new key_box(leaf->key_at(0)));
    }

    static void put(node* n, unsigned at, std::uint64_t key, std::uint64_t value,
                    unsigned value_shift) noexcept {
        // Requires: room. An inner node's new child is to the right of the new key.
        for (unsigned i = n->size(); i > at; --i) {
            n->set_key(i, n->key_word(i - 1));
            n->set_value(i + value_shift, n->value_word(i - 1 + value_shift));
        }
        n->set_key(at, key);
        n->set_value(at + value_shift, value);
        n->set_size(n->size() + 1);
    }

    void insert_at(path& p, held_row fresh) {
        node* leaf = p.leaf;
        unsigned at = p.at;
        std::uint64_t key;
        std::uint64_t value;
        if constexpr (boxed) {
            value = reinterpret_cast<std::uint64_t>(fresh.get());
            key = key_in_node ? word_of_key(fresh->k) : value;
        } else {
            key = to_word(fresh.k);
            value = to_word(fresh.v);
        }
        if (leaf->size() < fan_out) {
            leaf->open();
            put(leaf, at, key, value, 0);
            leaf->close();
        } else {
            split_leaf(p, at, key, value);
        }
        if constexpr (boxed) fresh.release();  // NOLINT: the leaf's now
        if (bulk_.load(std::memory_order_relaxed) & 1)
            ++bulk_rows_;  // counted when the others may see them
        else
            rows_.store(rows_.load(std::memory_order_relaxed) + 1,
                        std::memory_order_relaxed);  // one writer
    }
    static std::uint64_t word_of_key(const K& key) noexcept {
        if constexpr (key_in_node)
            return to_word(key);
        else
            return 0;
    }

    void split_leaf(path& p, unsigned at, std::uint64_t key, std::uint64_t value) {
        node* left = p.leaf;
        // Keys that arrive in order fill leaves to the brim.
        const unsigned keep = at == fan_out ? fan_out : fan_out / 2 + 1;
        // The separator first: making it may throw, and nothing has changed yet.
        std::uint64_t separator_word;
        if constexpr (key_in_node) {
            separator_word = keep < fan_out ? left->key_word(keep) : key;
        } else {
            const K& first =
                keep < fan_out ? left->key_at(keep) : reinterpret_cast<const box*>(key)->k;
            separator_word = reinterpret_cast<std::uint64_t>(new key_box(first));
        }
        node* right = take_node(true);
        for (unsigned i = keep; i < fan_out; ++i) {
            right->set_key(i - keep, left->key_word(i));
            right->set_value(i - keep, left->value_word(i));
        }
        right->set_size(fan_out - keep);
        const bool goes_left = at < keep || (at == keep && keep < fan_out);
        if (!goes_left) put(right, at - keep, key, value, 0);
        // The old leaf is closed only when the new one can be reached: a reader who finds nothing in it looks again.
        left->open();
        left->set_size(keep);
        if (goes_left) put(left, at, key, value, 0);
        add_child(p, separator_word, right);
        left->close();
    }

    /// Enters `right`, the new right neighbour of the node that `p` ends in.
    void add_child(path& p, std::uint64_t separator_word, node* right) noexcept {
        std::array<node*, max_depth> opened;
        unsigned open_count = 0;
        while (p.depth > 0) {
            auto [parent, i] = p.inner[--p.depth];
            parent->open();
            if (parent->size() < fan_out) {
                put(parent, i, separator_word, reinterpret_cast<std::uint64_t>(right), 1);
                parent->close();
                while (open_count > 0) opened[--open_count]->close();
                return;
            }
            opened[open_count++] = parent;
            // 14 keys and a new one: 7 stay, one goes up, 7 move.
            node* other = take_node(false);
            std::array<std::uint64_t, fan_out + 1> keys;
            std::array<std::uint64_t, fan_out + 2> children;
            for (unsigned k = 0; k < fan_out; ++k) keys[k < i ? k : k + 1] = parent->key_word(k);
            keys[i] = separator_word;
            for (unsigned k = 0; k <= fan_out; ++k)
                children[k <= i ? k : k + 1] = parent->value_word(k);
            children[i + 1] = reinterpret_cast<std::uint64_t>(right);
            constexpr unsigned stay = (fan_out + 1) / 2;
            for (unsigned k = stay + 1; k <= fan_out; ++k) other->set_key(k - stay - 1, keys[k]);
            for (unsigned k = stay + 1; k <= fan_out + 1; ++k)
                other->set_value(k - stay - 1, children[k]);
            other->set_size(fan_out - stay);
            for (unsigned k = 0; k < stay; ++k) parent->set_key(k, keys[k]);
            for (unsigned k = 0; k <= stay; ++k) parent->set_value(k, children[k]);
            parent->set_size(stay);
            separator_word = keys[stay];
            right = other;
        }
        node* top = take_node(false);
        top->set_value(0, reinterpret_cast<std::uint64_t>(root_.load(std::memory_order_relaxed)));
        top->set_value(1, reinterpret_cast<std::uint64_t>(right));
        top->set_key(0, separator_word);
        top->set_size(1);
        set_root(top);
        while (open_count > 0) opened[--open_count]->close();
    }

    void erase_at(path& p, unsigned at) noexcept {
        node* leaf = p.leaf;
        rows_.store(rows_.load(std::memory_order_relaxed) - 1,
                    std::memory_order_relaxed);  // one writer
        leaf->open();
        const unsigned n = leaf->size() - 1;
        for (unsigned i = at; i < n; ++i) {
            leaf->set_key(i, leaf->key_word(i + 1));
            leaf->set_value(i, leaf->value_word(i + 1));
        }
        leaf->set_size(n);
        if (n > 0 || p.depth == 0) return leaf->close();
        // Empty: it leaves the tree, and stays open for ever, so that who still stands in it looks again. So does each
        // parent whose only child it was.
        node* gone = leaf;
        while (p.depth > 0) {
            auto [parent, i] = p.inner[--p.depth];
            parent->open();
            discard(gone);
            if (parent->size() == 0) {
                gone = parent;
                if (p.depth > 0) continue;
                // The whole tree is empty: an empty leaf is its root.
                set_root(spare_root());
                discard(gone);
                return;
            }
            const unsigned k = i > 0 ? i - 1 : 0;
            const std::uint64_t separator_word = parent->key_word(k);
            const unsigned size = parent->size();
            for (unsigned j = k; j + 1 < size; ++j) parent->set_key(j, parent->key_word(j + 1));
            for (unsigned j = i; j < size; ++j) parent->set_value(j, parent->value_word(j + 1));
            parent->set_size(size - 1);
            parent->close();
            discard_key(separator_word);
            break;
        }
        // A root with one child is one level too many.
        node* root = root_.load(std::memory_order_relaxed);
        while (!root->leaf && root->size() == 0) {
            node* child = root->child(0);
            root->open();
            set_root(child);
            discard(root);
            root = child;
        }
    }
    /// An empty leaf without allocating: erase never fails. One node is kept for this.
    node* spare_root() noexcept {
        if (reserved_ == 0) {
            try {
                provide(1);
            } catch (...) {
                std::terminate();  // cannot be: insert_at leaves at least one node in reserve
            }
        }
        node* n = take_node(true);
        n->set_size(0);
        return n;
    }

    std::atomic<node*> root_;
    std::atomic<std::uint64_t> bulk_{0};  // odd while a bulk write lasts
    alignas(64) std::atomic<std::uint32_t> writer_{0};
    std::atomic<std::size_t> rows_{0};
    std::atomic<std::size_t> nodes_{1};
    node* reserve_ = nullptr;  // linked by their first value
    std::size_t bulk_rows_ = 0;
    std::size_t reserved_ = 0;
};

}  // namespace heirloom::ets::detail
