#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/hash_rows.hpp>
#include <heirloom/ets/detail/hash_walk.hpp>
#include <heirloom/ets/detail/keyed_table.hpp>
#include <heirloom/ets/hash.hpp>

namespace heirloom::ets {

/// A table of unique keys in no order (OTP: set). The object is a handle: a small value, copied and sent freely, which
/// outlives the table and then throws no_such_table. Every verb but `erase`, `try_erase` and `erase_object` is a safe point
/// when it begins.
///
/// Who may read and write is the table's access; a verb by anyone else throws access_denied and changes nothing. Plain
/// threads may use public tables. Functions given to a verb run while the row is held: in them no call waits, tables
/// may be read but not written (in_table_callback), and what they throw leaves the row as it was.
template <class K, class V, class Hash = ets::hash<K>, class Equal = std::equal_to<>>
class set
    : public detail::keyed_table<set<K, V, Hash, Equal>, K, V, detail::hash_rows<K, V, Hash, Equal>,
                                 typename detail::lookup_argument<Hash, K>::type> {
    using rows_type = detail::hash_rows<K, V, Hash, Equal>;
    using base =
        detail::keyed_table<set, K, V, rows_type, typename detail::lookup_argument<Hash, K>::type>;
    friend base;
    friend class detail::traversal<set, K, V>;
    template <class, class>
    friend class detail::pager;

public:
    using typename base::key_argument;
    using typename base::value_type;

    static constexpr detail::table_type table_type_of{kind::set, heirloom::detail::label_of<K>,
                                                      heirloom::detail::label_of<V>};

    /// Names no table.
    set() = default;
    /// Makes a table that the running process owns. Throws name_taken, not_in_process.
    explicit set(const table_options& options) : base(options) {}
    static set create(const table_options& options = {}) { return set(options); }
    /// The kept table of that name if its owner and its heirs have ended (table_options::keep), now the running process's,
    /// with its rows and with these options; else a new one. Throws name_taken if the table has an owner, wrong_table_type,
    /// not_in_process.
    static set claim_or_create(const table_options& options) {
        return set(base::claimed_or_made(options));
    }

    // --- Going through the table, in an order that never changes: a walk meets every key that is there throughout
    // exactly once, whatever else is inserted or erased. ---

    std::optional<K> first() const {
        detail::reading scope(*this->core_, "first");
        return detail::key_following<K, Equal>(this->rows(), *this->core_, 0, nullptr);
    }
    /// The key after `key`. Throws no_such_key if it is not there, unless the table is fixed.
    std::optional<K> next(key_argument key) const {
        detail::reading scope(*this->core_, "next");
        const K exact(key);
        return detail::key_following<K, Equal>(this->rows(), *this->core_,
                                               this->rows().hash_of(exact), &exact);
    }
    /// In a table without order the same as first and next.
    std::optional<K> last() const { return first(); }
    std::optional<K> prev(key_argument key) const { return next(key); }
    /// The rows of one bucket; nothing for the index after the last (OTP: slot). Throws bad_table_argument beyond that.
    std::optional<std::vector<value_type>> slot(std::size_t index) const {
        detail::reading scope(*this->core_, "slot");
        const auto buckets = this->rows().bucket_count();
        if (index > buckets)
            throw bad_table_argument("slot", this->to_string(),
                                     "there is no slot " + std::to_string(index));
        if (index == buckets) return std::nullopt;
        typename rows_type::seen_rows found;
        this->rows().gather_bucket(static_cast<std::uint32_t>(index), found);
        std::vector<value_type> result;
        for (const auto& r : found) result.emplace_back(r.get().key(), r.get().value());
        return result;
    }

    friend std::ostream& operator<<(std::ostream& out, const set& s) {
        return out << static_cast<const detail::handle&>(s);
    }

private:
    explicit set(detail::table_ref ref) noexcept : base(std::move(ref)) {}

    class walk {
    public:
        bool end() const noexcept { return at.end; }
        detail::hash_position at;
        unsigned bits = 0;
    };
    walk begin_walk(bool) const {
        detail::reading scope(*this->core_, "select");
        return {{}, this->rows().scan_bits()};
    }
    template <class F>
    void walk_chunk(walk& w, const char* verb, F&& f) const {
        typename rows_type::seen_rows found;
        detail::reading scope(*this->core_, verb);
        const auto& t = this->rows();
        heirloom::detail::callback_scope inside;
        for (unsigned stretches = 0; stretches < 64 && !w.at.end; ++stretches) {
            w.at = t.gather(w.at, w.bits, found);
            for (const auto& r : found) f(r.get().key(), r.get().value());
        }
    }
};

/// The table that has the name, if it is of that type: `if (auto t = ets::whereis<storage>("counter_storage"))`. A handle that
/// names none if no table has the name; throws wrong_table_type if it is of another.
template <class Table>
Table whereis(atom name) {
    auto found = whereis_any(name);
    if (found.id() == 0) return {};
    return found.as<Table>();
}

}  // namespace heirloom::ets

namespace heirloom {
template <class K, class V, class Hash, class Equal>
struct owns_what_it_holds<ets::set<K, V, Hash, Equal>> : std::true_type {};
}  // namespace heirloom
