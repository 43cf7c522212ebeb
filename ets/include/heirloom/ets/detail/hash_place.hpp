#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <type_traits>

#include <heirloom/ets/detail/hash_rows.hpp>

// How one row of a hash table is changed. Which stores a reader can tell, and which need a changing phase, is said at
// the head of hash_rows.hpp.
namespace heirloom::ets::detail {

/// One key's place in its chain, with the chain locked (shared) or this the only writer. At most one of
/// replace(), add() and erase() is called. Unlocks at its end, whatever happened.
template <class K, class V, class Hash, class Equal>
class hash_rows<K, V, Hash, Equal>::place {
public:
    // Inlined, so that `shared` and the key stay in registers: half of a write's time.
    template <class Q>
    [[gnu::always_inline]] place(hash_rows& rows, const Q& key, std::uint64_t hash, bool shared)
        : rows_(rows), hash_(hash), shared_(shared) {
        if (shared) {
            const first_locked got = rows_.lock_first(hash);
            first_ = got.first;
            head_ = got.head;
        } else {
            first_ = rows_.array_.of(hash, rows_.array_.packed_shape());
            head_ = first_->head.load(std::memory_order_relaxed);  // nobody else writes
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
        [[maybe_unused]] const key_code_scope<users_equality> inside;
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

}  // namespace heirloom::ets::detail
