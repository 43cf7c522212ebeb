#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <heirloom/ets/detail/hash_rows.hpp>

// How walks meet the rows of a hash table: a bucket at a time, each seen at one moment.
namespace heirloom::ets::detail {

template <class K, class V, class Hash, class Equal>
auto hash_rows<K, V, Hash, Equal>::gather_bucket_at(hash_position pos, unsigned j,
                                                    seen_rows& out) const -> stretch {
    const std::uint64_t hash = hash_at(pos.at, j);
    for (unsigned round = 0;; ++round) {
        if (round) pause_in_spin(round);
        out.clear();
        const std::uint64_t shape_word = array_.packed_shape();
        const shape now = shape::unpack(shape_word);
        const std::uint32_t index = now.index(hash);
        const unsigned level = now.level(index);
        const bucket* first = array_.at(index);
        const std::uint64_t before = first->head.load(std::memory_order_acquire);  // as in read()
        if (before & head::changing) continue;
        const bulk_record* record = nullptr;
        if (before & head::pending) [[unlikely]] {
            record = record_.load(std::memory_order_acquire);  // both as in read_pending()
            if (!record) continue;
            if (!record->committed.load(std::memory_order_acquire)) record = nullptr;
        }
        bool again = false;
        std::uint64_t h = before;
        for (const bucket* c = first;;) {
            // As in read(): a box is there with its word, which comes before the head that counts it.
            for (auto m = boxed ? all_slots : head::occupancy(h); m != 0; m &= m - 1) {
                const auto s = static_cast<unsigned>(std::countr_zero(m));
                if constexpr (boxed) {
                    const box* b = box_in(c->word[s].load(std::memory_order_acquire));
                    if (b) out.add().held = b;
                } else {
                    copy_words(out.add().held, c, s, 0, words);
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
        if (again || changed(first, before)) continue;
        const std::uint64_t shape_now = array_.packed_shape();
        if (shape_now != shape_word) [[unlikely]] {
            const shape later = shape::unpack(shape_now);
            if (later.index(hash) != index || later.level(index) != level) continue;
        }
        if (record) [[unlikely]]
            lay_over(*record, now, index, out);
        const unsigned depth = std::max(level, j);
        const std::uint64_t mask = ~std::uint64_t{0} >> depth;
        return {pos.at | mask, depth == level && (pos.at & mask) == 0};
    }
}

template <class K, class V, class Hash, class Equal>
void hash_rows<K, V, Hash, Equal>::lay_over(const bulk_record& record, shape now,
                                            std::uint32_t index, seen_rows& out) const {
    [[maybe_unused]] const key_code_scope<users_equality> inside;
    // Those of one bucket are together, and begin where its stretch of hash order does.
    auto r = std::lower_bound(
        record.rows.begin(), record.rows.end(), reverse_bits(index),
        [](const auto& entry, std::uint64_t order) { return reverse_bits(entry.hash) < order; });
    for (; r != record.rows.end() && now.index(r->hash) == index; ++r) {
        seen* there = std::find_if(out.begin(), out.end(), [&](const seen& s) {
            return Equal()(s.get().key(), r->get().key());
        });
        if (there == out.end()) there = &out.add();
        there->held = r->held;
    }
}

template <class K, class V, class Hash, class Equal>
hash_position hash_rows<K, V, Hash, Equal>::gather(hash_position pos, unsigned j,
                                                   seen_rows& out) const {
    const stretch covered = gather_bucket_at(pos, j, out);
    if (!covered.whole) {
        std::size_t kept = 0;
        for (const seen& r : out) {
            const std::uint64_t order = order_of(hash_of_seen(r), j);
            if (order >= pos.at && order <= covered.last) out[kept++] = r;
        }
        out.shrink(kept);
    }
    return {covered.last + 1, covered.last == ~std::uint64_t{0}};
}

}  // namespace heirloom::ets::detail
