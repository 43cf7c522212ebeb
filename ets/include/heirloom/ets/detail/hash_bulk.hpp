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

// Many rows at one moment (R8). All that can be done before, in steps that let others have a turn, is: making the rows,
// sorting them, growing the table. Then
//   1  every chain concerned is locked, which keeps writers out and holds no reader up;
//   2  they are looked at, and where each row goes is noted: what may refuse or throw does so here;
//   3  all are marked changing, and from here on nothing can fail;
//   4  one after the other is changed and unlocked. Who sees one new row finds every other chain changing or changed.
// So a reader waits from 3 until its chain's turn in 4, and not at all for an insert that is refused.
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
    /// Where a row goes: to the slot of its key; or, with `in` null, to where row `at` of this insert does, itself if it is new.
    struct target {
        bucket* in;
        std::size_t at;
    };
    std::vector<target> targets;
    targets.reserve(rows.size());
    spares more(array_, shared);

    struct unlock_all {
        std::vector<locked_chain>& chains;
        ~unlock_all() {
            for (auto& c : chains)
                if (c.first) unlock_chain(c.first, c.head);
        }
    } unlock{chains};
    constexpr std::size_t ahead = 8;  // rows whose buckets are on their way into the cache
    for (std::size_t i = 0; i < rows.size();) {
        const auto index = now.index(rows[i].hash);
        std::size_t end = i + 1;
        while (end < rows.size() && now.index(rows[end].hash) == index) ++end;
        bucket* first = array_.at(index);
        chains.push_back({first, keep_writers_out(first, shared), i, end});
        i = end;
        if (i + ahead < rows.size())
            __builtin_prefetch(array_.at(now.index(rows[i + ahead].hash)), 1);
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
    [[maybe_unused]] const key_code_scope<users_equality> inside;
    const auto find = [&](const locked_chain& chain, const ready& r) -> target {
        std::uint64_t h = chain.head;
        for (bucket* c = chain.first;;) {
            if (const unsigned s = holds(c, h, r); s != slots) return {c, s};
            c = c->next.load(std::memory_order_relaxed);  // under the lock
            if (!c) return {nullptr, 0};
            h = c->head.load(std::memory_order_relaxed);
        }
    };
    std::size_t needed = 0;
    std::size_t new_rows = 0;
    for (auto& chain : chains) {
        for (std::size_t i = chain.begin; i < chain.end; ++i) {
            if (const target found = find(chain, rows[i]); found.in) {
                if (only_new) return false;
                if constexpr (boxed)
                    join(rows[i],
                         *box_in(found.in->word[found.at].load(std::memory_order_relaxed)));
                targets.push_back(found);
                continue;
            }
            std::size_t first = chain.begin;  // of the rows of this insert that have the key
            while (first < i && !(rows[first].hash == rows[i].hash &&
                                  Equal()(rows[first].get().key(), rows[i].get().key())))
                ++first;
            targets.push_back({nullptr, first});
            if (first == i) ++new_rows;
        }
        std::size_t free_slots = 0;
        for (const bucket* c = chain.first; c; c = c->next.load(std::memory_order_relaxed)) {
            const auto h = c == chain.first ? chain.head : c->head.load(std::memory_order_relaxed);
            free_slots += slots - static_cast<unsigned>(std::popcount(head::occupancy(h)));
        }
        const std::size_t more_rows = chain.end - chain.begin;
        if (more_rows > free_slots) needed += (more_rows - free_slots + slots - 1) / slots;
    }
    more.borrow(needed);

    std::vector<const box*> dead;
    if constexpr (boxed) dead.reserve(rows.size());
    for (auto& chain : chains)
        // relaxed: as in place::open(), the words that follow are stored with release.
        chain.first->head.store(chain.head | head::changing | (shared ? head::locked : 0),
                                std::memory_order_relaxed);
    if (shared)
        stripe_of(who).rows.fetch_add(static_cast<std::int64_t>(new_rows),
                                      std::memory_order_relaxed);  // a count
    else
        rows_.store(rows_.load(std::memory_order_relaxed) + static_cast<std::int64_t>(new_rows),
                    std::memory_order_relaxed);  // as in added()
    for (auto& chain : chains) {
        for (std::size_t i = chain.begin; i < chain.end; ++i) {
            // Rows do not move meanwhile; the first of a key has noted the slot it got.
            const target& to = targets[i].in ? targets[i] : targets[targets[i].at];
            if (to.in) {
                if constexpr (boxed) {
                    auto& word = to.in->word[to.at];
                    dead.push_back(box_in(word.load(std::memory_order_relaxed)));
                    word.store(word_of(rows[i].held.release(), rows[i].hash),
                               std::memory_order_release);
                } else {
                    write_slot(to.in, static_cast<unsigned>(to.at), rows[i].held.byte);
                }
                continue;
            }
            bucket* free_in = nullptr;
            bucket* tail = nullptr;
            for (bucket* c = chain.first; c && !free_in;
                 c = c->next.load(std::memory_order_relaxed)) {
                const auto h =
                    c == chain.first ? chain.head : c->head.load(std::memory_order_relaxed);
                if (head::occupancy(h) != all_slots) free_in = c;
                tail = c;
            }
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
            targets[i] = {free_in, s};
            h = with_slot(h, s, rows[i].hash);
            if (free_in == chain.first)
                chain.head = h;
            else
                free_in->head.store(h, std::memory_order_release);
        }
        unlock_chain(std::exchange(chain.first, nullptr), chain.head);
    }
    if constexpr (boxed)
        for (const box* b : dead) discard(b);
    return true;
}

}  // namespace heirloom::ets::detail
