#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/keyed_table.hpp>
#include <heirloom/ets/detail/tree_rows.hpp>

namespace heirloom::ets {

namespace detail {
template <class Compare, class K>
struct ordered_lookup_argument {
    using type = std::conditional_t<std::is_arithmetic_v<K> || std::is_enum_v<K>, K, const K&>;
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
        kind::ordered_set, heirloom::detail::label_of<K>, heirloom::detail::label_of<V>};

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
        while (!w.end()) {
            typename rows_type::seen_rows found;
            typename rows_type::leaf_found last;
            detail::reading scope(*this->core_, "range");
            heirloom::detail::callback_scope inside;
            for (unsigned leaves = 0; leaves < 16 && !w.end(); ++leaves) {
                w.done = !this->rows().gather(&*w.at, w.inclusive, true, found, last);
                if (w.done) break;
                std::size_t n = found.size();
                while (n > 0 && !Compare()(found[n - 1].get().key(), to)) --n;
                w.done = n < found.size();
                if (result.capacity() - result.size() < n)
                    result.reserve(std::max<std::size_t>(4 * n, 2 * result.capacity()));
                for (std::size_t i = 0; i < n; ++i)
                    result.emplace_back(found[i].get().key(), found[i].get().value());
                w.inclusive = false;
                w.at.emplace(found.back().get().key());
            }
        }
        return result;
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
        typename rows_type::seen_rows found;
        typename rows_type::leaf_found last;
        detail::reading scope(*this->core_, verb);
        const auto& t = this->rows();
        heirloom::detail::callback_scope inside;
        for (unsigned leaves = 0; leaves < 16; ++leaves) {
            if (!t.gather(w.at ? &*w.at : nullptr, w.inclusive, w.up, found, last)) {
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
        typename rows_type::seen_rows found;
        typename rows_type::leaf_found last;
        if (!this->rows().gather(key, false, up, found, last, 1)) return std::nullopt;
        return found.front().get().key();
    }
};

}  // namespace heirloom::ets

namespace heirloom {
template <class K, class V, class Compare>
struct owns_what_it_holds<ets::ordered_set<K, V, Compare>> : std::true_type {};
}  // namespace heirloom
