#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/keyed_table.hpp>
#include <heirloom/ets/detail/tree_rows.hpp>

namespace heirloom::ets {

namespace detail {
template <class Compare, class K>
struct ordered_lookup_argument {
    using type = const K&;
};
/// With the default order strings are looked up by what converts to a string_view.
template <>
struct ordered_lookup_argument<std::less<>, std::string> {
    using type = std::string_view;
};
}  // namespace detail

/// A table of unique keys in ascending order (OTP: ordered_set). Keys of which neither is below the other are the same key:
/// what is stored keeps the form it was inserted with, until another insert replaces the row. Otherwise as `set`.
template <class K, class V, class Compare = std::less<>>
class ordered_set
    : public detail::keyed_table<ordered_set<K, V, Compare>, K, V, detail::tree_rows<K, V, Compare>,
                                 typename detail::ordered_lookup_argument<Compare, K>::type> {
    using rows_type = detail::tree_rows<K, V, Compare>;
    using base = detail::keyed_table<ordered_set, K, V, rows_type,
                                     typename detail::ordered_lookup_argument<Compare, K>::type>;
    friend base;
    friend class detail::traversal<ordered_set, K, V>;
    template <class, class>
    friend class detail::pager;

public:
    using typename base::key_argument;
    using typename base::value_type;

    static constexpr detail::table_type table_type_of{
        kind::ordered_set, heirloom::detail::type_name<K>(), heirloom::detail::type_name<V>()};

    /// Names no table.
    ordered_set() = default;
    /// Makes a table that the running process owns. Throws name_taken, not_in_process.
    explicit ordered_set(const table_options& options) : base(options) {}
    static ordered_set create(const table_options& options = {}) { return ordered_set(options); }
    /// As set::claim_or_create.
    static ordered_set claim_or_create(const table_options& options) {
        return ordered_set(base::claimed_or_made(options));
    }

    // --- In order. A key need not be there to ask what follows it. ---

    std::optional<K> first() const { return neighbour("first", nullptr, true); }
    std::optional<K> last() const { return neighbour("last", nullptr, false); }
    std::optional<K> next(key_argument key) const {
        const K exact(key);
        return neighbour("next", &exact, true);
    }
    std::optional<K> prev(key_argument key) const {
        const K exact(key);
        return neighbour("prev", &exact, false);
    }
    /// The rows with `from <= key < to`, in order.
    std::vector<value_type> range(const K& from, const K& to) const {
        std::vector<value_type> result;
        walk w{from, true, true, false};
        bool beyond = false;
        while (!w.end() && !beyond)
            walk_chunk(w, "range", [&](const K& key, const V& value) {
                if (beyond || !Compare()(key, to))
                    beyond = true;
                else
                    result.emplace_back(key, value);
            });
        return result;
    }
    /// As select, from the last row to the first.
    template <std::predicate<const K&, const V&> P>
    std::vector<value_type> select_reverse(P&& predicate) const {
        std::vector<value_type> found;
        this->walk_all(
            "select_reverse",
            [&](const K& key, const V& value) {
                if (predicate(key, value)) found.emplace_back(key, value);
            },
            true);
        return found;
    }
    template <std::predicate<const K&, const V&> P, std::invocable<const K&, const V&> F>
    auto select_reverse(P predicate, F projection, std::size_t limit) const {
        this->require_limit(limit);
        auto f = this->as_match(std::move(predicate), std::move(projection));
        return detail::pager<ordered_set, decltype(f)>(*this, std::move(f), limit, true);
    }
    /// As fold, from the last row to the first (OTP: foldr).
    template <class A, std::invocable<const K&, const V&, A> F>
    A fold_reverse(A accumulator, F&& f) const {
        this->walk_all(
            "fold_reverse",
            [&](const K& key, const V& value) {
                accumulator = f(key, value, std::move(accumulator));
            },
            true);
        return accumulator;
    }
    /// The row at that place in order, from 0; nothing just after the last. Throws bad_table_argument beyond that.
    std::optional<value_type> slot(std::size_t index) const {
        std::optional<value_type> found;
        std::size_t n = 0;
        walk w = begin_walk(false);
        while (!w.end() && !found)
            walk_chunk(w, "slot", [&](const K& key, const V& value) {
                if (n++ == index) found.emplace(key, value);
            });
        if (!found && index > n)
            throw bad_table_argument("slot", this->to_string(),
                                     "there is no slot " + std::to_string(index));
        return found;
    }

    friend std::ostream& operator<<(std::ostream& out, const ordered_set& s) {
        return out << static_cast<const detail::handle&>(s);
    }

private:
    explicit ordered_set(detail::table_ref ref) noexcept : base(std::move(ref)) {}

    struct walk {
        bool end() const noexcept { return done; }
        std::optional<K> at;  // the last key seen; none: at the very beginning
        bool inclusive = false;
        bool up = true;
        bool done = false;
    };
    walk begin_walk(bool backwards) const {
        detail::reading scope(*this->core_, "select");
        return {std::nullopt, false, !backwards, false};
    }
    template <class F>
    void walk_chunk(walk& w, const char* verb, F&& f) const {
        std::vector<typename rows_type::seen> found;
        detail::reading scope(*this->core_, verb);
        const auto& t = this->rows();
        heirloom::detail::callback_scope inside;
        for (unsigned leaves = 0; leaves < 16; ++leaves) {
            found.clear();
            const K* from = w.at ? &*w.at : nullptr;
            if (w.up ? !t.gather_up(from, w.inclusive, found) : !t.gather_down(from, found)) {
                w.done = true;
                return;
            }
            w.inclusive = false;
            for (const auto& r : found) f(r.get().key(), r.get().value());
            w.at.emplace(found.back().get().key());
        }
    }
    std::optional<K> neighbour(const char* verb, const K* key, bool up) const {
        detail::reading scope(*this->core_, verb);
        std::vector<typename rows_type::seen> found;
        const auto& t = this->rows();
        if (up ? !t.gather_up(key, false, found) : !t.gather_down(key, found)) return std::nullopt;
        return found.front().get().key();
    }
};

}  // namespace heirloom::ets

namespace heirloom {
template <class K, class V, class Compare>
struct owns_what_it_holds<ets::ordered_set<K, V, Compare>> : std::true_type {};
}  // namespace heirloom
