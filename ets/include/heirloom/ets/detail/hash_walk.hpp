#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>
#include <vector>

#include <heirloom/ets/detail/core.hpp>
#include <heirloom/ets/detail/hash_order.hpp>
#include <heirloom/ets/errors.hpp>

// first and next of a hash table.
namespace heirloom::ets::detail {

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
