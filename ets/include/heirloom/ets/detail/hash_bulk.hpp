#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/hash_resize.hpp>
#include <heirloom/ets/detail/hash_rows.hpp>

// Many rows at one moment (R8): a record that one store commits. Making the rows, sorting them and growing the table come before.
// Then
//   1  every chain concerned is looked at, on a shared table with its lock held against other writers; where each row goes is
//      noted. What may refuse or throw does so here.
//   2  the record is shown, and every chain is marked pending.
//   3  the record is committed: the rows are in the table.
//   4  one chain after the other is changed (folded) and its mark taken away.
//
//   B1  A chain's mark stands between the publication of the record and the fold of the chain; whoever sees it asks the record
//       before the chain. Not committed: the chain holds. Committed: what the record has of a key holds, the chain for
//       the rest.
//   B2  Marks are stored before the commit, and folds after it: whoever has seen one new row, be it in the record or in a
//       chain, finds every other chain concerned marked or folded, and the record committed.
//   B3  Nobody else changes a chain that is marked, nor the structure.
//   B4  The record is freed a grace period after it has been taken back, and that after the last fold.
//
// So a reader waits for the change of its own chain at most. The owner of a table that only it may write gives way between steps;
// a kill there drops the record before 3, and after it the rest is folded at once. On a shared table other writers wait at
// the locks, so there it all is one step.
namespace heirloom::ets::detail {

template <class K, class V, class Hash, class Equal>
struct hash_rows<K, V, Hash, Equal>::bulk_record {
    struct box_entry {
        std::uint64_t hash;
        const box* held;
        const row& get() const noexcept { return *held; }
    };
    /// Without a destructor: there may be millions.
    using entry = std::conditional_t<boxed, box_entry, ready>;

    /// The last row with the key: those of one key are in the order of insertion.
    template <class Q>
    const entry* find(const Q& key, std::uint64_t hash) const {
        const auto after = std::upper_bound(
            rows.begin(), rows.end(), reverse_bits(hash),
            [](std::uint64_t order, const entry& e) { return order < reverse_bits(e.hash); });
        for (auto at = after; at != rows.begin();) {
            --at;
            if (at->hash != hash) return nullptr;
            if (Equal()(at->get().key(), key)) return &*at;
        }
        return nullptr;
    }

    std::vector<entry> rows;             // in hash order; constant once the record is shown
    std::atomic<bool> committed{false};  // by the writer, once
};

/// What a reader of `key` has to know of a marked chain: unclear, look again; absent, the chain says.
template <class K, class V, class Hash, class Equal>
template <class Q, class F>
auto hash_rows<K, V, Hash, Equal>::read_pending(const Q& key, std::uint64_t hash,
                                                const bucket* first, std::uint64_t before,
                                                F&& f) const -> sight {
    // acquire; pairs with the release in show(): whoever sees the record sees its rows. Null: it is over.
    const bulk_record* record = record_.load(std::memory_order_acquire);
    if (!record) return sight::unclear;
    // acquire; pairs with the release in commit().
    if (!record->committed.load(std::memory_order_acquire)) return sight::absent;
    const auto* found = record->find(key, hash);
    if (!found) return sight::absent;
    if (changed(first, before)) return sight::unclear;
    f(found->get().value());
    return sight::present;
}

/// One insert of many rows. Driven in steps, each inside a verb; it may be given up between two of them.
template <class K, class V, class Hash, class Equal>
class hash_rows<K, V, Hash, Equal>::bulk_insert {
public:
    /// Requires: arranged, by arrange(). With `only_new` nothing is inserted if any key is there.
    bulk_insert(std::vector<ready> rows, bool only_new, std::size_t rows_a_step = 512)
        : fresh_(std::move(rows)),
          only_new_(only_new),
          rows_a_step_(rows_a_step),
          record_(new bulk_record) {}
    bulk_insert(const bulk_insert&) = delete;
    bulk_insert& operator=(const bulk_insert&) = delete;
    ~bulk_insert() {
        if (at_ == stage::over) return;
        if (at_ == stage::begin) {
            delete record_;
            return;
        }
        // A kill struck between two steps. Only who writes alone rests there, so the rows are still those of its table.
        const verb_scope quiet(heirloom::detail::enter_quietly("insert"));
        if (at_ == stage::fold)
            fold(std::numeric_limits<std::size_t>::max());
        else
            drop();
    }

    /// Does about so many rows of what is left, on a shared table all; true when nothing is. `join(fresh, there)` may
    /// make the row that goes in of the fresh one and the one that is there; it may throw, and memory may run out: then
    /// nothing has changed.
    template <class Join>
    bool step(hash_rows& table, bool shared, std::uint64_t who, Join&& join) {
        std::size_t budget = shared ? std::numeric_limits<std::size_t>::max() : rows_a_step_;
        if (at_ == stage::begin || at_ == stage::look) {
            struct drop_on_throw {
                bulk_insert* insert;
                ~drop_on_throw() {
                    if (insert) insert->drop();
                }
            } guard{this};
            if (at_ == stage::begin) begin(table, shared);
            if (look(budget, join)) {
                guard.insert = nullptr;
                if (looked_ < fresh_.size()) return false;
                show();
            } else {
                return true;
            }
        }
        if (at_ == stage::mark) {
            marked_ = each_chain(marked_, budget, [this](const chain& c) { mark(c); });
            if (marked_ < held_) return false;
            commit(who);
        }
        return fold(budget);
    }
    bool step(hash_rows& table, bool shared, std::uint64_t who) {
        return step(table, shared, who, [](ready&, const row&) {});
    }
    /// Whether the rows are in the table.
    bool inserted() const noexcept { return inserted_; }
    /// Objects that come with the rows beyond one a row (bags). To be said before the commit; join() may.
    void expect_extra(std::int64_t change) noexcept { extra_ += change; }

private:
    enum class stage : std::uint8_t { begin, look, mark, fold, over };
    struct chain {
        bucket* first;
        std::uint64_t head;  // as it is without lock and mark
        std::size_t begin;   // its rows of this insert
        std::size_t end;
    };
    /// Where a row goes: to the slot of its key; or, with `in` null, to where row `at` of this insert does, itself if it is new.
    struct target {
        bucket* in;
        std::size_t at;
    };

    void begin(hash_rows& table, bool shared) {
        table_ = &table;
        shared_ = shared;
        spares_.emplace(table.array_, shared);
        auto& array = table.array_;
        if (shared)
            for (unsigned round = 0; !array.try_lock_structure(); ++round) pause_in_spin(round);
        at_ = stage::look;
        // provide_for() has made room; what others have added since may ask for a little more.
        const auto after = table.count() + static_cast<std::int64_t>(fresh_.size());
        while (wants_to_grow(after, array.current().buckets))
            if (!table.split(shared)) break;
        shape_ = array.current();
        targets_.reserve(fresh_.size());
        if constexpr (boxed) record_->rows.reserve(fresh_.size());
    }

    /// 1. False if a key is there that must not be.
    template <class Join>
    bool look(std::size_t budget, Join& join) {
        [[maybe_unused]] const key_code_scope<users_equality> inside;
        constexpr std::size_t ahead = 8;  // rows whose buckets are on their way into the cache
        for (std::size_t n = 0; looked_ < fresh_.size() && n < budget;) {
            const std::size_t end = end_of_chain(looked_);
            if (end + ahead < fresh_.size())
                __builtin_prefetch(table_->array_.at(shape_.index(fresh_[end + ahead].hash)), 1);
            bucket* first = table_->array_.at(shape_.index(fresh_[looked_].hash));
            const chain c{first, keep_writers_out(first, shared_), looked_, end};
            held_ = end;
            if (!look_at(c, join)) return false;
            if constexpr (boxed)
                for (std::size_t i = looked_; i < end; ++i)
                    record_->rows.push_back({fresh_[i].hash, fresh_[i].held.release()});
            n += end - looked_;
            looked_ = end;
        }
        return true;
    }
    template <class Join>
    bool look_at(const chain& c, Join& join) {
        for (std::size_t i = c.begin; i < c.end; ++i) {
            const target found = find(c, fresh_[i]);
            if (found.in) {
                if (only_new_) return false;
                if constexpr (boxed)
                    join(fresh_[i],
                         *box_in(found.in->word[found.at].load(std::memory_order_relaxed)));
                targets_.push_back(found);
                continue;
            }
            std::size_t same = c.begin;  // the first row of this insert that has the key
            while (same < i && !(fresh_[same].hash == fresh_[i].hash &&
                                 Equal()(fresh_[same].get().key(), fresh_[i].get().key())))
                ++same;
            targets_.push_back({nullptr, same});
            if (same == i) ++new_rows_;
        }
        std::size_t free_slots = 0;
        for (const bucket* b = c.first; b; b = b->next.load(std::memory_order_relaxed)) {
            const auto h = b == c.first ? c.head : b->head.load(std::memory_order_relaxed);
            free_slots += slots - static_cast<unsigned>(std::popcount(head::occupancy(h)));
        }
        const std::size_t wanted = c.end - c.begin;
        if (wanted > free_slots) spares_->borrow((wanted - free_slots + slots - 1) / slots);
        return true;
    }
    target find(const chain& where, const ready& r) const {
        std::uint64_t h = where.head;
        for (bucket* c = where.first;;) {
            const auto& key = r.get().key();
            for (auto m = candidates(c, h, key, r.hash); m != 0; m &= m - 1) {
                const auto s = static_cast<unsigned>(std::countr_zero(m));
                if constexpr (direct) {
                    return {c, s};
                } else if constexpr (boxed) {
                    // relaxed: under the lock, or alone
                    const box* b = box_in(c->word[s].load(std::memory_order_relaxed));
                    if (b && Equal()(b->key(), key)) return {c, s};
                } else {
                    packed copy;
                    copy_words(copy, c, s, 0, packed::key_words);
                    if (Equal()(copy.key(), key)) return {c, s};
                }
            }
            c = c->next.load(std::memory_order_relaxed);  // under the lock, or alone
            if (!c) return {nullptr, 0};
            h = c->head.load(std::memory_order_relaxed);
        }
    }

    // Chains are not noted: there may be as many as rows, and the rows tell, for the shape stays (B3).
    std::uint64_t hash_of_row(std::size_t i) const noexcept {
        return !boxed && at_ != stage::look ? record_->rows[i].hash : fresh_[i].hash;
    }
    std::size_t end_of_chain(std::size_t begin) const noexcept {
        const std::size_t all =
            boxed ? fresh_.size() : std::max(fresh_.size(), record_->rows.size());
        const auto index = shape_.index(hash_of_row(begin));
        std::size_t end = begin + 1;
        while (end < all && shape_.index(hash_of_row(end)) == index) ++end;
        return end;
    }
    /// Those of the rows from `begin` on, of about `budget` rows; returns where the next one begins.
    template <class F>
    std::size_t each_chain(std::size_t begin, std::size_t budget, F f) const {
        const std::size_t limit = budget < held_ - begin ? begin + budget : held_;
        while (begin < limit) {
            const std::size_t end = end_of_chain(begin);
            bucket* first = table_->array_.at(shape_.index(hash_of_row(begin)));
            const auto head =
                first->head.load(std::memory_order_relaxed);  // under the lock, or alone
            f(chain{first, head & ~(head::locked | head::changing | head::pending), begin, end});
            begin = end;
        }
        return begin;
    }

    /// 2. From here on nothing can fail.
    void show() noexcept {
        if constexpr (!boxed) record_->rows.swap(fresh_);
        table_->record_.store(record_, std::memory_order_release);  // pairs with read_pending()
        at_ = stage::mark;
    }
    void mark(const chain& c) const noexcept {
        // release; pairs with read(): whoever sees this head sees the words it speaks of, and the record (B1).
        c.first->head.store(c.head | head::pending | (shared_ ? head::locked : 0),
                            std::memory_order_release);
    }
    /// 3.
    void commit(std::uint64_t who) noexcept {
        const auto more = static_cast<std::int64_t>(new_rows_);
        // relaxed: a count. Before the commit: whoever has seen a row does not find it missing there.
        if (shared_)
            table_->stripe_of(who).rows.fetch_add(more, std::memory_order_relaxed);
        else
            table_->rows_.store(table_->rows_.load(std::memory_order_relaxed) + more,
                                std::memory_order_relaxed);
        if (extra_ != 0) table_->note_extra(extra_, shared_);
        record_->committed.store(true, std::memory_order_release);  // pairs with read_pending()
        inserted_ = true;
        at_ = stage::fold;
    }
    /// 4. True when all is done.
    bool fold(std::size_t budget) noexcept {
        folded_ = each_chain(folded_, budget, [this](chain c) { fold(c); });
        if (folded_ < held_) return false;
        take_back();
        return true;
    }
    void fold(chain c) noexcept {
        // relaxed: as in place::open(), the words that follow are stored with release.
        c.first->head.store(c.head | head::pending | head::changing | (shared_ ? head::locked : 0),
                            std::memory_order_relaxed);
        for (std::size_t i = c.begin; i < c.end; ++i) {
            const auto& r = record_->rows[i];
            // Rows do not move meanwhile; the first of a key has noted the slot it got.
            const target& to = targets_[i].in ? targets_[i] : targets_[targets_[i].at];
            if (!to.in) {
                targets_[i] = put(c, r);
            } else if constexpr (boxed) {
                auto& word = to.in->word[to.at];
                const box* old = box_in(word.load(std::memory_order_relaxed));
                word.store(word_of(r.held, r.hash), std::memory_order_release);
                discard(old);
            } else {
                write_slot(to.in, static_cast<unsigned>(to.at), r.held.byte);
            }
        }
        unlock_chain(c.first, c.head);
    }
    target put(chain& into, const typename bulk_record::entry& r) noexcept {
        bucket* free_in = nullptr;
        bucket* tail = nullptr;
        for (bucket* c = into.first; c && !free_in; c = c->next.load(std::memory_order_relaxed)) {
            const auto h = c == into.first ? into.head : c->head.load(std::memory_order_relaxed);
            if (head::occupancy(h) != all_slots) free_in = c;
            tail = c;
        }
        if (!free_in) {
            free_in = spares_->take();
            tail->next.store(free_in, std::memory_order_release);
        }
        std::uint64_t h =
            free_in == into.first ? into.head : free_in->head.load(std::memory_order_relaxed);
        const auto s = static_cast<unsigned>(std::countr_one(head::occupancy(h)));
        if constexpr (boxed) {
            const std::uint64_t w = word_of(r.held, r.hash);
            write_slot(free_in, s, reinterpret_cast<const unsigned char*>(&w));
        } else {
            write_slot(free_in, s, r.held.byte);
        }
        h = with_slot(h, s, r.hash);
        if (free_in == into.first)
            into.head = h;
        else
            free_in->head.store(h, std::memory_order_release);
        return {free_in, s};
    }

    /// Before the commit: as if it had never been.
    void drop() noexcept {
        // Alone there are marks, and no locks.
        (void)each_chain(0, shared_ ? held_ : marked_,
                         [](const chain& c) { unlock_chain(c.first, c.head); });
        if constexpr (boxed)
            for (const auto& e : record_->rows) delete e.held;  // of these nobody has heard
        take_back();
    }
    void take_back() noexcept {
        at_ = stage::over;
        // release: after the last fold, as everybody sees it who finds no record behind a mark.
        table_->record_.store(nullptr, std::memory_order_release);
        heirloom::detail::retire(record_,
                                 [](void* p) noexcept { delete static_cast<bulk_record*>(p); });
        spares_.reset();
        if (shared_) table_->array_.unlock_structure();
    }

    hash_rows* table_ = nullptr;
    std::vector<ready> fresh_;
    std::vector<target> targets_;
    std::optional<spares> spares_;
    shape shape_{};
    stage at_ = stage::begin;
    bool only_new_;
    std::size_t rows_a_step_;
    bool shared_ = false;
    bool inserted_ = false;
    // Rows, up to which chains have been
    std::size_t held_ = 0;  // locked, on a shared table
    std::size_t looked_ = 0;
    std::size_t marked_ = 0;
    std::size_t folded_ = 0;
    std::size_t new_rows_ = 0;
    std::int64_t extra_ = 0;
    bulk_record* record_;
};

}  // namespace heirloom::ets::detail
