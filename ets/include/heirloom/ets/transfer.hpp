#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/core.hpp>
#include <heirloom/message.hpp>
#include <heirloom/pid.hpp>

namespace heirloom::ets {

/// Why a table was not given away: the receiver is dead. It is still the giver's.
struct give_away_error {
    pid receiver;
    /// Throws no_such_process.
    [[noreturn]] void raise() const;
};

/// A table of any type. A value; outlives the table and the runtime.
class any_table {
public:
    any_table() = default;
    explicit any_table(detail::table_ref ref) noexcept : core_(std::move(ref)) {}

    /// A handle of that type. Throws wrong_table_type if the table is of another.
    template <class Table>
    Table as() const {
        return Table::from(*this);
    }
    /// Whether as<Table>() would succeed.
    template <class Table>
    bool is() const noexcept {
        return &core_->type() == &Table::table_type_of;
    }
    /// Unique among all tables of its runtime, for ever; 0 names none.
    std::uint64_t id() const noexcept { return core_->id(); }
    atom name() const { return core_->name(); }
    ets::kind kind() const noexcept { return core_->type().kind; }
    /// Nothing if the table is gone.
    std::optional<table_info> info() const { return core_->info(); }
    std::string to_string() const { return core_->label(); }

    const detail::table_ref& core() const noexcept { return core_; }
    friend bool operator==(const any_table&, const any_table&) noexcept = default;

private:
    detail::table_ref core_;
};
std::ostream& operator<<(std::ostream& out, const any_table& table);

/// Says that the receiver now owns a table (Erlang's 'ETS-TRANSFER'): given by `from`, or inherited from it. Comes before
/// any `exit_signal` or `down` of the former owner.
struct transfer {
    any_table table;
    pid from;
    gift data;

    /// The table, typed. Throws wrong_table_type if it is of another type.
    template <class Table>
    Table as() const {
        return table.as<Table>();
    }
};
std::ostream& operator<<(std::ostream& out, const transfer& t);

/// All tables of the caller's runtime, in the order they were made (OTP: all/0).
std::vector<any_table> all();
/// The table of any type that has the name; a handle that names none if no table has.
any_table whereis_any(atom name);

}  // namespace heirloom::ets

namespace heirloom {
template <>
struct owns_what_it_holds<ets::gift> : std::true_type {};
template <>
struct owns_what_it_holds<ets::any_table> : std::true_type {};
template <>
struct owns_what_it_holds<ets::transfer> : std::true_type {};
}  // namespace heirloom
