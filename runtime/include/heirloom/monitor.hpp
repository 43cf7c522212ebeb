#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <iosfwd>

#include <heirloom/atom.hpp>
#include <heirloom/exit_reason.hpp>
#include <heirloom/message.hpp>
#include <heirloom/pid.hpp>

namespace heirloom {

namespace detail {
/// Unique in time and space: the process that made it, and its count.
struct reference {
    pid owner;
    std::uint64_t id = 0;
    constexpr explicit operator bool() const noexcept { return id != 0; }
    friend constexpr auto operator<=>(const reference&, const reference&) noexcept = default;
    friend constexpr bool operator==(const reference&, const reference&) noexcept = default;
};
std::ostream& operator<<(std::ostream& out, const reference& ref);
}  // namespace detail

/// Names one monitor of the process that made it. Orders and hashes, so it can be a key.
struct monitor_ref : detail::reference {};
/// Names one alias; a destination for `send`.
struct alias_ref : detail::reference {
    alias_ref() = default;
    explicit alias_ref(detail::reference ref) : reference(ref) {}
};

/// Says that a monitored process has ended (Erlang's 'DOWN').
struct down {
    monitor_ref ref;
    pid from;
    exit_reason reason;
    /// The name, if the monitor was made by name.
    atom name;
};

/// Says that a linked process has ended, or that `exit(pid, reason)` was aimed at this process; a message
/// only for a process that traps exits (Erlang's 'EXIT').
struct exit_signal {
    pid from;
    exit_reason reason;
};

template <>
struct owns_what_it_holds<down> : std::true_type {};
template <>
struct owns_what_it_holds<exit_signal> : std::true_type {};
template <>
struct owns_what_it_holds<monitor_ref> : std::true_type {};
template <>
struct owns_what_it_holds<alias_ref> : std::true_type {};

/// When an alias made together with a monitor ends (OTP: monitor/3).
enum class alias_mode : std::uint8_t {
    none,
    explicit_unalias,  // by `unalias` only
    demonitor,         // with the monitor: by demonitor, or when the `down` arrives
    reply_demonitor,   // the same, and the first message through the alias ends alias and monitor
};

/// Watches `target`: one `down` reaches this mailbox when it ends, with its reason.
/// A target that is already dead, or never existed, counts as ended with `no_process`.
/// `demonitor(ref, flush)` ends the watch and takes back a `down` not yet received.
/// Requires: called by a process; from elsewhere throws `not_in_process`.
monitor_ref monitor(pid target, alias_mode alias = alias_mode::none);
/// The same for whoever holds the name now; the `down` carries the name.
monitor_ref monitor(atom name, alias_mode alias = alias_mode::none);

enum class demonitor_mode : std::uint8_t { keep, flush };
inline constexpr demonitor_mode flush = demonitor_mode::flush;

/// Ends a watch, and its alias unless that ends by `unalias` only; with `flush` also takes a `down` out of the mailbox that was not received yet, except in a guard, while a
/// receive walks through it. Any ref, also a fired or foreign one, is harmless. Returns whether the monitor was still there (OTP's `info`).
bool demonitor(const monitor_ref& ref, demonitor_mode mode = demonitor_mode::keep) noexcept;

/// A destination that reaches this process until `unalias`; with `reply_demonitor`, which is OTP's alias([reply]), until its
/// first message at the latest. Throws bad_argument for the modes that end with a monitor.
[[nodiscard]] alias_ref alias(alias_mode ends = alias_mode::explicit_unalias);
/// Ends an alias: messages sent through it from now on are dropped. Returns whether it was active.
bool unalias(const alias_ref& ref) noexcept;
inline bool unalias(const monitor_ref& ref) noexcept { return unalias(alias_ref(ref)); }

}  // namespace heirloom

template <>
struct std::hash<heirloom::detail::reference> {
    std::size_t operator()(const heirloom::detail::reference& ref) const noexcept {
        return heirloom::detail::mix(ref.owner.bits() ^ heirloom::detail::mix(ref.id));
    }
};
template <>
struct std::hash<heirloom::monitor_ref> : std::hash<heirloom::detail::reference> {};
template <>
struct std::hash<heirloom::alias_ref> : std::hash<heirloom::detail::reference> {};
