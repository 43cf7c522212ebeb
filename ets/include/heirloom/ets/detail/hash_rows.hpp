#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/bucket_array.hpp>
#include <heirloom/ets/detail/core.hpp>
#include <heirloom/ets/detail/hash_chain.hpp>
#include <heirloom/ets/detail/hash_order.hpp>
#include <heirloom/ets/detail/resting.hpp>
#include <heirloom/ets/detail/short_list.hpp>

// The rows of a set: buckets of one cache line that hold small trivially copyable rows in place, or six tagged
// pointers to boxed rows that never change.
//
// Readers take no lock and write nothing. A row in place is copied word by word and counts if the sequence of its chain
// is the same before and after; a box is found by its word and cannot change. Only a miss of a boxed row needs the
// sequence, and every miss needs the shape: the row may have moved to a bucket that did not exist a moment ago.
//
// Writers come in two modes. `alone`: the one writer of a table, no locked instruction. `shared`: a bit of the head,
// taken by one compare-and-swap, is the chain's lock; readers do not care for it. Changes that one store can make visible
// need no `changing` phase: a new row (its words first, then the head that says the slot is taken), an erased one, a
// value of one word, another box.
//
// Every store to a row's words is a release and every load of one an acquire. That orders them with the head as fences
// would (whoever reads a word written in a changing phase then reads that phase's head or a later one), costs nothing
// on x86, and is understood by ThreadSanitizer.
namespace heirloom::ets::detail {

template <class K, class V, class Hash, class Equal>
class hash_rows final : public contents, private hash_chain<K, V, Hash, Equal> {
    using layout = hash_chain<K, V, Hash, Equal>;

public:
    using layout::boxed;
    using layout::direct;
    using layout::hash_with;
    using layout::load;
    using layout::make;
    using layout::slots;
    using layout::tagged;
    using layout::users_equality;
    using layout::value_is_word;
    using layout::words;
    using typename layout::box;
    using typename layout::held_row;
    using typename layout::packed;
    using typename layout::row;

    explicit hash_rows(std::uint64_t seed) : seed_(seed) {}
    ~hash_rows() override {
        while (!shred(std::numeric_limits<std::size_t>::max())) {
        }
        delete[] striped();
    }

    template <class Q>
    std::uint64_t hash_of(const Q& key) const noexcept(noexcept(hash_with(0, key))) {
        return hash_with(seed_, key);
    }

    // --- Reading ---

    /// What a short look tells.
    enum class sight : std::uint8_t { unclear, absent, present };
    /// Whether there is a short way, for keys that are compared as numbers: the same as read(), change_word() with nothing to
    /// look at twice, and none of the user's code.
    static constexpr bool is_quick = direct&& noexcept(layout::hash_with(0, std::declval<K>()));

    /// Calls `f` with the value of `key`; false if there is none.
    template <class Q, class F>
    bool read(const Q& key, F&& f) const {
        const std::uint64_t hash = hash_of(key);
        if constexpr (direct) {
            const sight found = read_quickly(key, hash, f);
            if (found != sight::unclear) [[likely]]
                return found == sight::present;
        }
        return read_patiently(key, hash, f);
    }
    template <class Q, class F>
    [[gnu::always_inline]] sight read_quickly(const Q& key, std::uint64_t hash, F&& f) const {
        const std::uint64_t shape_word = array_.packed_shape();
        const bucket* first = array_.of(hash, shape_word);
        const std::uint64_t before = first->head.load(std::memory_order_acquire);  // see below
        if (before & (head::changing | head::pending)) [[unlikely]]
            return sight::unclear;
        const bucket* c = first;
        std::uint64_t h = before;
        for (;;) {
            if (const auto m = candidates(c, h, key, hash)) [[likely]] {
                packed copy;
                copy_words(copy, c, static_cast<unsigned>(std::countr_zero(m)),
                           packed::first_value_word, words);
                if (changed(first, before)) [[unlikely]]
                    return sight::unclear;
                f(copy.value());
                return sight::present;
            }
            c = c->next.load(std::memory_order_acquire);  // see below
            if (changed(first, before)) return sight::unclear;
            if (!c) return array_.packed_shape() == shape_word ? sight::absent : sight::unclear;
            h = c->head.load(std::memory_order_acquire);
        }
    }
    template <class Q, class F>
    [[gnu::noinline]] bool read_patiently(const Q& key, std::uint64_t hash, F&& f) const {
        [[maybe_unused]] const key_code_scope<users_equality> inside;
        for (unsigned round = 0;; ++round) {
            if (round) pause_in_spin(round);
            const std::uint64_t shape_word = array_.packed_shape();
            const bucket* first = array_.of(hash, shape_word);
            // acquire; pairs with the store that ends a change: whoever sees its sequence sees its words.
            const std::uint64_t before = first->head.load(std::memory_order_acquire);
            if (before & head::changing) [[unlikely]]
                continue;
            if (before & head::pending) [[unlikely]] {
                const sight in_record = read_pending(key, hash, first, before, f);
                if (in_record == sight::present) return true;
                if (in_record == sight::unclear) continue;
            }
            const bucket* c = first;
            std::uint64_t h = before;
            bool again = false;
            for (;;) {
                for (auto m = candidates(c, h, key, hash); m != 0; m &= m - 1) {
                    const auto s = static_cast<unsigned>(std::countr_zero(m));
                    if constexpr (boxed) {
                        // acquire; pairs with the release that put the box there.
                        const box* b = box_in(c->word[s].load(std::memory_order_acquire));
                        if (b && Equal()(b->key(), key)) {
                            f(b->value());
                            return true;
                        }
                    } else {
                        packed copy;
                        if constexpr (!direct) {
                            copy_words(copy, c, s, 0, packed::key_words);
                            if (changed(first, before)) {
                                again = true;
                                break;
                            }
                            if (!Equal()(copy.key(), key)) continue;
                        }
                        copy_words(copy, c, s, packed::first_value_word, words);
                        if (changed(first, before)) [[unlikely]] {
                            again = true;
                            break;
                        }
                        f(copy.value());
                        return true;
                    }
                }
                if (again) break;
                c = c->next.load(
                    std::memory_order_acquire);  // pairs with the release that linked it
                if (!c) break;
                if (changed(first, before)) {  // the chain may not be ours any more
                    again = true;
                    break;
                }
                h = c->head.load(std::memory_order_acquire);
            }
            if (again || changed(first, before)) continue;
            const std::uint64_t shape_now = array_.packed_shape();
            if (shape_now != shape_word && array_.of(hash, shape_now) != first) continue;
            return false;
        }
    }

    // --- Writing ---

    /// The short way to change a value of one word: `f(value)` changes it, or returns false to leave it. False, and
    /// nothing done, if the key is not there or its chain is held. A place would do the same, but lives in memory; this lives in
    /// registers and calls nothing.
    template <class F>
        requires value_is_word
    [[gnu::always_inline]] bool change_word(const K& key, std::uint64_t hash, bool shared,
                                            F&& f) noexcept {
        bucket* first = nullptr;
        std::uint64_t h = 0;
        if (shared) {
            const first_locked got = try_lock_first(hash);
            if (!got.first) [[unlikely]]
                return false;
            first = got.first;
            h = got.head;
        } else {
            first = array_.of(hash, array_.packed_shape());
            h = first->head.load(std::memory_order_relaxed);  // nobody else writes
        }
        const std::uint64_t unlocked = h;
        bucket* c = first;
        std::uint32_t m = 0;
        for (;;) {
            m = candidates(c, h, key, hash);
            if (m != 0) [[likely]]
                break;
            c = c->next.load(std::memory_order_relaxed);  // under the lock, or alone
            if (!c) break;
            h = c->head.load(std::memory_order_relaxed);
        }
        if (c) {
            auto& word = c->word[static_cast<unsigned>(std::countr_zero(m)) * words + words - 1];
            std::uint64_t w = word.load(std::memory_order_relaxed);
            V value;
            std::memcpy(&value, &w, sizeof(V));
            if (f(value)) {
                w = 0;
                std::memcpy(&w, &value, sizeof(V));
                // release; pairs with the acquire in read(), which sees the old value or the new one.
                word.store(w, std::memory_order_release);
            }
        }
        if (shared) first->head.store(unlocked, std::memory_order_release);  // as in place::unlock
        return c != nullptr;
    }
    /// A chain's first bucket, locked, and its head as it was.
    struct first_locked {
        bucket* first;
        std::uint64_t head;
    };
    [[gnu::always_inline]] first_locked lock_first(std::uint64_t hash) noexcept {
        const first_locked got = try_lock_first(hash);
        return got.first ? got : lock_first_patiently(hash);
    }
    /// Null if it is locked, or perhaps not the chain any more.
    [[gnu::always_inline]] first_locked try_lock_first(std::uint64_t hash) noexcept {
        const std::uint64_t shape_word = array_.packed_shape();
        bucket* first = array_.of(hash, shape_word);
        std::uint64_t h =
            first->head.load(std::memory_order_relaxed);  // the lock below orders what matters
        // acquire; pairs with the release that unlocked it: what the last holder wrote is seen.
        if ((h & head::locked) ||
            !first->head.compare_exchange_weak(h, h | head::locked, std::memory_order_acquire,
                                               std::memory_order_relaxed)) [[unlikely]]
            return {nullptr, 0};
        if (array_.packed_shape() != shape_word) [[unlikely]] {
            first->head.store(h, std::memory_order_release);  // nothing was changed
            return {nullptr, 0};
        }
        return {first, h};
    }
    [[gnu::noinline]] first_locked lock_first_patiently(std::uint64_t hash) noexcept {
        for (unsigned round = 1;; ++round) {
            pause_in_spin(round);
            if (const first_locked got = try_lock_first(hash); got.first) return got;
        }
    }

    /// One key's place in its chain, with the chain locked (shared) or this the only writer. At most one of
    /// replace(), add() and erase() is called. Unlocks at its end, whatever happened.
    class place;

    /// After a row was added (the place is over). `who` spreads the counting of shared tables.
    void added(bool shared, std::uint64_t who, bool spilled, std::size_t n = 1) noexcept {
        if (!shared) {
            const auto total = rows_.load(std::memory_order_relaxed) + static_cast<std::int64_t>(n);
            rows_.store(total,
                        std::memory_order_relaxed);  // one writer; readers want a number, no order
            if (striped()) [[unlikely]]
                return grow(count(), false);
            grow(total, false);
            return;
        }
        auto& mine = stripe_of(who);
        const auto after =
            mine.rows.fetch_add(static_cast<std::int64_t>(n), std::memory_order_relaxed) +
            static_cast<std::int64_t>(n);  // relaxed: a count
        if ((spilled || (after & 15) == 0 || n > 1) &&
            wants_to_grow(count(), array_.current().buckets) && array_.try_lock_structure()) {
            grow(count(), true);
            array_.unlock_structure();
        }
    }
    /// After a row was erased.
    void erased(bool shared, std::uint64_t who) noexcept {
        if (!shared) {
            const auto total = rows_.load(std::memory_order_relaxed) - 1;
            rows_.store(total, std::memory_order_relaxed);  // as in added()
            shrink(striped() ? count() : total, false);
            return;
        }
        auto& mine = stripe_of(who);
        const auto after =
            mine.rows.fetch_sub(1, std::memory_order_relaxed) - 1;  // relaxed: a count
        if ((after & 15) == 0 && wants_to_shrink(count(), array_.current().buckets) &&
            array_.try_lock_structure()) {
            shrink(count(), true);
            array_.unlock_structure();
        }
    }

    // --- The whole table ---

    std::size_t size() const noexcept override {
        const auto n = count() + extra_.load(std::memory_order_relaxed);  // as in count()
        return n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    std::size_t memory() const noexcept override {
        return sizeof(*this) + array_.bytes() + (striped() ? sizeof(stripe) * stripes : 0) +
               (boxed ? size() * sizeof(box) : 0);
    }
    void prepare_sharing() override {
        // release; pairs with the acquire in striped(): who counts may read them at any time.
        if (!striped()) stripes_.store(new stripe[stripes], std::memory_order_release);
    }

    bool shred(std::size_t budget) noexcept override {
        if constexpr (boxed) {
            const auto buckets = array_.current().buckets;
            std::size_t done = 0;
            for (; shredded_ < buckets; ++shredded_) {
                if (done >= budget) return false;
                for (bucket* c = array_.at(shredded_); c;
                     c = c->next.load(std::memory_order_relaxed))
                    for (auto& w : c->word) {  // relaxed: nobody else is left
                        if (auto* b = box_in(w.exchange(0, std::memory_order_relaxed))) {
                            delete b;
                            ++done;
                        }
                    }
            }
        }
        return array_.forget_some();
    }

    // --- Traversal ---

    /// The `j` that makes a scan of the table as it is now go through memory in order.
    unsigned scan_bits() const noexcept {
        const auto bits = static_cast<unsigned>(std::bit_width(array_.current().buckets)) - 1;
        return bits;
    }

    struct seen {
        std::uint64_t order;
        std::conditional_t<boxed, const box*, packed> held;
        const row& get() const noexcept {
            if constexpr (boxed)
                return *held;
            else
                return held;
        }
    };
    using seen_rows = short_list<seen, 16>;
    std::uint64_t hash_of_seen(const seen& r) const {
        if constexpr (boxed)
            return r.held->hash;
        else
            return hash_of(r.held.key());
    }
    /// A stretch of hash order: what one bucket covers of it from a position on.
    struct stretch {
        std::uint64_t last;
        bool whole;  // it begins where the bucket does: all its rows are inside
    };
    /// The rows of the bucket that covers `pos`, all seen at one moment, into `out`, and the stretch it covers. Boxes are
    /// the caller's until its verb ends.
    stretch gather_bucket_at(hash_position pos, unsigned j, seen_rows& out) const;
    /// The rows of the stretch that begins at `pos`; returns where the next one begins.
    hash_position gather(hash_position pos, unsigned j, seen_rows& out) const;
    std::uint32_t bucket_count() const noexcept { return array_.current().buckets; }
    /// The rows of bucket `index`, if there is one.
    void gather_bucket(std::uint32_t index, seen_rows& out) const {
        out.clear();
        if (index >= bucket_count()) return;
        // Where the bucket's stretch of hash order begins.
        (void)gather({reverse_bits(index), false}, 0, out);
    }
    /// Loads the bucket at `pos`, of the order of j = 0, into the cache if the table is too large to be there.
    void prefetch(hash_position pos) const noexcept {
        const shape now = array_.current();
        if (now.buckets > 8'192) __builtin_prefetch(array_.at(now.index(reverse_bits(pos.at))));
    }

    // --- Many rows at once ---

    /// Rows made ready: nothing that can throw is left but memory for chains.
    struct ready {
        std::uint64_t hash;
        held_row held;
        const row& get() const noexcept {
            if constexpr (boxed)
                return *held;
            else
                return held;
        }
    };
    static ready make_ready(std::uint64_t seed, const K& key, const V& value) {
        const auto hash = hash_with(seed, key);
        return {hash, make(hash, key, value)};
    }
    /// Puts the rows of one bucket together, whatever the shape. Rests; no verb may be in progress.
    static void arrange(std::vector<ready>& rows) {
        sort_resting(rows, [](const ready& a, const ready& b) {
            return reverse_bits(a.hash) < reverse_bits(b.hash);
        });
    }
    /// Grows by a step for `n` rows more; true when there is no more to do.
    bool provide_for(std::size_t n, bool shared) noexcept {
        if (shared && !array_.try_lock_structure()) return true;  // someone else is at it
        const auto wanted = count() + static_cast<std::int64_t>(n);
        bool done = false;
        for (unsigned step = 0; step < 1'024 && !done; ++step)
            done = !wants_to_grow(wanted, array_.current().buckets) || !split(shared);
        if (shared) array_.unlock_structure();
        return done;
    }
    /// Inserts all rows at one moment; see hash_bulk.hpp.
    class bulk_insert;

    /// Bags count their objects beyond one a key here.
    void note_extra(std::int64_t change, bool shared) noexcept {
        // relaxed: a count; alone there is one writer.
        if (shared)
            extra_.fetch_add(change, std::memory_order_relaxed);
        else
            extra_.store(extra_.load(std::memory_order_relaxed) + change,
                         std::memory_order_relaxed);
    }

private:
    friend class place;
    class spares;
    class rebuild;
    struct bulk_record;
    using layout::all_slots;
    using layout::begin_change;
    using layout::box_in;
    using layout::box_tag;
    using layout::candidates;
    using layout::changed;
    using layout::close_unused;
    using layout::copy_words;
    using layout::discard;
    using layout::keep_writers_out;
    using layout::lock_chain;
    using layout::lock_unused;
    using layout::tag_in;
    using layout::unlock_chain;
    using layout::with_slot;
    using layout::with_tag;
    using layout::without_slot;
    using layout::word_of;
    using layout::write_slot;

    template <class Q, class F>
    [[gnu::noinline]] sight read_pending(const Q& key, std::uint64_t hash, const bucket* first,
                                         std::uint64_t before, F&& f) const;
    /// What the record has for the chain of bucket `index`, over what the chain has.
    void lay_over(const bulk_record& record, shape now, std::uint32_t index, seen_rows& out) const;

    static constexpr unsigned stripes = 8;
    struct alignas(64) stripe {
        std::atomic<std::int64_t> rows{0};
    };

    std::uint64_t hash_in(const bucket* c, unsigned s) const {
        if constexpr (boxed) {
            return box_in(c->word[s].load(std::memory_order_relaxed))
                ->hash;  // under the lock, or alone
        } else {
            packed copy;
            copy_words(copy, c, s, 0, packed::key_words);
            return hash_of(copy.key());
        }
    }

    stripe& stripe_of(std::uint64_t who) noexcept {
        return striped()[pid::from_bits(who).slot() & (stripes - 1)];
    }
    stripe* striped() const noexcept { return stripes_.load(std::memory_order_acquire); }
    std::int64_t count() const noexcept {
        // relaxed: exact when nobody writes, and never falling while rows are only added.
        std::int64_t n = rows_.load(std::memory_order_relaxed);
        if (const stripe* s = striped())
            for (unsigned i = 0; i < stripes; ++i) n += s[i].rows.load(std::memory_order_relaxed);
        return n;
    }

    static bool wants_to_grow(std::int64_t n, std::uint32_t buckets) noexcept {
        return n > 0 && static_cast<std::uint64_t>(n) * 4 > load * buckets &&
               buckets < bucket_array::largest;
    }
    /// Half the rows that make it grow, so that it does not swing.
    static bool wants_to_shrink(std::int64_t n, std::uint32_t buckets) noexcept {
        return buckets > bucket_array::smallest &&
               (n < 0 || static_cast<std::uint64_t>(n) * 8 < load * buckets);
    }
    void grow(std::int64_t n, bool shared) noexcept {
        unsigned budget = shared ? 32 : 2;
        while (wants_to_grow(n, array_.current().buckets) && budget-- > 0)
            if (!split(shared)) return;
    }
    void shrink(std::int64_t n, bool shared) noexcept {
        unsigned budget = shared ? 32 : 2;
        while (wants_to_shrink(n, array_.current().buckets) && budget-- > 0)
            if (!merge(shared)) return;
    }

    /// Adds one bucket, splitting the one that has had its rows. Requires: the structure is the caller's to change.
    /// False if there was no memory.
    bool split(bool shared) noexcept;
    /// Takes the last bucket away, its rows joining the one they came from. As split().
    bool merge(bool shared) noexcept;

    // What every reader loads, together: the shape and the first origins follow the seed.
    const std::uint64_t seed_;
    bucket_array array_;
    // The counting.
    alignas(64) std::atomic<std::int64_t> rows_{0};  // by the one writer of an unshared table
    std::atomic<stripe*> stripes_{nullptr};
    std::atomic<std::int64_t> extra_{0};
    std::atomic<bulk_record*> record_{nullptr};  // by the one bulk insert that is under way
    std::uint32_t shredded_ = 0;
};

}  // namespace heirloom::ets::detail

// The parts of hash_rows that have a file of their own.
#include <heirloom/ets/detail/hash_bulk.hpp>    // bulk_insert
#include <heirloom/ets/detail/hash_gather.hpp>  // gather: what a walk meets
#include <heirloom/ets/detail/hash_place.hpp>   // place: one key, to be changed
#include <heirloom/ets/detail/hash_resize.hpp>  // split and merge
