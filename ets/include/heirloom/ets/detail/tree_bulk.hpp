#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/tree_rows.hpp>

// Many rows of an ordered_set at one moment (R8). Every node that they change, and all above it, is copied first, and the
// copies are changed: a draft, which nobody sees. One store of the root shows it. Then the nodes that were copied are opened, as
// all nodes that leave the tree (I2), and retired.
//
//   D1  Draft and tree share the nodes that the draft does not change, and their separators.
//   D2  No other change comes between the draft's first copy and the opening of the last copied node. So who still goes by the old
//       root meets the old tree, as it was; and who meets in a shared node what came later finds the nodes above it open (I3).
//   D3  Up to the store of the root whatever throws, or kills, leaves nothing but the draft's own nodes, to be freed.
//
// So readers never wait, and the draft's making gives way between steps. Where strangers may write, each step has the tree's lock; if the tree
// has changed between two, the draft is thrown away and made anew in one step, with the strangers waiting. What follows the store is one
// step there, too. Not chosen: changing the tree in place while readers wait; what throws has to be undone, and
// a million rows held everybody up for 100 ms.
namespace heirloom::ets::detail {

/// What a draft has replaced, on its way to the reaper.
template <class K, class V, class Compare>
class tree_rows<K, V, Compare>::remains final : public contents {
public:
    ~remains() override { (void)shred(std::numeric_limits<std::size_t>::max()); }
    bool shred(std::size_t budget) noexcept override {
        for (; !boxes.empty() && budget > 0; --budget) {
            delete boxes.back();
            boxes.pop_back();
        }
        for (; !nodes.empty() && budget > 0; --budget) {
            node::destroy(nodes.back());
            nodes.pop_back();
        }
        return boxes.empty() && nodes.empty();
    }
    std::size_t size() const noexcept override { return 0; }
    std::size_t memory() const noexcept override { return 0; }
    void prepare_sharing() override {}

    std::vector<node*> nodes;
    std::vector<const box*> boxes;
};

/// One insert of many rows. Driven in steps, each inside a verb; it may be given up between two of them.
template <class K, class V, class Compare>
class tree_rows<K, V, Compare>::bulk_insert {
public:
    /// Requires: arranged, by arrange(). With `only_new` nothing is inserted if any key is there.
    bulk_insert(std::vector<ready> rows, bool only_new, std::size_t rows_a_step = 512)
        : rows_(std::move(rows)), only_new_(only_new), rows_a_step_(rows_a_step) {}
    bulk_insert(const bulk_insert&) = delete;
    bulk_insert& operator=(const bulk_insert&) = delete;
    ~bulk_insert() {
        // A kill struck between two steps. After the commit only who writes alone rests there.
        if (at_ == stage::open) {
            const verb_scope quiet(heirloom::detail::enter_quietly("insert"));
            (void)open(std::numeric_limits<std::size_t>::max());
            hand_over();
        } else if (at_ != stage::over) {
            drop();
        }
    }

    /// Does about so many rows of what is left; true when nothing is. If it throws, nothing has changed.
    bool step(tree_rows& table, bool shared, std::uint64_t) {
        constexpr auto all = std::numeric_limits<std::size_t>::max();
        locked guard(table, shared);
        if (table_ && at_ != stage::open && (table_ != &table || seen_ != table.changes_)) {
            forget_draft();
            rows_a_step_ = all;
        }
        if (at_ != stage::open && !build(table, rows_a_step_)) {
            guard.changed = false;
            return at_ == stage::over;
        }
        if (!open(shared ? all : rows_a_step_)) return false;
        hand_over();
        return true;
    }
    /// Whether the rows are in the table.
    bool inserted() const noexcept { return inserted_; }

private:
    enum class stage : std::uint8_t { begin, look, put, open, over };
    /// More than that many rows leave what the reaper takes care of.
    static constexpr std::size_t few = 256;

    struct locked {
        locked(tree_rows& t, bool shared) noexcept : table(shared ? &t : nullptr) {
            if (table) table->lock();
        }
        locked(const locked&) = delete;
        locked& operator=(const locked&) = delete;
        ~locked() {
            if (!table) return;
            if (changed)
                table->unlock();
            else
                table->unlock_unchanged();
        }
        tree_rows* table;
        bool changed = true;
    };

    /// True when the rows are in the tree.
    bool build(tree_rows& table, std::size_t budget) {
        struct drop_on_throw {
            bulk_insert* insert;
            ~drop_on_throw() {
                if (insert) insert->drop();
            }
        } guard{this};
        [[maybe_unused]] const key_code_scope<users_order> inside;
        if (at_ == stage::begin) begin(table);
        for (; at_ == stage::look && budget > 0; --budget) {
            if (done_ == rows_.size()) {
                at_ = stage::put;
                done_ = 0;
            } else if (table.read(rows_[done_++].get().key(), [](const V&) {})) {
                return false;  // dropped
            }
        }
        for (; at_ == stage::put && done_ < rows_.size() && budget > 0; --budget)
            put(rows_[done_++]);
        guard.insert = nullptr;
        if (at_ != stage::put || done_ < rows_.size()) return false;
        commit();
        return true;
    }
    void begin(tree_rows& table) {
        table_ = &table;
        seen_ = table.changes_;
        if (rows_.size() > few && !remains_) remains_ = own_contents(std::make_unique<remains>());
        draft_.root = table.root_.load(std::memory_order_relaxed);  // one writer
        draft_.number = ++table.drafts_;
        at_ = only_new_ ? stage::look : stage::put;
    }
    void put(ready& r) {
        std::size_t levels = 1;
        for (const node* n = draft_.root; !n->leaf; n = n->child(0)) ++levels;
        // One copy and one more on each level, and a root above; and spare_root().
        table_->provide(2 * levels + 2);
        make_room(draft_.made, 2 * levels + 1);
        make_room(copied_, levels);
        if constexpr (!key_in_node) make_room(draft_.separators, 1);
        if constexpr (boxed) make_room(dead_, 1);

        const auto& key = r.get().key();
        path p;
        own_path_to(key, p);
        p.at = p.leaf->first_not_below(key);
        if (p.at == p.leaf->size() || below(key, p.leaf->key_at(p.at)))
            return table_->insert_at(p, r.held);
        if constexpr (boxed) {
            dead_.push_back(p.leaf->box_at(p.at));
            p.leaf->set_box(p.at, r.held.get());
        } else {
            p.leaf->set_row(p.at, r.held);
        }
    }
    template <class T>
    static void make_room(std::vector<T>& items, std::size_t n) {
        if (items.capacity() - items.size() < n)
            items.reserve(std::max(items.size() + n, 2 * items.capacity()));
    }
    /// As path_to(), by nodes that are all the draft's own.
    template <class Q>
    void own_path_to(const Q& key, path& p) {
        p.in = &draft_;
        node* n = draft_.root = own(draft_.root);
        while (!n->leaf) {
            const unsigned i = n->children_up_to(key);
            node* next = own(n->child(i));
            n->set_value(i, reinterpret_cast<std::uint64_t>(next));
            p.inner[p.depth++] = {n, i};
            n = next;
        }
        p.leaf = n;
    }
    node* own(node* n) noexcept {
        if (n->draft == draft_.number) return n;
        node* copy = table_->take_node(n->leaf, &draft_);
        const unsigned size = n->size();
        for (unsigned i = 0; i < size; ++i) copy->set_key(i, n->key_word(i));
        for (unsigned i = 0; i < size + (n->leaf ? 0 : 1); ++i)
            copy->set_value(i, n->value_word(i));
        copy->count.store(size, std::memory_order_relaxed);  // nobody else sees it yet
        copied_.push_back(n);
        return copy;
    }

    void commit() noexcept {
        auto& count = table_->rows_;
        // relaxed: a number. First: whoever has seen a row does not find it missing there.
        count.store(count.load(std::memory_order_relaxed) + draft_.new_rows,
                    std::memory_order_relaxed);
        table_->count_nodes(draft_.made.size(), 0);
        table_->set_root(draft_.root);
        inserted_ = true;
        at_ = stage::open;
        done_ = 0;
    }
    /// Ends the old tree, node by node; true when all is done.
    bool open(std::size_t budget) noexcept {
        for (; done_ < copied_.size() && budget > 0; --budget) {
            node* n = copied_[done_++];
            n->open();
            if (!n->leaf)  // its separators are its copy's
                n->count.store(0, std::memory_order_release);
        }
        return done_ == copied_.size();
    }
    void hand_over() noexcept {
        at_ = stage::over;
        if constexpr (boxed)
            for (ready& r : rows_) (void)r.held.release();  // in the tree, or dead
        if (!remains_) {
            for (node* n : copied_) table_->discard(n);
            for (const box* b : dead_) table_->discard(b);
            return;
        }
        table_->count_nodes(0, copied_.size());
        auto& all = static_cast<remains&>(*remains_);
        all.nodes = std::move(copied_);
        all.boxes = std::move(dead_);
        all.reaper = table_->reaper;
        condemn(remains_.release());
    }
    /// Before the commit: as if it had never been. The tree itself may be gone: strangers delete and clear public tables.
    void drop() noexcept {
        at_ = stage::over;
        free_nodes();
    }
    void forget_draft() noexcept {
        free_nodes();
        draft_ = {};
        copied_.clear();
        dead_.clear();
        table_ = nullptr;
        at_ = stage::begin;
        done_ = 0;
    }
    void free_nodes() noexcept {
        for (node* n : draft_.made) {
            n->count.store(0, std::memory_order_relaxed);  // of these nobody has heard
            node::destroy(n);
        }
        if constexpr (!key_in_node)
            for (const std::uint64_t word : draft_.separators)
                delete reinterpret_cast<key_box*>(word);
    }

    std::vector<ready> rows_;
    bool only_new_;
    std::size_t rows_a_step_;
    stage at_ = stage::begin;
    bool inserted_ = false;
    std::size_t done_ = 0;  // of the stage
    tree_rows* table_ = nullptr;
    std::uint64_t seen_ = 0;  // of the tree's changes, when the draft began
    draft draft_;
    std::vector<node*> copied_;
    std::vector<const box*> dead_;
    contents_ptr remains_;
};

}  // namespace heirloom::ets::detail
