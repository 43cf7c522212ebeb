#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/hash_resize.hpp>
#include <heirloom/ets/detail/hash_rows.hpp>

// Many rows at one moment (R8): every chain concerned is locked, then changed, then unlocked. Who sees one new row finds
// every other chain locked or changed. All that can be done before, in steps that let others have a turn, is: making
// the rows, sorting them, growing the table.
namespace heirloom::ets::detail {

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

    // provide_for() has made room; what others have added since may ask for a little more.
    const auto after = count() + static_cast<std::int64_t>(rows.size());
    while (wants_to_grow(after, array_.current().buckets))
        if (!split(shared)) break;
    const shape now = array_.current();

    struct locked_chain {
        bucket* first;
        std::uint64_t head;
        std::size_t begin;
        std::size_t end;
    };
    std::vector<locked_chain> chains;
    chains.reserve(rows.size());
    spares more(array_, shared);

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
    more.borrow(needed);

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

}  // namespace heirloom::ets::detail
