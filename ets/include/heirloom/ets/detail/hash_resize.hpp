#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>

#include <heirloom/ets/detail/hash_rows.hpp>

// Growth and shrinking of a hash table by one bucket at a time: linear hashing. The rows of the two chains concerned
// are written afresh; whoever misses a row meanwhile sees another shape and looks again.
namespace heirloom::ets::detail {

// Buckets borrowed before a chain is touched, so that nothing can fail once it is.
template <class K, class V, class Hash, class Equal>
class hash_rows<K, V, Hash, Equal>::spares {
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
template <class K, class V, class Hash, class Equal>
class hash_rows<K, V, Hash, Equal>::rebuild {
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
        head_ = with_tag(head_, filled_, tag) | std::uint64_t{1} << (head::occupancy_at + filled_);
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

template <class K, class V, class Hash, class Equal>
bool hash_rows<K, V, Hash, Equal>::split(bool shared) noexcept {
    const std::uint32_t n = array_.current().buckets;
    const shape next = shape::of(n + 1);
    const std::uint32_t from_index = n & (next.mask >> 1);
    try {
        array_.provide(n, shared, this->reaper);
    } catch (const std::bad_alloc&) {
        return false;
    }
    bucket* from = array_.at(from_index);
    bucket* to = array_.at(n);
    __builtin_prefetch(array_.at(from_index + 1));
    spares more(array_, shared);
    const std::uint64_t from_head = lock_chain(from, shared);
    // Locked like any other: between the new shape and the unlock writers come here, and come too early.
    const std::uint64_t to_head = lock_unused(to, shared);
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
            close_unused(to, to_head);
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
        const std::uint64_t after_head = after ? after->head.load(std::memory_order_relaxed) : 0;
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

template <class K, class V, class Hash, class Equal>
bool hash_rows<K, V, Hash, Equal>::merge(bool shared) noexcept {
    const std::uint32_t last = array_.current().buckets - 1;
    const std::uint32_t into_index = last & (shape::of(last + 1).mask >> 1);
    bucket* into = array_.at(into_index);
    bucket* from = array_.at(last);
    spares more(array_, shared);
    // Both without writers before readers are held up: whoever holds the second may be reading the first (R5).
    const std::uint64_t into_head = keep_writers_out(into, shared);
    const std::uint64_t from_head = keep_writers_out(from, shared);
    begin_change(into, into_head, shared);
    begin_change(from, from_head, shared);
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
    close_unused(from, new_from);
    unlock_chain(into, new_into);
    array_.trim(last);
    return true;
}

}  // namespace heirloom::ets::detail
