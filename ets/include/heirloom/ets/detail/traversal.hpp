#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/core.hpp>

// The verbs that go through a whole table, for every table type. They work in chunks: each chunk is a verb of its own,
// with a safe point and a look at the gate, so a walk through millions of rows holds nobody up, notices when the table
// goes, and leaves nothing behind if its process is killed. Between chunks only a position in the table's order is kept,
// which stays exact whatever is inserted, erased, split or merged meanwhile.
namespace heirloom::ets {

/// `select` clauses: the first whose predicate holds gives the result (OTP: a match specification of several clauses).
template <class Predicate, class Projection>
struct clause {
    Predicate predicate;
    Projection projection;
};
template <class Predicate, class Projection>
clause(Predicate, Projection) -> clause<Predicate, Projection>;

/// A function for `match` made of clauses.
template <class First, class... Rest>
auto first_of(First first, Rest... rest) {
    return [clauses = std::tuple<First, Rest...>(std::move(first), std::move(rest)...)](
               const auto& key, const auto& value) {
        using result = std::decay_t<std::invoke_result_t<const decltype(first.projection)&,
                                                         decltype(key), decltype(value)>>;
        std::optional<result> found;
        std::apply(
            [&](const auto&... c) {
                (void)((c.predicate(key, value) ? (found.emplace(c.projection(key, value)), true)
                                                : false) ||
                       ...);
            },
            clauses);
        return found;
    };
}

namespace detail {

// How a walk in progress is kept between two chunks. A value; holds no row and no lock.
template <class Table, class F>
class pager {
public:
    using result = typename std::invoke_result_t<F&, const typename Table::key_type&,
                                                 const typename Table::mapped_type&>::value_type;

    pager(Table table, F f, std::size_t limit, const char* verb, bool backwards)
        : table_(std::move(table)),
          f_(std::move(f)),
          limit_(limit),
          verb_(verb),
          cursor_(table_.begin_walk(backwards)) {
        fill();
    }
    /// The results of this page: `limit` of them, fewer only on the last.
    const std::vector<result>& rows() const noexcept { return rows_; }
    std::vector<result>& rows() noexcept { return rows_; }
    /// False at the end of the table (OTP: '$end_of_table'): this page has no rows and none follows.
    explicit operator bool() const noexcept { return !rows_.empty(); }
    /// Goes on to the next page. Throws no_such_table if the table is gone, also if another has its name.
    void next() {
        rows_.clear();
        fill();
    }

private:
    void fill() {
        while (pending_.size() < limit_ && !cursor_.end())
            table_.walk_chunk(cursor_, verb_, [&](const auto& key, const auto& value) {
                if (auto r = f_(key, value)) pending_.push_back(*std::move(r));
            });
        const auto n = std::min(limit_, pending_.size());
        const auto cut = pending_.begin() + static_cast<std::ptrdiff_t>(n);
        rows_.assign(std::make_move_iterator(pending_.begin()), std::make_move_iterator(cut));
        pending_.erase(pending_.begin(), cut);
    }

    Table table_;
    F f_;
    std::size_t limit_;
    const char* verb_;
    typename Table::walk cursor_;
    std::vector<result> pending_;  // found in the same chunk, for the next page
    std::vector<result> rows_;
};

/// What set, ordered_set and the bags have in common. Derived gives: key_type, mapped_type, walk (a position),
/// begin_walk(backwards), walk_chunk(walk&, verb, f); for one key erase_matching and replace_matching, which say how many
/// objects they changed; same_row(a, b): whether two keys met one after the other are one row (of a bag).
template <class Derived, class K, class V>
class traversal {
    static_assert(heirloom::detail::owns<K>() && heirloom::detail::owns<V>(),
                  "heirloom: a table must own what it holds; use std::string, std::vector or "
                  "shared_ptr<const T>");
    static_assert(std::is_copy_constructible_v<K> && std::is_copy_constructible_v<V>,
                  "heirloom: rows of a table are copied out to whoever reads them; hold what "
                  "cannot be copied by "
                  "shared_ptr<const T>");
    static_assert(alignof(K) <= 64 && alignof(V) <= 64,
                  "heirloom: rows of a table are aligned to a cache line at most");

public:
    /// All rows for which `predicate(key, value)` holds, as pairs (OTP: match_object). Not a snapshot: a row that is
    /// there throughout is found exactly once; one that comes or goes meanwhile may be found or not.
    template <std::predicate<const K&, const V&> P>
    std::vector<std::pair<K, V>> select(P&& predicate) const {
        return select(std::forward<P>(predicate), pair_up);
    }
    /// `projection(key, value)` of all rows for which the predicate holds.
    template <std::predicate<const K&, const V&> P, std::invocable<const K&, const V&> F>
    auto select(P&& predicate, F&& projection) const {
        std::vector<std::decay_t<std::invoke_result_t<F&, const K&, const V&>>> found;
        walk_all("select", [&](const K& key, const V& value) {
            if (predicate(key, value)) found.push_back(std::invoke(projection, key, value));
        });
        return found;
    }
    /// The same in pages of `limit` results: `for (auto page = t.select(p, f, 100); page; page.next()) use(page.rows());`
    template <std::predicate<const K&, const V&> P, std::invocable<const K&, const V&> F>
    auto select(P predicate, F projection, std::size_t limit) const {
        require_limit("select", limit);
        auto f = as_match(std::move(predicate), std::move(projection));
        return pager<Derived, decltype(f)>(derived(), std::move(f), limit, "select", false);
    }
    /// The rows themselves in pages (OTP: match_object/3).
    template <std::predicate<const K&, const V&> P>
    auto select(P predicate, std::size_t limit) const {
        return select(std::move(predicate), pair_up, limit);
    }
    /// As select, from the last row to the first; of a table without order the same as select.
    template <std::predicate<const K&, const V&> P>
    std::vector<std::pair<K, V>> select_reverse(P&& predicate) const {
        return select_reverse(std::forward<P>(predicate), pair_up);
    }
    template <std::predicate<const K&, const V&> P, std::invocable<const K&, const V&> F>
    auto select_reverse(P&& predicate, F&& projection) const {
        std::vector<std::decay_t<std::invoke_result_t<F&, const K&, const V&>>> found;
        walk_all(
            "select_reverse",
            [&](const K& key, const V& value) {
                if (predicate(key, value)) found.push_back(std::invoke(projection, key, value));
            },
            true);
        return found;
    }
    template <std::predicate<const K&, const V&> P, std::invocable<const K&, const V&> F>
    auto select_reverse(P predicate, F projection, std::size_t limit) const {
        require_limit("select_reverse", limit);
        auto f = as_match(std::move(predicate), std::move(projection));
        return pager<Derived, decltype(f)>(derived(), std::move(f), limit, "select_reverse", true);
    }
    /// `f(key, value)` returns an optional: the results of all rows for which it has a value. See first_of.
    template <std::invocable<const K&, const V&> F>
    auto match(F&& f) const {
        std::vector<typename std::invoke_result_t<F&, const K&, const V&>::value_type> found;
        walk_all("match", [&](const K& key, const V& value) {
            if (auto r = f(key, value)) found.push_back(*std::move(r));
        });
        return found;
    }
    template <std::invocable<const K&, const V&> F>
    auto match(F f, std::size_t limit) const {
        require_limit("match", limit);
        return pager<Derived, F>(derived(), std::move(f), limit, "match", false);
    }
    /// How many rows the predicate holds for.
    template <std::predicate<const K&, const V&> P>
    std::size_t select_count(P&& predicate) const {
        std::size_t n = 0;
        walk_all("select_count",
                 [&](const K& key, const V& value) { n += predicate(key, value) ? 1 : 0; });
        return n;
    }
    /// Erases the rows the predicate holds for; how many it erased. The predicate is asked again with the row held, so
    /// what it says of the erased row is true at that moment.
    template <std::predicate<const K&, const V&> P>
    std::size_t select_delete(P&& predicate) {
        return change_rows("select_delete", predicate, [&](const K& key) {
            return derived().erase_matching(key, "select_delete", predicate);
        });
    }
    /// Replaces the value of the rows the predicate holds for by `f(key, value)`; how many it replaced. Each row
    /// atomically; the key stays.
    template <std::predicate<const K&, const V&> P, std::invocable<const K&, const V&> F>
        requires std::convertible_to<std::invoke_result_t<F&, const K&, const V&>, V>
    std::size_t select_replace(P&& predicate, F&& f) {
        return change_rows("select_replace", predicate, [&](const K& key) {
            return derived().replace_matching(key, "select_replace", predicate, f);
        });
    }
    /// `f(key, value, accumulator)` over all rows; returns the last accumulator (OTP: foldl).
    template <class A, std::invocable<const K&, const V&, A> F>
    A fold(A accumulator, F&& f) const {
        walk_all("fold", [&](const K& key, const V& value) {
            accumulator = f(key, value, std::move(accumulator));
        });
        return accumulator;
    }
    /// As fold, from the last row to the first (OTP: foldr); of a table without order the same as fold.
    template <class A, std::invocable<const K&, const V&, A> F>
    A fold_reverse(A accumulator, F&& f) const {
        walk_all(
            "fold_reverse",
            [&](const K& key, const V& value) {
                accumulator = f(key, value, std::move(accumulator));
            },
            true);
        return accumulator;
    }
    /// Calls `f(key, value)` on every row.
    template <std::invocable<const K&, const V&> F>
    void for_each(F&& f) const {
        walk_all("for_each", f);
    }
    /// All rows (OTP: tab2list).
    std::vector<std::pair<K, V>> to_vector() const {
        return select([](const K&, const V&) { return true; }, pair_up);
    }

protected:
    static constexpr auto pair_up = [](const K& key, const V& value) {
        return std::pair<K, V>(key, value);
    };

    template <class P, class F>
    static auto as_match(P predicate, F projection) {
        return [predicate = std::move(predicate),
                projection = std::move(projection)](const K& key, const V& value) {
            using result = std::decay_t<std::invoke_result_t<const F&, const K&, const V&>>;
            return predicate(key, value)
                       ? std::optional<result>(std::invoke(projection, key, value))
                       : std::nullopt;
        };
    }
    template <class F>
    void walk_all(const char* verb, F&& f, bool backwards = false) const {
        auto walk = derived().begin_walk(backwards);
        while (!walk.end()) {
            derived().walk_chunk(walk, verb, f);
            heirloom::detail::safe_point(32);
        }
    }
    void require_limit(const char* verb, std::size_t limit) const {
        if (limit == 0)
            throw bad_table_argument(verb, derived().to_string(), "a limit is 1 or more");
    }
    const Derived& derived() const noexcept { return static_cast<const Derived&>(*this); }
    Derived& derived() noexcept { return static_cast<Derived&>(*this); }

private:
    template <class P, class Change>
    std::size_t change_rows(const char* verb, P& predicate, Change&& change) {
        std::size_t n = 0;
        std::vector<K> chosen;
        derived().require_writer(verb);
        auto walk = derived().begin_walk(false);
        while (!walk.end()) {
            chosen.clear();
            derived().walk_chunk(walk, verb, [&](const K& key, const V& value) {
                if (predicate(key, value) &&
                    (chosen.empty() || !Derived::same_row(chosen.back(), key)))
                    chosen.push_back(key);
            });
            for (const K& key : chosen) n += change(key);
        }
        return n;
    }
};

}  // namespace detail
}  // namespace heirloom::ets
