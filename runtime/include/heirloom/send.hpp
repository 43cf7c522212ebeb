#pragma once

#include <type_traits>
#include <utility>

#include <heirloom/atom.hpp>
#include <heirloom/detail/activity.hpp>
#include <heirloom/message.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/pid.hpp>

namespace heirloom {

namespace detail {
// All of these consume the message.
void send_message(pid to, message* m);
void send_message(atom name, message* m);
void send_message(const reference& alias, message* m);
bool try_send_message(pid to, message* m) noexcept;
}  // namespace detail

/// Sends `m`, moved or copied, to a process: by pid (or anything that converts to one), by registered name, or
/// through an alias. A dead receiver is not an error: the message is dropped. A name that nobody has throws
/// `no_such_process`. A safe point. From a plain thread use `runtime::send`.
template <class T>
void send(pid to, T&& m) {
    detail::check_sendable<detail::stored_t<T>>();
    detail::send_message(to, detail::new_user_message<detail::stored_t<T>>(std::forward<T>(m)));
}
template <class T>
void send(atom name, T&& m) {
    detail::check_sendable<detail::stored_t<T>>();
    detail::send_message(name, detail::new_user_message<detail::stored_t<T>>(std::forward<T>(m)));
}
template <class T>
void send(const alias_ref& through, T&& m) {
    detail::check_sendable<detail::stored_t<T>>();
    detail::send_message(through,
                         detail::new_user_message<detail::stored_t<T>>(std::forward<T>(m)));
}
template <class T>
void send(const monitor_ref& through, T&& m) {
    send(alias_ref(through), std::forward<T>(m));
}

/// Sends without ever switching, waiting or throwing (but for what copying `m` throws): for destructors and
/// callbacks. False if the receiver is dead or its bounded mailbox is full. Any process or thread.
template <class T>
bool try_send(pid to, T&& m) {
    detail::check_sendable<detail::stored_t<T>>();
    return detail::try_send_message(
        to, detail::new_user_message<detail::stored_t<T>>(std::forward<T>(m)));
}

}  // namespace heirloom
