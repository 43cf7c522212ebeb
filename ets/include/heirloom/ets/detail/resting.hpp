#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <heirloom/detail/activity.hpp>

// Long work outside any table, in steps between which others get a turn and a kill may strike (R8).
namespace heirloom::ets::detail {

inline constexpr std::size_t rows_a_rest = 1024;

/// To be called between steps of about so many rows.
inline void rest() { heirloom::detail::safe_point(rows_a_rest / 4); }
/// To be called after each of many rows, with how many there have been.
inline void rest_after(std::size_t rows) {
    if (rows % rows_a_rest == 0) rest();
}

/// Calls `step`, which does about so many rows, until it says that it was the last.
template <class F>
void in_steps(F step) {
    while (!step()) rest();
}

/// As std::stable_sort.
template <class T, class Less>
void sort_resting(std::vector<T>& items, Less less) {
    const std::size_t n = items.size();
    const auto at = [&](std::size_t i) {
        return items.begin() + static_cast<std::ptrdiff_t>(std::min(i, n));
    };
    for (std::size_t i = 0; i < n; i += rows_a_rest) {
        std::stable_sort(at(i), at(i + rows_a_rest), less);
        rest_after(i + rows_a_rest);
    }
    std::vector<T> merged;
    for (std::size_t width = rows_a_rest; width < n; width *= 2) {
        merged.clear();
        merged.reserve(n);
        for (std::size_t i = 0; i < n; i += 2 * width) {
            auto left = at(i);
            auto right = at(i + width);
            const auto left_end = right;
            const auto right_end = at(i + 2 * width);
            while (left != left_end || right != right_end) {
                const bool from_right =
                    left == left_end || (right != right_end && less(*right, *left));
                merged.push_back(std::move(from_right ? *right++ : *left++));
                rest_after(merged.size());
            }
        }
        items.swap(merged);
    }
}

}  // namespace heirloom::ets::detail
