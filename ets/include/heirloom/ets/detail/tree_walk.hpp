#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <heirloom/ets/detail/tree_rows.hpp>

// How the rows of an ordered_set are met in order, leaf by leaf.
namespace heirloom::ets::detail {

template <class K, class V, class Compare>
bool tree_rows<K, V, Compare>::gather(const K* from, bool inclusive, bool up,
                                      std::vector<seen>& out) const {
    // The bound moves from leaf to leaf by separators; at_word holds the one in use.
    std::uint64_t at_word = 0;
    bool at_separator = false;
    for (unsigned round = 0;; ++round) {
        if (round > 8) pause_in_spin(round);
        const auto bulk = bulk_.load(std::memory_order_acquire);  // as in read()
        if (bulk & 1) continue;
        const auto step = [&](const auto* bound) -> int {  // 1: rows, 0: none here, -1: again
            descent d;
            const bool down_ok = go_down(d, [&](const node* n) {
                if (!bound) return up ? 0u : n->size();
                return up ? n->children_up_to(*bound) : n->first_not_below(*bound);
            });
            if (!down_ok) return -1;
            const unsigned size = d.leaf->size();
            unsigned begin = 0;
            unsigned end = size;
            if (bound && up) {
                begin = inclusive || at_separator ? d.leaf->first_not_below(*bound)
                                                  : d.leaf->children_up_to(*bound);
            } else if (bound) {
                end = std::min(size, d.leaf->first_not_below(*bound));
            }
            const std::size_t kept = out.size();
            for (unsigned i = begin; i < end; ++i) {
                if constexpr (boxed)
                    out.push_back({d.leaf->box_at(i)});
                else
                    out.push_back({d.leaf->row_at(i)});
            }
            if (d.leaf->changed(d.version) || bulk_.load(std::memory_order_relaxed) != bulk) {
                out.erase(out.begin() + static_cast<std::ptrdiff_t>(kept), out.end());
                return -1;
            }
            if (out.size() > kept) {
                if (!up) std::reverse(out.begin() + static_cast<std::ptrdiff_t>(kept), out.end());
                return 1;
            }
            if (up ? !d.has_right : !d.has_left) return 2;
            at_word = up ? d.right : d.left;
            return 0;
        };
        int outcome;
        if (at_separator) {
            const auto& bound = separator(at_word);
            outcome = step(&bound);
        } else {
            outcome = step(from);
        }
        if (outcome == 1) return true;
        if (outcome == 2) return false;
        if (outcome == 0) at_separator = true;
    }
}

}  // namespace heirloom::ets::detail
