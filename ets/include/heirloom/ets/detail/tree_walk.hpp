#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <heirloom/ets/detail/tree_rows.hpp>

// How the rows of an ordered_set are met in order, leaf by leaf.
namespace heirloom::ets::detail {

template <class K, class V, class Compare>
bool tree_rows<K, V, Compare>::gather_beside(bool up, seen_rows& out, leaf_found& last) const {
    const node* parent = last.parent;
    if (!parent || (up ? last.index >= parent->size() : last.index == 0)) return false;
    const unsigned i = up ? last.index + 1 : last.index - 1;
    const node* leaf = parent->child(i);
    // As in go_down(): as long as the parent is what it was, so are the separators left and right of both leaves.
    if (parent->changed(last.version)) return false;
    const std::uint64_t version = leaf->stable_version();
    if ((version & 1) || parent->changed(last.version)) return false;
    copy_rows(leaf, 0, leaf->size(), up, out);
    if (leaf->changed(version)) return false;
    last.index = i;
    return out.size() > 0;
}

template <class K, class V, class Compare>
bool tree_rows<K, V, Compare>::gather(const K* from, bool inclusive, bool up, seen_rows& out,
                                      leaf_found& last, unsigned limit) const {
    if (gather_beside(up, out, last)) return true;
    [[maybe_unused]] const key_code_scope<users_order> inside;
    // The bound moves from leaf to leaf by separators; at_word holds the one in use.
    std::uint64_t at_word = 0;
    bool at_separator = false;
    enum class outcome : std::uint8_t { rows, none_here, none_left, again };
    for (unsigned round = 0;; ++round) {
        if (round > 8) pause_in_spin(round);
        const auto step = [&](const auto* bound) {
            descent d;
            const bool down_ok = go_down(d, [&](const node* n) {
                if (!bound) return up ? 0u : n->size();
                return up ? n->children_up_to(*bound) : n->first_not_below(*bound);
            });
            if (!down_ok) return outcome::again;
            unsigned begin = 0;
            unsigned end = d.leaf->size();
            if (bound && up) {
                begin = inclusive || at_separator ? d.leaf->first_not_below(*bound)
                                                  : d.leaf->children_up_to(*bound);
                begin = std::min(begin, end);  // it may shrink meanwhile
            } else if (bound) {
                end = std::min(end, d.leaf->first_not_below(*bound));
            }
            if (end - begin > limit) (up ? end : begin) = up ? begin + limit : end - limit;
            copy_rows(d.leaf, begin, end, up, out);
            if (d.leaf->changed(d.version)) return outcome::again;
            last = d.at;
            if (out.size() > 0) return outcome::rows;
            if (up ? !d.has_right : !d.has_left) return outcome::none_left;
            at_word = up ? d.right : d.left;
            return outcome::none_here;
        };
        outcome met;
        if (at_separator) {
            const auto& bound = separator(at_word);
            met = step(&bound);
        } else {
            met = step(from);
        }
        if (met == outcome::rows) return true;
        if (met == outcome::none_left) return false;
        if (met == outcome::none_here) at_separator = true;
    }
}

}  // namespace heirloom::ets::detail
