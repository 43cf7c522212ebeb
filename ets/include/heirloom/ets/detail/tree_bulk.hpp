#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/tree_rows.hpp>

// Many rows of an ordered_set at one moment: readers wait while `bulk_` is odd, and a count that has changed tells them
// that what they read meanwhile does not count. So a tree that is put back before `bulk_` is even has never changed.
namespace heirloom::ets::detail {

/// What a bulk insert has changed. Its order is asked, and keys are copied, while the tree is in the middle of the change: whatever
/// throws there, the tree is made what it was. Nodes, separators and rows that readers may have met are retired.
template <class K, class V, class Compare>
class tree_rows<K, V, Compare>::bulk_undo {
public:
    /// For `n` rows. Requires: all nodes they can take are provided.
    bulk_undo(tree_rows& rows, std::size_t n)
        : rows_(rows), root_(rows.root_.load(std::memory_order_relaxed)) {
        reserve_.reserve(rows.reserved_);
        for (node* r = rows.reserve_; reserve_.size() < rows.reserved_; r = r->child(0))
            reserve_.push_back(r);
        if constexpr (!key_in_node) separators_.reserve(reserve_.size());
        if constexpr (boxed) boxes_.reserve(n);
    }
    bulk_undo(const bulk_undo&) = delete;
    bulk_undo& operator=(const bulk_undo&) = delete;
    ~bulk_undo() { forget_images(); }

    /// Before the leaf of `p` is changed, and what is above it as far as a full leaf goes. May throw, with nothing changed.
    void save(const path& p) {
        save(p.leaf);
        bool full = p.leaf->size() == fan_out;
        for (unsigned d = p.depth; full && d > 0; --d) {
            node* n = p.inner[d - 1].first;
            save(n);
            full = n->size() == fan_out;
        }
    }
    void made_separator(std::uint64_t word) noexcept { separators_.push_back(word); }
    void made_box(const box* b) noexcept { boxes_.push_back(b); }

    /// Requires: bulk_ is odd.
    void roll_back() noexcept {
        for (auto i = images_.rbegin(); i != images_.rend(); ++i) i->restore();
        forget_images();
        rows_.set_root(root_);
        // Nodes were taken from the front. They stay open for ever, and own no separators.
        for (std::size_t i = 0, taken = reserve_.size() - rows_.reserved_; i < taken; ++i) {
            reserve_[i]->open();
            reserve_[i]->set_size(0);
            rows_.discard(reserve_[i]);
        }
        for (const std::uint64_t word : separators_) rows_.discard_key(word);
        for (const box* b : boxes_) rows_.discard(b);
        rows_.bulk_rows_ = 0;
    }

private:
    struct image {
        explicit image(node* n) noexcept : of(n), size(n->size()) {
            for (unsigned i = 0; i < fan_out; ++i) keys[i] = n->key_word(i);
            for (unsigned i = 0; i <= fan_out; ++i) values[i] = n->value_word(i);
        }
        void restore() const noexcept {
            of->open();
            for (unsigned i = 0; i < fan_out; ++i) of->set_key(i, keys[i]);
            for (unsigned i = 0; i <= fan_out; ++i) of->set_value(i, values[i]);
            of->count.store(size, std::memory_order_release);
            of->close();
        }
        node* of;
        unsigned size;
        std::array<std::uint64_t, fan_out> keys;
        std::array<std::uint64_t, fan_out + 1> values;
    };
    void forget_images() noexcept {
        for (const image& i : images_) i.of->saved = false;
        images_.clear();
    }
    void save(node* n) {
        if (n->saved) return;
        images_.emplace_back(n);
        n->saved = true;
    }

    tree_rows& rows_;
    node* root_;
    std::vector<image> images_;
    std::vector<node*> reserve_;  // as it was, the next to be taken first
    std::vector<std::uint64_t> separators_;
    std::vector<const box*> boxes_;
};

template <class K, class V, class Compare>
bool tree_rows<K, V, Compare>::insert_many(std::vector<ready>& rows, bool only_new, bool shared) {
    [[maybe_unused]] const key_code_scope<users_order> inside;
    if (shared) lock();
    struct unlock_at_end {
        tree_rows* rows;
        ~unlock_at_end() {
            if (rows) rows->unlock();
        }
    } guard{shared ? this : nullptr};
    if (only_new)
        for (const auto& r : rows)
            if (read(r.get().key(), [](const V&) {})) return false;
    provide(nodes_for(rows));
    std::vector<const box*> dead;
    if constexpr (boxed) dead.reserve(rows.size());
    const auto bulk = bulk_.load(std::memory_order_relaxed);  // one writer
    // relaxed: kept before the rows by their release stores. The release of what follows pairs with the acquire in read().
    if constexpr (change_cannot_throw) {
        bulk_.store(bulk + 1, std::memory_order_relaxed);
        put_all(rows, dead, nullptr);
    } else {
        bulk_undo undo(*this, rows.size());
        bulk_.store(bulk + 1, std::memory_order_relaxed);
        try {
            put_all(rows, dead, &undo);
        } catch (...) {
            undo.roll_back();
            bulk_.store(bulk + 2, std::memory_order_release);
            throw;
        }
    }
    rows_.store(rows_.load(std::memory_order_relaxed) + std::exchange(bulk_rows_, 0),
                std::memory_order_relaxed);
    bulk_.store(bulk + 2, std::memory_order_release);
    for (const box* b : dead) discard(b);
    return true;
}

template <class K, class V, class Compare>
class tree_rows<K, V, Compare>::bulk_insert {
public:
    bulk_insert(std::vector<ready> rows, bool only_new)
        : rows_(std::move(rows)), only_new_(only_new) {}
    bool step(tree_rows& table, bool shared, std::uint64_t) {
        inserted_ = table.insert_many(rows_, only_new_, shared);
        return true;
    }
    bool inserted() const noexcept { return inserted_; }

private:
    std::vector<ready> rows_;
    bool only_new_;
    bool inserted_ = false;
};

template <class K, class V, class Compare>
void tree_rows<K, V, Compare>::put_all(std::vector<ready>& rows, std::vector<const box*>& dead,
                                       bulk_undo* undo) {
    for (auto& r : rows) {
        path p;
        path_to(r.get().key(), p);
        p.at = p.leaf->first_not_below(r.get().key());
        const bool there = p.at < p.leaf->size() && !below(r.get().key(), p.leaf->key_at(p.at));
        if (undo) undo->save(p);
        [[maybe_unused]] const box* fresh = nullptr;
        if constexpr (boxed) fresh = r.held.get();
        if (!there) {
            insert_at(p, std::move(r.held), undo);
        } else {
            p.leaf->open();
            if constexpr (boxed) {
                dead.push_back(p.leaf->box_at(p.at));
                p.leaf->set_box(p.at, r.held.release());
            } else {
                p.leaf->set_row(p.at, r.held);
            }
            p.leaf->close();
        }
        if constexpr (boxed)
            if (undo) undo->made_box(fresh);
    }
}

template <class K, class V, class Compare>
std::size_t tree_rows<K, V, Compare>::nodes_for(const std::vector<ready>& sorted) {
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
    // Above n nodes that are new there are at most n / 7 that are, and one on each level that there was, and the root.
    std::size_t inner = p.depth + 2;
    for (std::size_t n = leaves / (fan_out / 2); n > 0; n /= fan_out / 2) inner += n + 1;
    return leaves + inner;
}

}  // namespace heirloom::ets::detail
