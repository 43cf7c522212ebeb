#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

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

/// The key of `t` that comes first in hash order; with `after`, whose hash is `hash`, the first behind that key. Requires: a
/// read scope.
template <class K, class Equal, class Rows>
std::optional<K> key_following(const Rows& t, const table_core& table, std::uint64_t hash,
                               const K* after) {
    typename Rows::seen_rows found;
    hash_position at{after ? order_of(hash, 0) : 0, false};
    bool first_stretch = after != nullptr;
    for (;;) {
        const auto covered = t.gather_bucket_at(at, 0, found);
        t.prefetch({covered.last + 1, false});
        bool met = !first_stretch;
        const typename Rows::seen* best = nullptr;
        for (auto& r : found) {
            r.order = t.hash_of_seen(r);
            if (first_stretch) {
                if (r.order == hash) [[unlikely]] {
                    [[maybe_unused]] const key_code_scope<Rows::users_equality> inside;
                    if (Equal()(r.get().key(), *after)) {
                        met = true;
                        continue;
                    }
                    if (!key_before(*after, r.get().key())) continue;
                } else if (!comes_before(hash, r.order)) {
                    continue;
                }
            }
            if (!best || comes_before(r.order, best->order) ||
                (r.order == best->order && key_before(r.get().key(), best->get().key())))
                best = &r;
        }
        if (!met && !table.fixed()) throw no_such_key("next", table.label(), describe(*after));
        if (best) return best->get().key();
        if (covered.last == ~std::uint64_t{0}) return std::nullopt;
        at.at = covered.last + 1;
        first_stretch = false;
    }
}

}  // namespace heirloom::ets::detail
