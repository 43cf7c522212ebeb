#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include <heirloom/atom.hpp>
#include <heirloom/clock.hpp>
#include <heirloom/message.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/pid.hpp>

namespace heirloom {

/// Names one timer. Orders and hashes; may be cancelled and read from any process.
struct timer_ref {
    std::uint64_t id = 0;
    std::uint32_t worker = 0;
    std::uint32_t slot = 0;
    constexpr explicit operator bool() const noexcept { return id != 0; }
    friend constexpr auto operator<=>(const timer_ref&, const timer_ref&) noexcept = default;
};

/// What `start_timer` sends (Erlang's {timeout, Ref, Msg}).
template <class T>
struct timeout {
    timer_ref ref;
    T value;
};

namespace detail {
timer_ref start_timer(time_point when, pid to, message* m, const char* function);
timer_ref start_timer(time_point when, atom to, message* m, const char* function);
/// Where the ref of a timer that is being started is written, so that its message can carry it.
template <class T>
struct timeout_message : typed_message<timeout<T>> {
    using typed_message<timeout<T>>::typed_message;
};
timer_ref reserve_timer_ref();
timer_ref start_reserved_timer(timer_ref ref, time_point when, pid to, message* m,
                               const char* function);
timer_ref start_reserved_timer(timer_ref ref, time_point when, atom to, message* m,
                               const char* function);
}  // namespace detail

/// Sends `m` to a process, or to whoever has the name by then, after `delay`. A timer aimed at a pid is gone when
/// that process ends. Throws bad_argument for a negative delay.
template <class To, class T>
timer_ref send_after(duration delay, const To& to, T&& m) {
    detail::check_sendable<detail::stored_t<T>>();
    const auto when = detail::deadline_after(delay, "send_after");
    detail::message* body = detail::new_user_message<detail::stored_t<T>>(std::forward<T>(m));
    if constexpr (std::is_convertible_v<const To&, pid>)
        return detail::start_timer(when, static_cast<pid>(to), body, "send_after");
    else
        return detail::start_timer(when, static_cast<atom>(to), body, "send_after");
}
template <class Rep, class Period, class To, class T>
timer_ref send_after(std::chrono::duration<Rep, Period> delay, const To& to, T&& m) {
    return send_after(detail::to_duration(delay), to, std::forward<T>(m));
}
/// The same at a point of the runtime's clock, which may be past.
template <class To, class T>
timer_ref send_at(time_point when, const To& to, T&& m) {
    detail::check_sendable<detail::stored_t<T>>();
    detail::message* body = detail::new_user_message<detail::stored_t<T>>(std::forward<T>(m));
    if constexpr (std::is_convertible_v<const To&, pid>)
        return detail::start_timer(when, static_cast<pid>(to), body, "send_at");
    else
        return detail::start_timer(when, static_cast<atom>(to), body, "send_at");
}

/// Like send_after, but what arrives is `timeout<T>{ref, value}`.
template <class To, class T>
timer_ref start_timer(duration delay, const To& to, T&& value) {
    using stored = detail::stored_t<T>;
    detail::check_sendable<stored>();
    const auto when = detail::deadline_after(delay, "start_timer");
    const timer_ref ref = detail::reserve_timer_ref();
    detail::message* body = detail::new_user_message<timeout<stored>>(
        timeout<stored>{ref, stored(std::forward<T>(value))});
    if constexpr (std::is_convertible_v<const To&, pid>)
        return detail::start_reserved_timer(ref, when, static_cast<pid>(to), body, "start_timer");
    else
        return detail::start_reserved_timer(ref, when, static_cast<atom>(to), body, "start_timer");
}
template <class Rep, class Period, class To, class T>
timer_ref start_timer(std::chrono::duration<Rep, Period> delay, const To& to, T&& value) {
    return start_timer(detail::to_duration(delay), to, std::forward<T>(value));
}

/// Cancels a timer: the time it had left if its message will now never come, nothing if it is in the mailbox
/// already, was cancelled, or never existed. Exactly one of the two happens. Never a safe point.
std::optional<duration> cancel(const timer_ref& ref) noexcept;
/// The time left; nothing if the timer is no more.
std::optional<duration> read_timer(const timer_ref& ref) noexcept;

}  // namespace heirloom

template <>
struct std::hash<heirloom::timer_ref> {
    std::size_t operator()(const heirloom::timer_ref& ref) const noexcept {
        return heirloom::detail::mix(ref.id);
    }
};
