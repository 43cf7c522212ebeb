#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <utility>

#include <heirloom/atom.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/names.hpp>
#include <heirloom/pid.hpp>
#include <heirloom/send.hpp>

namespace heirloom {

/// A process that runs a T, and the permission to call it: a pid is identity, a server<T> may be asked.
/// Small, copyable, may be sent and stored; says nothing of whether the process still lives.
template <class T>
class server {
public:
    using server_type = T;

    constexpr server() noexcept = default;
    /// Vouches that `p` runs a T. If it does not, its calls fail with `wrong_server`.
    constexpr explicit server(heirloom::pid p) noexcept : pid_(p) {}

    constexpr operator heirloom::pid() const noexcept { return pid_; }  // NOLINT: identity is free
    constexpr explicit operator bool() const noexcept { return static_cast<bool>(pid_); }

    friend constexpr bool operator==(server, server) noexcept = default;
    friend constexpr auto operator<=>(server, server) noexcept = default;

private:
    heirloom::pid pid_;
};

/// The registered name of a server, typed: what holds it may be called. Made from a literal at compile time.
template <class T>
class server_name {
public:
    using server_type = T;

    template <std::size_t N>
    consteval explicit server_name(const char (&literal)[N]) noexcept : name_(literal) {}
    constexpr explicit server_name(atom name) noexcept : name_(name) {}

    constexpr heirloom::atom name() const noexcept { return name_; }
    constexpr explicit operator heirloom::atom() const noexcept { return name_; }

    friend constexpr bool operator==(server_name, server_name) noexcept = default;

private:
    heirloom::atom name_;
};

/// Who has the name now; an empty server if nobody has.
template <class T>
server<T> whereis(server_name<T> name) noexcept {
    return server<T>(whereis(name.name()));
}

/// As by the bare name: a name that nobody has throws `no_such_process`.
template <class T, class Message>
void send(server_name<T> to, Message&& m) {
    send(to.name(), std::forward<Message>(m));
}
template <class T, class Message>
bool try_send(server_name<T> to, Message&& m) {
    return try_send(pid(whereis(to)), std::forward<Message>(m));
}
/// Watches whoever has the name now; the `down` carries it.
template <class T>
monitor_ref monitor(server_name<T> name, alias_mode alias = alias_mode::none) {
    return monitor(name.name(), alias);
}

}  // namespace heirloom

template <class T>
struct std::hash<heirloom::server<T>> {
    std::size_t operator()(heirloom::server<T> s) const noexcept {
        return std::hash<heirloom::pid>()(s);
    }
};
