#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/core.hpp>
#include <heirloom/ets/detail/memory.hpp>
#include <heirloom/ets/detail/resting.hpp>
#include <heirloom/ets/detail/short_list.hpp>
#include <heirloom/ets/detail/tree_node.hpp>

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
//   I6  An insert of many rows changes copies of nodes, and shows them by one store of the root (tree_bulk.hpp).
//
// Orders are those of hash_rows.hpp: words are stored with release and loaded with acquire, which keeps them behind the
// odd version and before the check. Not chosen: locks on each node for writers. Ordered tables with many writers at once
// are rare, and one lock makes each of them cheaper; see DESIGN.md.
namespace heirloom::ets::detail {

template <class K, class V, class Compare>
class tree_rows final : public contents, private tree_node<K, V, Compare> {
    using base = tree_node<K, V, Compare>;
    using base::below;
    using base::fan_out;
    using base::max_depth;
    using base::users_order;
    using typename base::key_box;
    using typename base::node;
    struct draft;
    struct path {
        draft* in = nullptr;  // the draft that it leads through; none: the tree that all see
        std::array<std::pair<node*, unsigned>, max_depth> inner;
        unsigned depth = 0;
        node* leaf = nullptr;
        unsigned at = 0;
    };

public:
    using base::boxed;
    using base::direct;
    using base::key_in_node;
    using base::make;
    using typename base::box;
    using typename base::held_row;
    using typename base::row;
    using typename base::small_row;

    /// As in hash_rows.
    enum class sight : std::uint8_t { unclear, absent, present };
    static constexpr bool is_quick = direct && !boxed;
    static constexpr bool value_is_word = is_quick;

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
    // --- Reading ---

    template <class F>
    [[gnu::always_inline]] sight read_quickly(const K& key, std::uint64_t, F&& f) const
        requires is_quick
    {
        const node* n = root_.load(std::memory_order_acquire);  // as in go_down()
        std::uint64_t v = n->stable_version();
        if ((v & 1) || root_.load(std::memory_order_acquire) != n) [[unlikely]]
            return sight::unclear;
        while (!n->leaf) {
            const node* next = n->child(n->children_up_to(key));
            if (n->changed(v)) [[unlikely]]
                return sight::unclear;
            const std::uint64_t next_version = next->stable_version();
            if ((next_version & 1) || n->changed(v)) [[unlikely]]
                return sight::unclear;
            n = next;
            v = next_version;
        }
        const unsigned i = n->first_not_below(key);
        const bool there = i < n->size() && n->key_at(i) == key;
        // Within the node's array also for the one place beyond the last key.
        const V value = from_word<V>(n->value_word(i));
        if (n->changed(v)) [[unlikely]]
            return sight::unclear;
        if (!there) return sight::absent;
        f(value);
        return sight::present;
    }
    template <class Q, class F>
    bool read(const Q& key, F&& f) const {
        [[maybe_unused]] const key_code_scope<users_order> inside;
        for (unsigned round = 0;; ++round) {
            if (round) pause_in_spin(round);
            descent d;
            if (!go_down(d, [&](const node* n) { return n->children_up_to(key); })) continue;
            const unsigned i = d.leaf->first_not_below(key);
            if (i >= d.leaf->size() || below(key, d.leaf->key_at(i))) {
                if (d.leaf->changed(d.version)) continue;
                return false;
            }
            if constexpr (boxed) {
                const box* b = d.leaf->box_at(i);
                if (d.leaf->changed(d.version)) continue;
                f(b->v);
            } else {
                const V value = from_word<V>(d.leaf->value_word(i));
                if (d.leaf->changed(d.version)) continue;
                f(value);
            }
            return true;
        }
    }

    // --- Traversal ---

    /// A row seen, its box the caller's until its verb ends.
    struct seen {
        seen() noexcept {}  // NOLINT: keys and values may have no default
        union {
            std::conditional_t<boxed, const box*, small_row> held;
        };
        const row& get() const noexcept {
            if constexpr (boxed)
                return *held;
            else
                return held;
        }
    };
    using seen_rows = short_list<seen, base::fan_out>;
    /// The leaf that was met last, for as long as nothing about it changes: its neighbour is found without going down again.
    /// Good within one verb.
    struct leaf_found {
        const node* parent = nullptr;
        std::uint64_t version = 0;
        unsigned index = 0;
    };
    /// Rows in order, at least one if there is one: up, those of one leaf after `*from` (from the beginning if null), or
    /// with `inclusive` at or after it; else those before it, in descending order. `limit` of them at most. False if there is none.
    bool gather(const K* from, bool inclusive, bool up, seen_rows& out, leaf_found& last,
                unsigned limit = base::fan_out) const;

    // --- Writing ---

    /// As hash_rows::change_word: one store, which a reader sees or does not.
    template <class F>
        requires value_is_word
    [[gnu::always_inline]] bool change_word(const K& key, std::uint64_t, bool shared,
                                            F&& f) noexcept {
        // acquire; pairs with unlock(). Held by somebody: it stays as it is, and the long way waits.
        if (shared && writer_.exchange(1, std::memory_order_acquire) != 0) [[unlikely]]
            return false;
        node* n = root_.load(std::memory_order_relaxed);
        while (!n->leaf) n = n->child(n->children_up_to(key));
        const unsigned i = n->first_not_below(key);
        const bool there = i < n->size() && n->key_at(i) == key;
        if (there) {
            V value = from_word<V>(n->value_word(i));
            if (f(value)) n->set_value(i, to_word(value));
        }
        if (shared) unlock();
        return there;
    }
    /// As hash_rows::place: one key's place, with the tree locked (shared) or this the only writer.
    class place;
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
    /// Rests. Asks the user's order about every row, before the table is touched.
    static void arrange(std::vector<ready>& rows) {
        sort_resting(rows, [](const ready& a, const ready& b) {
            [[maybe_unused]] const key_code_scope<users_order> inside;
            return below(a.get().key(), b.get().key());
        });
    }
    bool provide_for(std::size_t, bool) noexcept { return true; }
    /// As in hash_rows; see tree_bulk.hpp.
    class bulk_insert;

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
        leaf_found at;
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
            d.at = {n, v, i};
            n = next;
            v = next_version;
        }
        d.leaf = n;
        d.version = v;
        return true;
    }
    static decltype(auto) separator(const std::uint64_t& word) noexcept {
        if constexpr (key_in_node)
            return base::key_of_word(word);
        else
            return static_cast<const K&>(reinterpret_cast<const key_box*>(word)->k);
    }

    /// The rows of the leaf beside `last`, all of them. False if that cannot be told without going down.
    bool gather_beside(bool up, seen_rows& out, leaf_found& last) const;
    /// Rows [begin, end) of a leaf; they count if its version is still the same afterwards.
    static void copy_rows(const node* leaf, unsigned begin, unsigned end, bool up, seen_rows& out) {
        out.clear();
        for (unsigned n = begin; n < end; ++n) {
            const unsigned i = up ? n : begin + end - 1 - n;
            if constexpr (boxed)
                out.add().held = leaf->box_at(i);
            else
                std::construct_at(&out.add().held, leaf->row_at(i));
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
    [[gnu::noinline]] void lock() noexcept {
        for (unsigned round = 0;
             writer_.exchange(1, std::memory_order_acquire) != 0;) {  // pairs with unlock()
            while (writer_.load(std::memory_order_relaxed) != 0) pause_in_spin(++round);
        }
    }
    void unlock() noexcept {
        ++changes_;
        unlock_unchanged();
    }
    /// Nothing that all see has been changed.
    void unlock_unchanged() noexcept { writer_.store(0, std::memory_order_release); }
    void set_root(node* n) noexcept {
        root_.store(n, std::memory_order_release);
    }  // pairs with go_down()
    void discard(const box* b) noexcept {
        heirloom::detail::retire_often(const_cast<box*>(b),
                                       [](void* p) noexcept { delete static_cast<box*>(p); });
    }
    /// A statistic, of one writer.
    void count_nodes(std::size_t come, std::size_t go) noexcept {
        nodes_.store(nodes_.load(std::memory_order_relaxed) + come - go, std::memory_order_relaxed);
    }
    void discard(node* n) noexcept {
        count_nodes(0, 1);
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
    /// A tree in the making: it shares with the one that all see what it does not change.
    struct draft {
        node* root = nullptr;
        std::uint64_t number = 0;
        std::size_t new_rows = 0;
        std::vector<node*> made;                // its own nodes; has room for what one row may take
        std::vector<std::uint64_t> separators;  // and separators, as above
    };
    class remains;
    node* take_node(bool leaf, draft* in) noexcept {
        node* n = reserve_;
        reserve_ = n->child(0);
        --reserved_;
        n->leaf = leaf;
        n->set_value(0, 0);
        if (in) {
            n->draft = in->number;
            in->made.push_back(n);  // counted when the others may see it
        } else {
            count_nodes(1, 0);
        }
        return n;
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

    /// Puts the row where `p` leads; it is the leaf's from then on. May throw, with nothing changed. Requires: nodes are provided.
    void insert_at(path& p, const held_row& fresh);
    void split_leaf(path& p, unsigned at, std::uint64_t key, std::uint64_t value);
    /// Enters `right`, the new right neighbour of the node that `p` ends in.
    void add_child(path& p, std::uint64_t separator_word, node* right) noexcept;
    void erase_at(path& p, unsigned at) noexcept;
    /// An empty leaf without allocating: erase never fails. One node is kept for this.
    node* spare_root() noexcept {
        if (reserved_ == 0) {
            try {
                provide(1);
            } catch (...) {
                std::terminate();  // cannot be: insert_at leaves at least one node in reserve
            }
        }
        node* n = take_node(true, nullptr);
        n->set_size(0);
        return n;
    }

    std::atomic<node*> root_;
    alignas(64) std::atomic<std::uint32_t> writer_{0};
    std::atomic<std::size_t> rows_{0};
    std::atomic<std::size_t> nodes_{1};
    node* reserve_ = nullptr;  // linked by their first value
    std::size_t reserved_ = 0;
    std::uint64_t drafts_ = 0;
    // By whoever holds the lock: never what it was, nor what it was of another tree that lay in the same memory.
    std::uint64_t changes_ = next_tree.fetch_add(1, std::memory_order_relaxed) << 40;
    static inline std::atomic<std::uint64_t> next_tree{1};
};

}  // namespace heirloom::ets::detail

// The parts of tree_rows that have a file of their own.
#include <heirloom/ets/detail/tree_bulk.hpp>    // bulk_insert
#include <heirloom/ets/detail/tree_change.hpp>  // place and all that a writer does
#include <heirloom/ets/detail/tree_walk.hpp>    // gather
