#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <heirloom/ets/detail/tree_rows.hpp>

// How an ordered_set is changed, by one writer at a time: nothing changes under it.
namespace heirloom::ets::detail {

template <class K, class V, class Compare>
class tree_rows<K, V, Compare>::place {
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
        // Of a key that cannot have another form only the value's word changes, by one store.
        if constexpr (!direct) leaf_->open();
        if constexpr (boxed) {
            dead_ = leaf_->box_at(at_);
            const box* fresh = next.release();
            if constexpr (direct)
                leaf_->set_value(at_, reinterpret_cast<std::uint64_t>(fresh));
            else
                leaf_->set_box(at_, fresh);
        } else {
            if constexpr (direct)
                leaf_->set_value(at_, to_word(next.v));
            else
                leaf_->set_row(at_, next);
        }
        if constexpr (!direct) leaf_->close();
    }
    void add(held_row next) {
        rows_.provide(path_.depth + 3);
        rows_.insert_at(path_, next);
        if constexpr (boxed) (void)next.release();
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
        [[maybe_unused]] const key_code_scope<users_order> inside;
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

template <class K, class V, class Compare>
void tree_rows<K, V, Compare>::insert_at(path& p, const held_row& fresh) {
    node* leaf = p.leaf;
    const unsigned at = p.at;
    std::uint64_t key;
    std::uint64_t value;
    if constexpr (boxed) {
        value = reinterpret_cast<std::uint64_t>(fresh.get());
        if constexpr (key_in_node)
            key = base::word_of_key(fresh->k);
        else
            key = value;
    } else {
        key = base::word_of_key(fresh.k);
        value = to_word(fresh.v);
    }
    if (leaf->size() < fan_out) {
        leaf->open();
        put(leaf, at, key, value, 0);
        leaf->close();
    } else {
        split_leaf(p, at, key, value);
    }
    if (p.in)
        ++p.in->new_rows;  // counted when the others may see them
    else
        rows_.store(rows_.load(std::memory_order_relaxed) + 1,
                    std::memory_order_relaxed);  // one writer
}

template <class K, class V, class Compare>
void tree_rows<K, V, Compare>::split_leaf(path& p, unsigned at, std::uint64_t key,
                                          std::uint64_t value) {
    node* left = p.leaf;
    // Keys that arrive in order fill leaves to the brim.
    const unsigned keep = at == fan_out ? fan_out : fan_out / 2 + 1;
    // The separator first: making it may throw, and nothing has changed yet.
    std::uint64_t separator_word;
    if constexpr (key_in_node) {
        separator_word = keep < fan_out ? left->key_word(keep) : key;
    } else {
        const K& first = keep < fan_out ? left->key_at(keep) : reinterpret_cast<const box*>(key)->k;
        separator_word = reinterpret_cast<std::uint64_t>(new key_box(first));
        if (p.in) p.in->separators.push_back(separator_word);
    }
    node* right = take_node(true, p.in);
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

template <class K, class V, class Compare>
void tree_rows<K, V, Compare>::add_child(path& p, std::uint64_t separator_word,
                                         node* right) noexcept {
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
        node* other = take_node(false, p.in);
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
    node* top = take_node(false, p.in);
    node* root = p.in ? p.in->root : root_.load(std::memory_order_relaxed);
    top->set_value(0, reinterpret_cast<std::uint64_t>(root));
    top->set_value(1, reinterpret_cast<std::uint64_t>(right));
    top->set_key(0, separator_word);
    top->set_size(1);
    if (p.in)
        p.in->root = top;
    else
        set_root(top);
    while (open_count > 0) opened[--open_count]->close();
}

template <class K, class V, class Compare>
void tree_rows<K, V, Compare>::erase_at(path& p, unsigned at) noexcept {
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

}  // namespace heirloom::ets::detail
