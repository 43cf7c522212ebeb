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
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/bucket_array.hpp>
#include <heirloom/ets/detail/core.hpp>
#include <heirloom/ets/hash.hpp>

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
//
// All traversal is in *hash order*: by the first `j` bits of the hash as a number, then by the others reversed. A
// bucket that is split or merged covers half or twice the stretch of that order, so a position in it says exactly
// which rows have been seen, whatever grows, shrinks or moves meanwhile. See DESIGN.md, "Traversal".
namespace heirloom::ets::detail {

template <class K, class V>
struct packed_row {
    static constexpr std::size_t value_at = (sizeof(K) + alignof(V) - 1) / alignof(V) * alignof(V);
    static constexpr std::size_t bytes = value_at + sizeof(V);
    static constexpr unsigned words = static_cast<unsigned>((bytes + 7) / 8);
    static constexpr bool fits = std::is_trivially_copyable_v<K> &&
                                 std::is_trivially_copyable_v<V> && alignof(K) <= 8 &&
                                 alignof(V) <= 8 && bytes <= bucket::room * 8;
    static constexpr unsigned first_value_word = static_cast<unsigned>(value_at / 8);
    static constexpr unsigned key_words = static_cast<unsigned>((sizeof(K) + 7) / 8);
    /// One store replaces the value.
    static constexpr bool one_word_value = first_value_word + 1 == words;

    packed_row() noexcept {}  // NOLINT: filled word by word
    packed_row(const K& key, const V& value) noexcept {
        if constexpr (sizeof(K) + sizeof(V) != sizeof(byte)) std::memset(byte, 0, sizeof(byte));
        std::memcpy(byte, &key, sizeof(K));
        std::memcpy(byte + value_at, &value, sizeof(V));
    }
    const K& key() const noexcept { return *std::launder(reinterpret_cast<const K*>(byte)); }
    const V& value() const noexcept {
        return *std::launder(reinterpret_cast<const V*>(byte + value_at));
    }
    std::uint64_t word(unsigned i) const noexcept {
        std::uint64_t w;
        std::memcpy(&w, byte + 8 * i, 8);
        return w;
    }
    void set_word(unsigned i, std::uint64_t w) noexcept { std::memcpy(byte + 8 * i, &w, 8); }

    alignas(8) unsigned char byte[words * 8];  // every byte that is read has been written
};

template <class K, class V>
struct boxed_row {
    template <class Q, class W>
    boxed_row(std::uint64_t h, Q&& k, W&& v)
        : hash(h), stored_key(std::forward<Q>(k)), stored_value(std::forward<W>(v)) {}

    const K& key() const noexcept { return stored_key; }
    const V& value() const noexcept { return stored_value; }

    static void* operator new(std::size_t n) { return heirloom::detail::allocate_block(n); }
    static void operator delete(void* p, std::size_t n) noexcept {
        heirloom::detail::free_block(p, n);
    }

    const std::uint64_t hash;
    const K stored_key;
    const V stored_value;
};

/// A point in hash order, and whether there is anything at or after it.
struct hash_position {
    std::uint64_t at = 0;
    bool end = false;
};

inline std::uint64_t reverse_bits(std::uint64_t x) noexcept {
    x = (x >> 1 & 0x5555'5555'5555'5555) | (x & 0x5555'5555'5555'5555) << 1;
    x = (x >> 2 & 0x3333'3333'3333'3333) | (x & 0x3333'3333'3333'3333) << 2;
    x = (x >> 4 & 0x0f0f'0f0f'0f0f'0f0f) | (x & 0x0f0f'0f0f'0f0f'0f0f) << 4;
    return __builtin_bswap64(x);
}
/// The low `j` bits as a number, then the rest reversed. Any fixed `j` below 64 gives an order that splitting and
/// merging buckets respects; a larger one visits memory in runs.
constexpr std::uint64_t low_bits(std::uint64_t x, unsigned j) noexcept {
    return j == 0 ? 0 : x & (~std::uint64_t{0} >> (64 - j));
}
inline std::uint64_t order_of(std::uint64_t hash, unsigned j) noexcept {
    const std::uint64_t rest = reverse_bits(hash >> j) >> j;
    return j == 0 ? reverse_bits(hash) : low_bits(hash, j) << (64 - j) | rest;
}
inline std::uint64_t hash_at(std::uint64_t order, unsigned j) noexcept {
    return j == 0 ? reverse_bits(order) : order >> (64 - j) | reverse_bits(order << j) << j;
}

template <class K, class V, class Hash, class Equal>
class hash_rows final : public contents {
public:
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
    static constexpr bool tagged = !boxed && !direct && slots <= 3;
    // Four times the rows a bucket holds on average: few chains, and under 40 bytes for a row of two words.
    static constexpr std::uint64_t load = slots == 6 ? 13 : slots == 3 ? 8 : slots == 2 ? 5 : 3;

    explicit hash_rows(std::uint64_t seed) : seed_(seed) {}
    ~hash_rows() override {
        while (!shred(std::numeric_limits<std::size_t>::max())) {
        }
        delete[] striped();
    }

    template <class Q>
    static std::uint64_t hash_with(std::uint64_t seed, const Q& key) {
        if constexpr (std::is_invocable_v<const Hash&, const Q&, std::uint64_t>)
            return Hash()(key, seed);
        else
            return fold_multiply(static_cast<std::uint64_t>(Hash()(key)) ^ seed, odd_a);
    }
    template <class Q>
    std::uint64_t hash_of(const Q& key) const {
        return hash_with(seed_, key);
    }

    using held_row = std::conditional_t<boxed, std::unique_ptr<box>, packed>;
    static held_row make(std::uint64_t hash, K key, V value) {
        if constexpr (boxed)
            return std::unique_ptr<box>(new box(hash, std::move(key), std::move(value)));
        else
            return packed(key, value);
    }

    // --- Reading ---

    /// Calls `f` with the value of `key`; false if there is none.
    template <class Q, class F>
    bool read(const Q& key, F&& f) const {
        const std::uint64_t hash = hash_of(key);
        for (unsigned round = 0;; ++round) {
            if (round) pause_in_spin(round);
            const std::uint64_t shape_word = array_.packed_shape();
            const bucket* first = array_.of(hash, shape_word);
            // acquire; pairs with the store that ends a change: whoever sees its sequence sees its words.
            const std::uint64_t before = first->head.load(std::memory_order_acquire);
            if (before & head::changing) [[unlikely]]
                continue;
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

    /// One key's place in its chain, with the chain locked (shared) or this the only writer. At most one of
    /// replace(), add() and erase() is called. Unlocks at its end, whatever happened.
    class place {
    public:
        // Inlined, so that `shared` and the key stay in registers: half of a write's time.
        template <class Q>
        [[gnu::always_inline]] place(hash_rows& rows, const Q& key, std::uint64_t hash, bool shared)
            : rows_(rows), hash_(hash), shared_(shared) {
            for (unsigned round = 0;; ++round) {
                if (round) pause_in_spin(round);
                const std::uint64_t shape_word = rows_.array_.packed_shape();
                first_ = rows_.array_.of(hash, shape_word);
                // relaxed: the lock below, or being alone, orders what matters.
                head_ = first_->head.load(std::memory_order_relaxed);
                if (!shared) break;
                if (head_ & head::locked) continue;
                // acquire; pairs with the release of unlock(): what the last holder wrote is seen.
                if (!first_->head.compare_exchange_weak(head_, head_ | head::locked,
                                                        std::memory_order_acquire,
                                                        std::memory_order_relaxed))
                    continue;
                const std::uint64_t shape_now = rows_.array_.packed_shape();
                if (shape_now == shape_word || rows_.array_.of(hash, shape_now) == first_) break;
                first_->head.store(head_, std::memory_order_release);  // nothing was changed
            }
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
                if (dead_) discard(dead_);
            }
        }

        bool found() const noexcept { return at_ != nullptr; }
        /// Requires: found(). Valid until the place ends; of a row in place, a copy.
        const row& current() noexcept {
            if constexpr (boxed) {
                return *box_in(
                    at_->word[slot_].load(std::memory_order_relaxed));  // under the lock, or alone
            } else {
                copy_words(copy_, at_, slot_, 0, words);
                return copy_;
            }
        }

        /// Requires: found().
        void replace(const packed& next) noexcept
            requires(!boxed)
        {
            if constexpr (packed::one_word_value) {
                // One store: a reader sees the old value or the new one.
                at_->word[slot_ * words + words - 1].store(next.word(words - 1),
                                                           std::memory_order_release);
            } else {
                open();
                for (unsigned w = packed::first_value_word; w < words; ++w)
                    at_->word[slot_ * words + w].store(next.word(w), std::memory_order_release);
                publish();
            }
        }
        void replace(std::unique_ptr<box> next) noexcept
            requires(boxed)
        {
            auto& word = at_->word[slot_];
            dead_ = box_in(word.load(std::memory_order_relaxed));
            // release; pairs with read(): whoever sees the box sees what is in it.
            word.store(word_of(next.release(), hash_), std::memory_order_release);
        }

        /// Requires: !found(). May throw bad_alloc, with nothing changed.
        void add(const packed& next)
            requires(!boxed)
        {
            put(next.byte);
        }
        void add(std::unique_ptr<box> next)
            requires(boxed)
        {
            const std::uint64_t word = word_of(next.get(), hash_);
            put(reinterpret_cast<const unsigned char*>(&word));
            next.release();  // NOLINT: the chain's now
        }

        /// Requires: found().
        void erase() noexcept {
            if constexpr (boxed) dead_ = box_in(at_->word[slot_].load(std::memory_order_relaxed));
            bucket* tail = first_;
            bucket* before_tail = nullptr;
            while (bucket* n =
                       tail->next.load(std::memory_order_relaxed)) {  // under the lock, or alone
                before_tail = tail;
                tail = n;
            }
            if (tail == first_) {
                if constexpr (boxed) at_->word[slot_].store(0, std::memory_order_release);
                head_ = without_slot(head_, slot_);
                publish();
                return;
            }
            // The chain's last row takes the free slot, so that chains are no longer than they must be.
            open();
            std::uint64_t tail_head = tail->head.load(std::memory_order_relaxed);
            const auto last = static_cast<unsigned>(std::bit_width(head::occupancy(tail_head))) - 1;
            if (tail != at_ || last != slot_) {
                for (unsigned w = 0; w < words; ++w)
                    at_->word[slot_ * words + w].store(
                        tail->word[last * words + w].load(std::memory_order_relaxed),
                        std::memory_order_release);
                const std::uint64_t at_head =
                    at_ == first_ ? head_ : at_->head.load(std::memory_order_relaxed);
                const std::uint64_t moved = with_tag(at_head, slot_, tag_in(tail_head, last));
                if (at_ == first_)
                    head_ = moved;
                else if (at_ != tail)
                    at_->head.store(moved, std::memory_order_release);
                else
                    tail_head = moved;
            }
            if constexpr (boxed) tail->word[last].store(0, std::memory_order_release);
            tail_head = without_slot(tail_head, last);
            tail->head.store(tail_head, std::memory_order_release);
            if (head::occupancy(tail_head) == 0) {
                before_tail->next.store(nullptr, std::memory_order_release);
                rows_.array_.give_back(tail, shared_);
            }
            publish();
        }
        /// Whether add() had to go beyond the first bucket: a hint that the table should grow.
        bool spilled() const noexcept { return spilled_; }
        bool shared() const noexcept { return shared_; }
        /// Unlocks early. No other member may be called afterwards.
        void unlock() noexcept {
            if (!locked_) return;
            // What was changed without publish() was one word, which readers need not be told of.
            first_->head.store(head_,
                               std::memory_order_release);  // pairs with the acquire in place()
            locked_ = false;
        }

    private:
        template <class Q>
        [[gnu::always_inline]] void find(const Q& key) {
            bucket* c = first_;
            std::uint64_t h = head_;
            for (;;) {
                for (auto m = candidates(c, h, key, hash_); m != 0; m &= m - 1) {
                    const auto s = static_cast<unsigned>(std::countr_zero(m));
                    if constexpr (boxed) {
                        const box* b = box_in(c->word[s].load(std::memory_order_relaxed));
                        if (!b || !Equal()(b->key(), key)) continue;
                    } else if constexpr (!direct) {
                        packed copy;
                        copy_words(copy, c, s, 0, packed::key_words);
                        if (!Equal()(copy.key(), key)) continue;
                    }
                    at_ = c;
                    slot_ = s;
                    return;
                }
                c = c->next.load(std::memory_order_relaxed);  // under the lock, or alone
                if (!c) return;
                h = c->head.load(std::memory_order_relaxed);
            }
        }
        /// Begins a changing phase.
        void open() noexcept {
            // relaxed: the words that follow are stored with release, which keeps them behind this one.
            first_->head.store(head_ | head::changing | (shared_ ? head::locked : 0),
                               std::memory_order_relaxed);
        }
        /// Ends a change, and the lock: one store shows the new head.
        void publish() noexcept {
            head_ = head::bumped(head_);
            first_->head.store(
                head_, std::memory_order_release);  // pairs with the acquire in read() and place()
            locked_ = false;
        }
        void put(const unsigned char* row_words) {
            bucket* c = first_;
            std::uint64_t h = head_;
            bucket* fresh = nullptr;
            while (head::occupancy(h) == all_slots) {
                bucket* n = c->next.load(std::memory_order_relaxed);  // under the lock, or alone
                spilled_ = true;
                if (!n) {
                    fresh = rows_.array_.borrow(shared_);
                    n = fresh;
                    // Not linked yet: `c` stays the chain's end.
                    write_slot(n, 0, row_words);
                    n->head.store(with_slot(0, 0, hash_), std::memory_order_release);
                    c->next.store(n,
                                  std::memory_order_release);  // pairs with the acquire in read()
                    publish();
                    return;
                }
                c = n;
                h = c->head.load(std::memory_order_relaxed);
            }
            const auto s = static_cast<unsigned>(std::countr_one(head::occupancy(h)));
            write_slot(c, s, row_words);
            h = with_slot(h, s, hash_);
            if (c == first_)
                head_ = h;
            else
                c->head.store(h, std::memory_order_release);  // pairs with the acquire in read()
            publish();
        }

        hash_rows& rows_;
        bucket* first_ = nullptr;
        std::uint64_t head_ = 0;  // as it would be without the lock
        std::uint64_t hash_;
        bucket* at_ = nullptr;
        unsigned slot_ = 0;
        bool shared_;
        bool locked_ = false;
        bool spilled_ = false;
        struct nothing {};
        [[no_unique_address]] std::conditional_t<boxed, const box*, nothing> dead_{};
        [[no_unique_address]] std::conditional_t<boxed, nothing, packed> copy_{};
    };

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

    /// Appends the rows of one stretch of hash order, beginning at `pos`, to `out`, all seen at one moment; returns
    /// where the next stretch begins. Boxes are the caller's until its verb ends.
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
    hash_position gather(hash_position pos, unsigned j, bool with_order,
                         std::vector<seen>& out) const {
        const std::size_t kept = out.size();
        for (unsigned round = 0;; ++round) {
            if (round) pause_in_spin(round);
            const std::uint64_t shape_word = array_.packed_shape();
            const shape now = shape::unpack(shape_word);
            const std::uint32_t index = now.index(hash_at(pos.at, j));
            const unsigned depth = std::max(now.level(index), j);
            const bucket* first = array_.at(index);
            const std::uint64_t before =
                first->head.load(std::memory_order_acquire);  // as in read()
            if (before & head::changing) continue;
            bool again = false;
            std::uint64_t h = before;
            for (const bucket* c = first;;) {
                for (auto m = head::occupancy(h); m != 0; m &= m - 1) {
                    const auto s = static_cast<unsigned>(std::countr_zero(m));
                    if constexpr (boxed) {
                        const box* b =
                            box_in(c->word[s].load(std::memory_order_acquire));  // as in read()
                        if (b) out.push_back({0, b});
                    } else {
                        out.emplace_back();
                        copy_words(out.back().held, c, s, 0, words);
                    }
                }
                c = c->next.load(std::memory_order_acquire);  // as in read()
                if (!c) break;
                if (changed(first, before)) {
                    again = true;
                    break;
                }
                h = c->head.load(std::memory_order_acquire);
            }
            const std::uint64_t shape_now = array_.packed_shape();
            if (again || changed(first, before) ||
                (shape_now != shape_word &&
                 (shape::unpack(shape_now).index(hash_at(pos.at, j)) != index ||
                  shape::unpack(shape_now).level(index) != now.level(index)))) {
                out.resize(kept);
                continue;
            }
            const std::uint64_t last = pos.at | (~std::uint64_t{0} >> depth);
            // From its beginning the stretch is the whole bucket, and needs no look at each row's hash.
            const bool whole =
                depth == now.level(index) && (pos.at & (~std::uint64_t{0} >> depth)) == 0;
            if (with_order || !whole) {
                for (std::size_t i = kept; i < out.size(); ++i) {
                    if constexpr (boxed)
                        out[i].order = order_of(out[i].held->hash, j);
                    else
                        out[i].order = order_of(hash_of(out[i].held.key()), j);
                }
                const auto outside = [&](const seen& r) {
                    return r.order < pos.at || r.order > last;
                };
                out.erase(std::remove_if(out.begin() + static_cast<std::ptrdiff_t>(kept), out.end(),
                                         outside),
                          out.end());
            }
            return {last + 1, last == ~std::uint64_t{0}};
        }
    }
    std::uint32_t bucket_count() const noexcept { return array_.current().buckets; }
    /// The rows of bucket `index`, if there is one.
    void gather_bucket(std::uint32_t index, std::vector<seen>& out) const {
        const shape now = array_.current();
        if (index >= now.buckets) return;
        // Where the bucket's stretch of hash order begins.
        const hash_position begin{reverse_bits(index), false};
        (void)gather(begin, 0, false, out);
    }
    /// Loads the bucket after next into the cache.
    void prefetch(hash_position pos, unsigned j) const noexcept {
        if (!pos.end) __builtin_prefetch(array_.at(array_.current().index(hash_at(pos.at, j))));
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
    /// Inserts all rows at one moment: every chain concerned is locked, in the order of its bucket, before the first is
    /// changed. With `only_new`, false and nothing changed if any key is there. May throw bad_alloc, with nothing changed.
    bool insert_many(std::vector<ready>& rows, bool only_new, bool shared, std::uint64_t who) {
        return insert_many(rows, only_new, shared, who, [](ready&, const row&) {});
    }
    /// `join(fresh, there)` may make the row that goes in of the fresh one and the one that is there. It may throw.
    template <class Join>
    bool insert_many(std::vector<ready>& rows, bool only_new, bool shared, std::uint64_t who,
                     Join&& join);

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

    static constexpr std::uint32_t all_slots = (1u << slots) - 1;
    static constexpr std::uint64_t pointer_bits = 0xffff'ffff'ffff;
    static constexpr unsigned stripes = 8;
    struct alignas(64) stripe {
        std::atomic<std::int64_t> rows{0};
    };

    static std::uint64_t box_tag(std::uint64_t hash) noexcept { return (hash >> 48) | 1; }
    static std::uint64_t word_of(const box* b, std::uint64_t hash) noexcept {
        return reinterpret_cast<std::uint64_t>(b) | box_tag(hash) << 48;
    }
    static const box* box_in(std::uint64_t word) noexcept {
        return reinterpret_cast<const box*>(word & pointer_bits);
    }
    static void discard(const box* b) noexcept {
        heirloom::detail::retire(const_cast<box*>(b),
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
    static void unlock_chain(bucket* first, std::uint64_t h) noexcept {
        first->head.store(head::bumped(h), std::memory_order_release);  // as in publish()
    }

    // Buckets borrowed before a chain is touched, so that nothing can fail once it is.
    class spares {
    public:
        spares(bucket_array& a, bool shared) noexcept : array_(a), shared_(shared) {}
        spares(const spares&) = delete;
        spares& operator=(const spares&) = delete;
        ~spares() {
            while (first_) array_.give_back(take(), shared_);
        }
        void borrow(std::size_t n) {
            for (; n > 0; --n) give(array_.borrow(shared_));
        }
        void give(bucket* b) noexcept {
            b->next.store(first_, std::memory_order_release);  // as in give_back()
            first_ = b;
        }
        bucket* take() noexcept {
            bucket* b = first_;
            first_ = b->next.load(std::memory_order_relaxed);  // only this thread knows it
            b->head.store(0, std::memory_order_release);
            b->next.store(nullptr, std::memory_order_release);
            return b;
        }

    private:
        bucket_array& array_;
        bool shared_;
        bucket* first_ = nullptr;
    };

    // Writes rows into a chain from its beginning, over what was there. The chain's lock is held.
    class rebuild {
    public:
        rebuild(bucket* first, std::uint64_t first_head) noexcept
            : first_(first), at_(first), head_(first_head & head::sequence) {}
        void append(const bucket* from, unsigned s, std::uint64_t tag, spares& more) noexcept {
            if (filled_ == slots) advance(more);
            for (unsigned i = 0; i < words;
                 ++i)  // relaxed: under the lock; release: see the file's head
                at_->word[filled_ * words + i].store(
                    from->word[s * words + i].load(std::memory_order_relaxed),
                    std::memory_order_release);
            head_ = with_tag(head_, filled_, tag) | std::uint64_t{1}
                                                        << (head::occupancy_at + filled_);
            ++filled_;
        }
        /// Cuts the chain off after the last row; what is left over becomes a spare. Returns the first bucket's head.
        std::uint64_t finish(spares& more) noexcept {
            close();
            bucket* rest = at_->next.load(std::memory_order_relaxed);
            at_->next.store(nullptr, std::memory_order_release);
            while (rest) {
                bucket* n = rest->next.load(std::memory_order_relaxed);
                if constexpr (boxed)
                    for (auto& word : rest->word) word.store(0, std::memory_order_release);
                more.give(rest);
                rest = n;
            }
            return first_head_;
        }

    private:
        void close() noexcept {
            if constexpr (boxed)
                for (unsigned s = filled_; s < slots; ++s)
                    at_->word[s].store(0, std::memory_order_release);
            if (at_ == first_)
                first_head_ = head_;  // stored by the unlock
            else
                at_->head.store(head_, std::memory_order_release);
        }
        void advance(spares& more) noexcept {
            close();
            bucket* n = at_->next.load(std::memory_order_relaxed);
            if (!n) {
                n = more.take();
                at_->next.store(n, std::memory_order_release);
            }
            at_ = n;
            head_ = 0;
            filled_ = 0;
        }
        bucket* first_;
        bucket* at_;
        std::uint64_t head_;
        std::uint64_t first_head_ = 0;
        unsigned filled_ = 0;
    };

    /// Adds one bucket, splitting the one that has had its rows. Requires: the structure is the caller's to change.
    /// False if there was no memory.
    bool split(bool shared) noexcept {
        const std::uint32_t n = array_.current().buckets;
        const shape next = shape::of(n + 1);
        const std::uint32_t from_index = n & (next.mask >> 1);
        try {
            array_.provide(n);
        } catch (const std::bad_alloc&) {
            return false;
        }
        bucket* from = array_.at(from_index);
        bucket* to = array_.at(n);
        __builtin_prefetch(array_.at(from_index + 1));
        spares more(array_, shared);
        const std::uint64_t from_head = lock_chain(from, shared);
        const std::uint64_t to_head =
            lock_chain(to, false);  // nobody but late readers can reach it
        std::size_t movers = 0;
        std::size_t buckets = 0;
        std::uint64_t h = from_head;
        for (const bucket* c = from; c; ++buckets) {
            for (auto m = head::occupancy(h); m != 0; m &= m - 1)
                movers += (hash_in(c, static_cast<unsigned>(std::countr_zero(m))) & next.mask) == n;
            c = c->next.load(std::memory_order_relaxed);
            if (c) h = c->head.load(std::memory_order_relaxed);
        }
        if (movers > slots) {
            try {
                more.borrow((movers - 1) / slots);
            } catch (const std::bad_alloc&) {
                unlock_chain(to, to_head);
                unlock_chain(from, from_head);
                return false;
            }
        }
        rebuild stays(from, from_head);
        rebuild moves(to, to_head);
        bucket* c = from;
        h = from_head;
        for (std::size_t i = 0; i < buckets; ++i) {
            bucket* after = c->next.load(std::memory_order_relaxed);
            const std::uint64_t after_head =
                after ? after->head.load(std::memory_order_relaxed) : 0;
            for (auto m = head::occupancy(h); m != 0; m &= m - 1) {
                const auto s = static_cast<unsigned>(std::countr_zero(m));
                const bool goes = (hash_in(c, s) & next.mask) == n;
                (goes ? moves : stays).append(c, s, tag_in(h, s), more);
            }
            c = after;
            h = after_head;
        }
        const std::uint64_t new_from = stays.finish(more);
        const std::uint64_t new_to = moves.finish(more);
        // Before the unlocks: who sees the shortened chain sees the shape that says where the rest went.
        array_.set_shape(n + 1);
        unlock_chain(to, new_to);
        unlock_chain(from, new_from);
        return true;
    }

    /// Takes the last bucket away, its rows joining the one they came from. As split().
    bool merge(bool shared) noexcept {
        const std::uint32_t last = array_.current().buckets - 1;
        const std::uint32_t into_index = last & (shape::of(last + 1).mask >> 1);
        bucket* into = array_.at(into_index);
        bucket* from = array_.at(last);
        spares more(array_, shared);
        const std::uint64_t into_head = lock_chain(into, shared);
        const std::uint64_t from_head = lock_chain(from, shared);
        std::size_t movers = 0;
        std::uint64_t h = from_head;
        for (const bucket* c = from; c;) {
            movers += static_cast<std::size_t>(std::popcount(head::occupancy(h)));
            c = c->next.load(std::memory_order_relaxed);
            if (c) h = c->head.load(std::memory_order_relaxed);
        }
        try {
            more.borrow((movers + slots - 1) / slots);
        } catch (const std::bad_alloc&) {
            unlock_chain(from, from_head);
            unlock_chain(into, into_head);
            return false;
        }
        rebuild joined(into, into_head);
        const auto take_all = [&](bucket* c, std::uint64_t chain_head, std::size_t limit) {
            while (c && limit-- > 0) {
                bucket* after = c->next.load(std::memory_order_relaxed);
                const std::uint64_t after_head =
                    after ? after->head.load(std::memory_order_relaxed) : 0;
                for (auto m = head::occupancy(chain_head); m != 0; m &= m - 1) {
                    const auto s = static_cast<unsigned>(std::countr_zero(m));
                    joined.append(c, s, tag_in(chain_head, s), more);
                }
                c = after;
                chain_head = after_head;
            }
        };
        std::size_t own = 0;
        for (const bucket* c = into; c; c = c->next.load(std::memory_order_relaxed)) ++own;
        take_all(into, into_head, own);
        take_all(from, from_head, std::numeric_limits<std::size_t>::max());
        const std::uint64_t new_into = joined.finish(more);
        rebuild emptied(from, from_head);
        const std::uint64_t new_from = emptied.finish(more);
        array_.set_shape(last);  // before the unlocks, as in split()
        unlock_chain(from, new_from);
        unlock_chain(into, new_into);
        array_.trim(last);
        return true;
    }

    // What every reader loads, together: the shape and the first origins follow the seed.
    const std::uint64_t seed_;
    bucket_array array_;
    // The counting.
    alignas(64) std::atomic<std::int64_t> rows_{0};  // by the one writer of an unshared table
    std::atomic<stripe*> stripes_{nullptr};
    std::atomic<std::int64_t> extra_{0};
    std::uint32_t shredded_ = 0;
};

template <class K, class V, class Hash, class Equal>
template <class Join>
bool hash_rows<K, V, Hash, Equal>::insert_many(std::vector<ready>& rows, bool only_new, bool shared,
                                               std::uint64_t who, Join&& join) {
    // Later rows replace earlier ones of the same key, as single inserts in order would; the sort is stable.
    if (rows.empty()) return true;
    if (shared)
        for (unsigned round = 0; !array_.try_lock_structure(); ++round) pause_in_spin(round);
    struct structure_lock {
        bucket_array* array;
        ~structure_lock() {
            if (array) array->unlock_structure();
        }
    } structure{shared ? &array_ : nullptr};

    // The table grows first: chains must not get long while they are locked.
    const auto after = count() + static_cast<std::int64_t>(rows.size());
    while (wants_to_grow(after, array_.current().buckets))
        if (!split(shared)) break;
    const shape now = array_.current();
    std::stable_sort(rows.begin(), rows.end(), [&](const ready& a, const ready& b) {
        return now.index(a.hash) < now.index(b.hash);
    });

    struct locked_chain {
        bucket* first;
        std::uint64_t head;
        std::size_t begin;
        std::size_t end;
    };
    std::vector<locked_chain> chains;
    chains.reserve(rows.size());
    spares more(array_, shared);
    more.borrow(rows.size() / slots + 1);

    struct unlock_all {
        std::vector<locked_chain>& chains;
        ~unlock_all() {
            for (auto& c : chains) unlock_chain(c.first, c.head);
        }
    } unlock{chains};
    for (std::size_t i = 0; i < rows.size();) {
        const auto index = now.index(rows[i].hash);
        std::size_t end = i + 1;
        while (end < rows.size() && now.index(rows[end].hash) == index) ++end;
        bucket* first = array_.at(index);
        chains.push_back({first, lock_chain(first, shared), i, end});
        i = end;
    }
    const auto holds = [&](const bucket* c, std::uint64_t h, const ready& r) -> unsigned {
        const auto& key = r.get().key();
        for (auto m = candidates(c, h, key, r.hash); m != 0; m &= m - 1) {
            const auto s = static_cast<unsigned>(std::countr_zero(m));
            if constexpr (direct) {
                return s;
            } else if constexpr (boxed) {
                const box* b =
                    box_in(c->word[s].load(std::memory_order_relaxed));  // under the lock
                if (b && Equal()(b->key(), key)) return s;
            } else {
                packed copy;
                copy_words(copy, c, s, 0, packed::key_words);
                if (Equal()(copy.key(), key)) return s;
            }
        }
        return slots;
    };
    // First look, which may throw (a user's equality) or refuse; then change, which can do neither.
    std::size_t needed = 0;
    for (auto& chain : chains) {
        std::size_t free_slots = 0;
        std::uint64_t h = chain.head;
        for (const bucket* c = chain.first; c;) {
            free_slots += slots - static_cast<unsigned>(std::popcount(head::occupancy(h)));
            for (std::size_t i = chain.begin; i < chain.end; ++i) {
                const unsigned s = holds(c, h, rows[i]);
                if (s == slots) continue;
                if (only_new) return false;
                if constexpr (boxed)
                    join(rows[i], *box_in(c->word[s].load(std::memory_order_relaxed)));
            }
            c = c->next.load(std::memory_order_relaxed);
            if (c) h = c->head.load(std::memory_order_relaxed);
        }
        const std::size_t more_rows = chain.end - chain.begin;
        if (more_rows > free_slots) needed += (more_rows - free_slots + slots - 1) / slots;
    }
    if (needed > rows.size() / slots + 1) more.borrow(needed - (rows.size() / slots + 1));

    std::vector<const box*> dead;
    if constexpr (boxed) dead.reserve(rows.size());
    std::size_t new_rows = 0;
    for (auto& chain : chains) {
        for (std::size_t i = chain.begin; i < chain.end; ++i) {
            bucket* free_in = nullptr;
            bucket* tail = nullptr;
            bool replaced = false;
            for (bucket* c = chain.first; c; c = c->next.load(std::memory_order_relaxed)) {
                const std::uint64_t h =
                    c == chain.first ? chain.head : c->head.load(std::memory_order_relaxed);
                const unsigned s = holds(c, h, rows[i]);
                if (s != slots) {
                    if constexpr (boxed) {
                        dead.push_back(box_in(c->word[s].load(std::memory_order_relaxed)));
                        c->word[s].store(word_of(rows[i].held.release(), rows[i].hash),
                                         std::memory_order_release);
                    } else {
                        write_slot(c, s, rows[i].held.byte);
                    }
                    replaced = true;
                    break;
                }
                if (!free_in && head::occupancy(h) != all_slots) free_in = c;
                tail = c;
            }
            if (replaced) continue;
            ++new_rows;
            if (!free_in) {
                free_in = more.take();
                tail->next.store(free_in, std::memory_order_release);
            }
            std::uint64_t h =
                free_in == chain.first ? chain.head : free_in->head.load(std::memory_order_relaxed);
            const auto s = static_cast<unsigned>(std::countr_one(head::occupancy(h)));
            if constexpr (boxed) {
                const std::uint64_t w = word_of(rows[i].held.release(), rows[i].hash);
                write_slot(free_in, s, reinterpret_cast<const unsigned char*>(&w));
            } else {
                write_slot(free_in, s, rows[i].held.byte);
            }
            h = with_slot(h, s, rows[i].hash);
            if (free_in == chain.first)
                chain.head = h;
            else
                free_in->head.store(h, std::memory_order_release);
        }
    }
    if (shared)
        stripe_of(who).rows.fetch_add(static_cast<std::int64_t>(new_rows),
                                      std::memory_order_relaxed);  // a count
    else
        rows_.store(rows_.load(std::memory_order_relaxed) + static_cast<std::int64_t>(new_rows),
                    std::memory_order_relaxed);  // as in added()
    for (auto& c : chains) unlock_chain(c.first, c.head);
    chains.clear();
    if constexpr (boxed)
        for (const box* b : dead) discard(b);
    return true;
}

/// An order among keys of one hash, for traversal: by `<` if there is one, else by their bytes. Keys that have neither and
/// share all 64 bits of their hash cannot be told apart by `next`.
template <class K>
bool key_before(const K& a, const K& b) {
    if constexpr (requires {
                      { a < b } -> std::convertible_to<bool>;
                  })
        return a < b;
    else if constexpr (std::has_unique_object_representations_v<K>)
        return std::memcmp(&a, &b, sizeof(K)) < 0;
    else
        return false;
}

/// The first key of `t`, in hash order, at or after `order`; with `after`, the first behind that key. Requires: a read scope.
template <class K, class Equal, class Rows>
std::optional<K> key_following(const Rows& t, const table_core& table, std::uint64_t order,
                               const K* after) {
    std::vector<typename Rows::seen> found;
    bool met = !after || table.fixed();
    hash_position at{order, false};
    do {
        found.clear();
        const bool first_stretch = at.at == order;
        at = t.gather(at, 0, true, found);
        t.prefetch(at, 0);
        const typename Rows::seen* best = nullptr;
        for (const auto& r : found) {
            if (after && r.order == order) {
                if (Equal()(r.get().key(), *after)) met = true;
                if (!key_before(*after, r.get().key())) continue;
            }
            if (!best || r.order < best->order ||
                (r.order == best->order && key_before(r.get().key(), best->get().key())))
                best = &r;
        }
        if (first_stretch && !met) throw no_such_key("next", table.label(), describe(*after));
        if (best) return best->get().key();
    } while (!at.end);
    return std::nullopt;
}

}  // namespace heirloom::ets::detail
