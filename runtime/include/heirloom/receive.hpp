#pragma once

#include <chrono>
#include <concepts>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <heirloom/clock.hpp>
#include <heirloom/detail/switching.hpp>
#include <heirloom/errors.hpp>
#include <heirloom/message.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/pid.hpp>
#include <heirloom/timer.hpp>

namespace heirloom {

namespace detail {

/// The types a receive takes, for who asks why a process waits.
struct wanted_messages {
    const type_label* names;
    std::size_t count;
};

/// One receive in progress: walks the mailbox in arrival order and waits at its end. Throws what ends the
/// process; leaves no scan position behind, however it ends.
class mailbox_scan {
public:
    /// `since`: the one reference that all messages looked for bear, if there is one; older messages cannot.
    mailbox_scan(time_point deadline, const reference* since);
    mailbox_scan(const mailbox_scan&) = delete;
    mailbox_scan& operator=(const mailbox_scan&) = delete;

    /// The next message not yet seen by this scan, still in the mailbox; null when the deadline has passed.
    message* next(const wanted_messages& wanted) { return *link_ ? *link_ : wait(wanted); }
    /// Skips the message that next() returned.
    void skip() noexcept { link_ = &(*link_)->next; }
    /// Takes the message that next() returned out of the mailbox.
    void take() noexcept;

private:
#if HEIRLOOM_RECEIVE_JUMPS
    [[gnu::always_inline]] message* wait(const wanted_messages& wanted) {
        void* to = begin_wait(wanted);
        while (to) to = end_wait(jump(to, &leaving_));
        return found_;
    }
    /// The context to leave for; null: there is nothing to wait for, found_ is the result.
    void* begin_wait(const wanted_messages& wanted);
    /// The process is back; the same.
    void* end_wait(visitor from);
    void* try_to_leave(thread_context* t);

    departure leaving_;
    exception_state kept_;
    bool nested_ = false;
#else
    message* wait(const wanted_messages& wanted);
#endif
    void begin(const wanted_messages& wanted) noexcept;
    /// False: the process has to wait. Else found_ is the result.
    bool look(thread_context*& t);

    process* process_;
    message** link_;
    message* found_ = nullptr;
    std::uint64_t trimmed_ = 0;  // how often its bound had taken messages from the mailbox
    time_point deadline_;
};

/// The parameter of a handler that has exactly one; empty for others, so that check_handler can say so.
template <class T>
struct handler_argument {};
template <class T>
    requires requires { &T::operator(); }
struct handler_argument<T> : handler_argument<decltype(&T::operator())> {};
template <class R, class C, class A>
struct handler_argument<R (C::*)(A)> {
    using type = A;
};
template <class R, class C, class A>
struct handler_argument<R (C::*)(A) const> {
    using type = A;
};
template <class R, class C, class A>
struct handler_argument<R (C::*)(A) noexcept> {
    using type = A;
};
template <class R, class C, class A>
struct handler_argument<R (C::*)(A) const noexcept> {
    using type = A;
};
template <class R, class A>
struct handler_argument<R (*)(A)> {
    using type = A;
};
template <class R, class A>
struct handler_argument<R (*)(A) noexcept> {
    using type = A;
};

template <class T>
concept has_call_operator = requires { &T::operator(); } || std::is_pointer_v<T>;
template <class T>
concept takes_one = has_call_operator<T> && requires { typename handler_argument<T>::type; };

template <class H>
constexpr void check_handler() {
    static_assert(has_call_operator<H>, "heirloom: receive: a handler names its one message type; "
                                        "a generic lambda (auto) names none");
    static_assert(!has_call_operator<H> || takes_one<H>,
                  "heirloom: receive: a handler takes exactly one parameter, its message");
    if constexpr (takes_one<H>) {
        using argument = typename handler_argument<H>::type;
        static_assert(
            !std::is_lvalue_reference_v<argument> ||
                std::is_const_v<std::remove_reference_t<argument>>,
            "heirloom: receive: a handler takes its message by value, const& or &&, not by plain "
            "reference");
    }
}

struct always {
    template <class T>
    bool operator()(const T&) const noexcept {
        return true;
    }
};

/// Takes only what bears one reference.
template <class Reference>
struct bears {
    Reference ref;
    template <class T>
    bool operator()(const T& m) const noexcept {
        return m.ref == ref;
    }
};

template <class H, class Guard = always>
struct clause {
    using argument = typename handler_argument<H>::type;
    using message_payload = std::remove_cvref_t<argument>;
    static constexpr bool guarded = !std::is_same_v<Guard, always>;
    H handler;
    Guard guard;
};

template <class F>
struct after_clause {
    duration limit;
    F on_timeout;
};
struct exit_on_timeout {
    [[noreturn]] void operator()() const;
};

template <class T>
struct is_clause : std::false_type {};
template <class H, class G>
struct is_clause<clause<H, G>> : std::true_type {};
template <class T>
struct is_after : std::false_type {};
template <class F>
struct is_after<after_clause<F>> : std::true_type {};

template <class T>
decltype(auto) as_clause(T&& t) {
    using bare = std::remove_cvref_t<T>;
    if constexpr (is_clause<bare>::value || is_after<bare>::value) {
        return std::forward<T>(t);
    } else {
        check_handler<bare>();
        if constexpr (takes_one<bare>)
            return clause<bare>{std::forward<T>(t), {}};
        else
            return after_clause<exit_on_timeout>{};
    }
}

template <class C>
struct clause_result {
    using type = std::invoke_result_t<decltype(C::handler)&, typename C::argument>;
};
template <class F>
struct clause_result<after_clause<F>> {
    using type = std::invoke_result_t<F&>;
};
template <>
struct clause_result<after_clause<exit_on_timeout>> {
    struct type {};  // agrees with every result
};

template <class... C>
struct agreed_result;
template <class A>
struct agreed_result<A> {
    using type = typename clause_result<A>::type;
    static constexpr bool ok = true;
};
using no_result = clause_result<after_clause<exit_on_timeout>>::type;
template <class A, class... Rest>
struct agreed_result<A, Rest...> {
    using mine = typename clause_result<A>::type;
    using theirs = typename agreed_result<Rest...>::type;
    static constexpr bool ok = agreed_result<Rest...>::ok &&
                               (std::is_same_v<mine, theirs> || std::is_same_v<theirs, no_result> ||
                                std::is_same_v<mine, no_result>);
    using type = std::conditional_t<std::is_same_v<mine, no_result>, theirs, mine>;
};

template <class A, class B>
constexpr bool clash() {
    if constexpr (is_clause<A>::value && is_clause<B>::value)
        return !A::guarded && !B::guarded &&
               std::is_same_v<typename A::message_payload, typename B::message_payload>;
    else
        return false;
}
template <class First, class... Rest>
constexpr bool any_clash() {
    if constexpr (sizeof...(Rest) == 0)
        return false;
    else
        return (clash<First, Rest>() || ...) || any_clash<Rest...>();
}
template <class First, class... Rest>
constexpr bool after_not_last() {
    if constexpr (sizeof...(Rest) == 0)
        return false;
    else
        return is_after<First>::value || after_not_last<Rest...>();
}

/// Marks the running process as evaluating a guard: waits throw.
class guard_scope {
public:
    guard_scope();
    ~guard_scope();
};

template <class C>
bool matches(C& c, const message* m) {
    if constexpr (is_after<C>::value) {
        return false;
    } else {
        using payload = typename C::message_payload;
        if (m->type != &user_type<payload>) return false;
        if constexpr (C::guarded) {
            guard_scope scope;
            return c.guard(static_cast<const typed_message<payload>*>(m)->payload);
        } else {
            return true;
        }
    }
}

/// Puts the message in words for the crash report, if nobody catches the exception that is on its way. `intact`: its value
/// has not been moved away.
void note_last_message(const message& m, bool intact) noexcept;

/// The message that a handler has been given. Only an exception that leaves the handler pays for it.
class handled_message {
public:
    handled_message(const message* m, bool intact) noexcept : message_(m), intact_(intact) {}
    ~handled_message() {
        if (message_) note_last_message(*message_, intact_);
    }
    handled_message(const handled_message&) = delete;
    handled_message& operator=(const handled_message&) = delete;
    void done() noexcept { message_ = nullptr; }

private:
    const message* message_;
    bool intact_;
};

template <class C>
decltype(auto) invoke_clause(C& c, message* m) {
    using payload = typename C::message_payload;
    using result = typename clause_result<C>::type;
    constexpr bool lent = std::is_lvalue_reference_v<typename C::argument>;
    message_ptr owner(m);  // consumed, whatever the handler does
    auto& value = static_cast<typed_message<payload>*>(m)->payload;
    const auto handle = [&]() -> result {
        if constexpr (lent)
            return c.handler(std::as_const(value));
        else
            return c.handler(std::move(value));
    };
    handled_message noted(m, lent || std::is_trivially_copyable_v<payload>);
    if constexpr (std::is_void_v<result>) {
        handle();
        noted.done();
    } else if constexpr (std::is_reference_v<result>) {
        auto&& r = handle();
        noted.done();
        return static_cast<result>(r);
    } else if constexpr (std::is_move_constructible_v<result>) {
        std::remove_cv_t<result> r = handle();
        noted.done();
        return r;
    } else {
        noted.done();  // what cannot be moved has to be made where it is wanted
        return handle();
    }
}

template <class R, class C, class... Rest>
R dispatch(message* m, std::size_t chosen, C& c, Rest&... rest) {
    if constexpr (!is_after<C>::value) {
        if (chosen == 0) return invoke_clause(c, m);
    }
    if constexpr (sizeof...(Rest) > 0)
        return dispatch<R>(m, chosen - 1, rest...);
    else
        __builtin_unreachable();
}

template <class R, class C, class... Rest>
R on_timeout(C& c, Rest&... rest) {
    if constexpr (is_after<C>::value) {
        if constexpr (std::is_same_v<C, after_clause<exit_on_timeout>>) {
            c.on_timeout();
        } else {
            return c.on_timeout();
        }
    } else if constexpr (sizeof...(Rest) > 0) {
        return on_timeout<R>(rest...);
    } else {
        __builtin_unreachable();
    }
}

template <class C>
inline constexpr bool bears_reference = is_after<C>::value;
template <class H, std::derived_from<reference> Reference>
inline constexpr bool bears_reference<clause<H, bears<Reference>>> = true;

/// The reference that all clauses ask for; null if there is none, or more than one.
template <class... C>
const reference* common_reference(const C&... clauses) {
    const reference* common = nullptr;
    if constexpr ((bears_reference<C> && ...)) {
        bool one = true;
        (
            [&] {
                if constexpr (!is_after<C>::value) {
                    one = one && (!common || *common == clauses.guard.ref);
                    common = &clauses.guard.ref;
                }
            }(),
            ...);
        if (!one) return nullptr;
    }
    return common;
}

template <class... C>
duration limit_of(const C&... clauses) {
    duration limit = forever;
    (
        [&] {
            if constexpr (is_after<C>::value) limit = clauses.limit;
        }(),
        ...);
    return limit;
}

template <class C>
consteval type_label wanted_name() {
    if constexpr (is_after<C>::value)
        return {};
    else
        return label_of<typename C::message_payload>;
}
template <class... C>
inline constexpr type_label wanted_names[] = {wanted_name<C>()...};
/// `after` stands last and names nothing.
template <class... C>
inline constexpr wanted_messages wanted_by{wanted_names<C...>,
                                           sizeof...(C) - ((is_after<C>::value || ...) ? 1 : 0)};

template <class... C>
auto receive_with(C&&... clauses) {
    static_assert(!after_not_last<std::remove_cvref_t<C>...>(),
                  "heirloom: receive: after(...) stands last");
    static_assert(
        !any_clash<std::remove_cvref_t<C>...>(),
        "heirloom: receive: two handlers take the same message type; the second would never run");
    using agreed = agreed_result<std::remove_cvref_t<C>...>;
    static_assert(agreed::ok,
                  "heirloom: receive: all handlers, and after's function, return one type");
    using R = std::conditional_t<std::is_same_v<typename agreed::type, no_result>, void,
                                 typename agreed::type>;
    const duration limit = limit_of(clauses...);
    mailbox_scan scan(limit == forever ? time_point::max() : deadline_after(limit, "receive"),
                      common_reference(clauses...));
    while (message* m = scan.next(wanted_by<std::remove_cvref_t<C>...>)) {
        std::size_t chosen = 0;
        const bool found = ((matches(clauses, m) || (++chosen, false)) || ...);
        if (!found) {
            scan.skip();
            continue;
        }
        scan.take();
        return dispatch<R>(m, chosen, clauses...);
    }
    return on_timeout<R>(clauses...);
}

template <class... H>
inline constexpr bool any_handlers = sizeof...(H) > 0;

}  // namespace detail

/// Last in a receive: runs `f` when no message matched within `limit`, counted from the start of the receive.
/// 0 looks through the mailbox once and does not wait. Without `f` the process exits with `timeout`.
template <class Rep, class Period, class F>
auto after(std::chrono::duration<Rep, Period> limit, F f) {
    return detail::after_clause<F>{detail::to_duration(limit), std::move(f)};
}
template <class Rep, class Period>
auto after(std::chrono::duration<Rep, Period> limit) {
    return detail::after_clause<detail::exit_on_timeout>{detail::to_duration(limit), {}};
}

/// Restricts a handler to one monitor's `down`, one timer's `timeout`. A receive for nothing but the youngest reference of
/// the process does not look at messages that were in the mailbox before it.
template <class H>
auto when(const monitor_ref& ref, H handler) {
    detail::check_handler<H>();
    return detail::clause<H, detail::bears<monitor_ref>>{std::move(handler), {ref}};
}
template <class H>
auto when(const timer_ref& ref, H handler) {
    detail::check_handler<H>();
    return detail::clause<H, detail::bears<timer_ref>>{std::move(handler), {ref}};
}
/// Restricts a handler to messages for which `predicate(message)` holds. The predicate sees the message in the
/// mailbox and must not wait; if it throws, nothing is consumed.
template <class Predicate, class H>
    requires std::predicate<Predicate&, const typename detail::clause<H>::message_payload&>
auto when(Predicate predicate, H handler) {
    return detail::clause<H, Predicate>{std::move(handler), std::move(predicate)};
}

/// Takes the first message, in arrival order, that one of the handlers takes (their parameter names the type),
/// and returns what that handler returns. Skipped messages stay, in order. Waits as long as there is none.
template <class... H>
auto receive(H&&... handlers) {
    static_assert(detail::any_handlers<H...>,
                  "heirloom: receive: give at least one handler, or a type: receive<T>()");
    if constexpr (detail::any_handlers<H...>)
        return detail::receive_with(detail::as_clause(std::forward<H>(handlers))...);
}

/// Waits for one T.
template <class T>
T receive() {
    detail::check_sendable<T>();
    return detail::receive_with(detail::as_clause([](T&& m) -> T { return std::move(m); }));
}
/// The first T in the mailbox, or nothing when none came within `limit`.
template <class T, class Rep, class Period>
std::optional<T> receive_for(std::chrono::duration<Rep, Period> limit) {
    return detail::receive_with(
        detail::as_clause([](T&& m) -> std::optional<T> { return std::optional<T>(std::move(m)); }),
        after(limit, []() -> std::optional<T> { return std::nullopt; }));
}

}  // namespace heirloom
