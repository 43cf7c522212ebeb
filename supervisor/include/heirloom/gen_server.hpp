#pragma once

#include <chrono>
#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <heirloom/atom.hpp>
#include <heirloom/clock.hpp>
#include <heirloom/detail/server_core.hpp>
#include <heirloom/errors.hpp>
#include <heirloom/exit_reason.hpp>
#include <heirloom/message.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/names.hpp>
#include <heirloom/pid.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/result.hpp>
#include <heirloom/send.hpp>
#include <heirloom/server.hpp>

// A server is a plain class. Its constructor is init, its destructor cleans up; public members take what comes:
//
//     class counter {
//     public:
//         struct increment { using reply = long; };            a request names its reply
//         struct reset {};                                     a cast has none
//         using info = handles<down, tick>;                    several handle_info are listed; one is found
//
//         explicit counter(long first);                        start returns when it has
//         long handle_call(increment);                         answered by what it returns
//         void handle_call(wait_for w, reply_to<long> client); answered later, by whoever holds `client`
//         void handle_cast(reset);
//         void handle_info(down d);
//         void terminate(const exit_reason& why);              optional; must not wait
//     };
//
//         static constexpr bool leaf = true;                   optional: no handle_call waits; see below
//
// A leaf server promises that its handle_call never wait. In return whoever calls it while it is idle runs the handler on the
// spot, as that server, on its own stack: several times faster than a message there and a switch back. Waiting in one throws
// cannot_wait. Everything else is as for any server.
//
// Between two messages a server has no stack. A handler may wait (call, receive, sleep); the server then serves
// nobody until it goes on. An exception that leaves a handler ends the server, and whoever waits for it is told.

namespace heirloom {

/// Lists the messages a server's handle_info overloads take: `using info = handles<down, tick>;`
template <class... Message>
struct handles {};

/// What a server gets when the time set by set_idle_timeout passed without a message.
struct idle_timeout {};

/// What a call waits unless told otherwise.
inline constexpr duration default_call_limit = std::chrono::seconds(5);

/// The right to answer one call, once: by `reply`, from any process, at any time. Move-only. Dropped unanswered,
/// the caller hears `no_reply`.
template <class T>
class reply_to {
public:
    reply_to() noexcept = default;
    reply_to(reply_to&& other) noexcept
        : call_(std::move(other.call_)), alias_(std::exchange(other.alias_, {})) {}
    reply_to& operator=(reply_to&& other) noexcept {
        if (this != &other) {
            give_up();
            call_ = std::move(other.call_);
            alias_ = std::exchange(other.alias_, {});
        }
        return *this;
    }
    ~reply_to() { give_up(); }

    /// Whether there is somebody to answer.
    explicit operator bool() const noexcept { return call_ || alias_; }
    /// Who asked.
    pid client() const noexcept { return alias_ ? alias_.owner : call_.caller(); }

    // For behaviours, which may have to take the call back.
    detail::open_call release() && noexcept {
        alias_ = {};
        return std::move(call_);
    }
    explicit reply_to(detail::open_call call) noexcept : call_(std::move(call)) {}
    explicit reply_to(alias_ref alias) noexcept : alias_(alias) {}

private:
    template <class U, class V>
    friend void reply(reply_to<U> to, V&& value);
    template <class U>
    friend void reply_failed(reply_to<U> to, exit_reason why) noexcept;
    friend void reply(reply_to<void> to);

    void give_up() noexcept;

    detail::open_call call_;
    alias_ref alias_;  // of a request made by send_request
};

/// Why a call got no answer, and from whom.
struct call_error {
    exit_reason reason;
    pid server;
    std::string_view request;
    atom name = {};  // it was called by, if not by its pid
    [[noreturn]] void raise() const { detail::raise_call_failed(reason, {server, name}, request); }
};

enum class start_failure : std::uint8_t {
    failed,           // it ended before it was up, with `reason`
    ignored,          // its constructor said ignore_start()
    already_started,  // `process` has the name
    timed_out,        // it was not up in time and has been killed
};
/// Why a start gave no server. `value()` of such a result ends the process with `reason`.
struct start_error {
    start_failure kind = start_failure::failed;
    exit_reason reason;
    pid process;
    [[noreturn]] void raise() const { exit(reason); }
};

template <class T>
struct monitored_server {
    heirloom::server<T> server;
    monitor_ref ref;
};

/// How to start a server, where the defaults do not do. First argument of start, start_link, start_monitor.
struct start_options {
    /// The constructor may take this long; then the process is killed and the start fails with `timeout`.
    duration limit = forever;
    std::size_t stack_size = 0;
    heirloom::priority priority = heirloom::priority::normal;
    std::size_t mailbox_bound = 0;
    mailbox_policy when_full = mailbox_policy::refuse;
};

}  // namespace heirloom

#include <heirloom/detail/gen_server_impl.hpp>

namespace heirloom {

// --- Starting ---------------------------------------------------------------------------------------

/// Starts a server: T is made of the arguments, in its own process. Returns when the constructor has returned,
/// or failed: then the result says why, and the process is gone. With a name, that is taken first and free
/// again when a start has failed. start_link links it to the caller, as its parent, start_monitor watches it.
template <class T, class... A>
    requires(!detail::starts_with_option<T, A...>)
result<server<T>, start_error> start(A&&... args) {
    return detail::start_server<T>({}, {}, {}, std::forward<A>(args)...);
}
template <class T, class... A>
result<server<T>, start_error> start(server_name<T> name, A&&... args) {
    return detail::start_server<T>({}, {}, name.name(), std::forward<A>(args)...);
}
template <class T, class... A>
result<server<T>, start_error> start(const start_options& options, A&&... args) {
    return detail::start_server<T>({}, options, {}, std::forward<A>(args)...);
}
template <class T, class... A>
result<server<T>, start_error> start(const start_options& options, server_name<T> name,
                                     A&&... args) {
    return detail::start_server<T>({}, options, name.name(), std::forward<A>(args)...);
}

template <class T, class... A>
    requires(!detail::starts_with_option<T, A...>)
result<server<T>, start_error> start_link(A&&... args) {
    return detail::start_server<T>({.link = true}, {}, {}, std::forward<A>(args)...);
}
template <class T, class... A>
result<server<T>, start_error> start_link(server_name<T> name, A&&... args) {
    return detail::start_server<T>({.link = true}, {}, name.name(), std::forward<A>(args)...);
}
template <class T, class... A>
result<server<T>, start_error> start_link(const start_options& options, A&&... args) {
    return detail::start_server<T>({.link = true}, options, {}, std::forward<A>(args)...);
}
template <class T, class... A>
result<server<T>, start_error> start_link(const start_options& options, server_name<T> name,
                                          A&&... args) {
    return detail::start_server<T>({.link = true}, options, name.name(), std::forward<A>(args)...);
}

template <class T, class... A>
    requires(!detail::starts_with_option<T, A...>)
result<monitored_server<T>, start_error> start_monitor(A&&... args) {
    return detail::start_monitored<T>({}, {}, std::forward<A>(args)...);
}
template <class T, class... A>
result<monitored_server<T>, start_error> start_monitor(server_name<T> name, A&&... args) {
    return detail::start_monitored<T>({}, name.name(), std::forward<A>(args)...);
}
template <class T, class... A>
result<monitored_server<T>, start_error> start_monitor(const start_options& options, A&&... args) {
    return detail::start_monitored<T>(options, {}, std::forward<A>(args)...);
}
template <class T, class... A>
result<monitored_server<T>, start_error> start_monitor(const start_options& options,
                                                       server_name<T> name, A&&... args) {
    return detail::start_monitored<T>(options, name.name(), std::forward<A>(args)...);
}

// --- Asking -----------------------------------------------------------------------------------------

/// Sends `request` and waits for the answer, which has the type `Request::reply`. Throws `call_failed` when the
/// server is dead or ends first (with its reason, at once), has not answered within `limit` (`timeout`; the
/// answer, if it comes, is dropped), or gave the question up (`no_reply`).
template <class T, class Request>
detail::reply_of<Request> call(server<T> to, Request&& request,
                               duration limit = default_call_limit) {
    return detail::call_server<T>(to, std::forward<Request>(request), limit);
}
template <class T, class Request>
detail::reply_of<Request> call(server_name<T> to, Request&& request,
                               duration limit = default_call_limit) {
    return detail::call_server<T>(to, std::forward<Request>(request), limit);
}
template <std::same_as<pid> Pid, class Request>
void call(Pid, Request&&, duration = default_call_limit) {
    static_assert(
        detail::never<Pid>,
        "heirloom: a pid is identity, not permission to call; use server<T>, or server<T>(pid)");
}

/// The same, with the failure as a value.
template <class T, class Request>
result<detail::reply_of<Request>, call_error> try_call(server<T> to, Request&& request,
                                                       duration limit = default_call_limit) {
    return detail::try_call_server<T>(to, std::forward<Request>(request), limit);
}
template <class T, class Request>
result<detail::reply_of<Request>, call_error> try_call(server_name<T> to, Request&& request,
                                                       duration limit = default_call_limit) {
    return detail::try_call_server<T>(to, std::forward<Request>(request), limit);
}
template <std::same_as<pid> Pid, class Request>
void try_call(Pid, Request&&, duration = default_call_limit) {
    static_assert(
        detail::never<Pid>,
        "heirloom: a pid is identity, not permission to call; use server<T>, or server<T>(pid)");
}

/// Sends a message for handle_cast. No answer, no error: a dead server, or a name nobody has, drops it.
template <class T, class Message>
void cast(server<T> to, Message&& message) {
    detail::cast_server<T>(to, std::forward<Message>(message));
}
template <class T, class Message>
void cast(server_name<T> to, Message&& message) {
    detail::cast_server<T>(whereis(to), std::forward<Message>(message));
}
template <std::same_as<pid> Pid, class Message>
void cast(Pid, Message&&) {
    static_assert(
        detail::never<Pid>,
        "heirloom: a pid is identity, not permission to call; use server<T>, or server<T>(pid)");
}

/// Answers a delayed call. Whoever holds the reply_to may; never a safe point. A caller that is dead or waits
/// no longer is no error.
template <class T, class V>
void reply(reply_to<T> to, V&& value) {
    static_assert(std::is_constructible_v<T, V&&>,
                  "heirloom: reply: the value does not convert to the request's reply type");
    if (to.alias_)
        detail::send_response<T>(std::exchange(to.alias_, {}), T(std::forward<V>(value)));
    else if (to.call_)
        to.call_.answer(detail::new_reply<T>(std::forward<V>(value)));
}
inline void reply(reply_to<void> to) {
    if (to.alias_)
        detail::send_response<void>(std::exchange(to.alias_, {}), detail::unit{});
    else if (to.call_)
        to.call_.answer(detail::new_reply<detail::unit>());
}
/// Tells the caller that its call failed, with `why`.
template <class T>
void reply_failed(reply_to<T> to, exit_reason why) noexcept {
    if (to.alias_)
        detail::send_response_failed(std::exchange(to.alias_, {}), std::move(why));
    else if (to.call_)
        to.call_.fail(std::move(why));
}
template <class T>
void reply_to<T>::give_up() noexcept {
    if (alias_) detail::drop_response(std::exchange(alias_, {}));
}

/// For runtime::call.
template <class T, class Request>
detail::reply_of<Request> call_from_thread(const server<T>& to, Request&& request,
                                           duration limit = default_call_limit) {
    return call(to, std::forward<Request>(request), limit);
}
template <class T, class Request>
detail::reply_of<Request> call_from_thread(const server_name<T>& to, Request&& request,
                                           duration limit = default_call_limit) {
    return call(to, std::forward<Request>(request), limit);
}

// --- Stopping ---------------------------------------------------------------------------------------

/// Asks a server to end with `why`, after what is queued before, and waits for its end: its name is free and its
/// tables have moved when this returns. Throws `call_failed` with `no_process` if there is none, with its own
/// reason if it ended otherwise, with `timeout` after `limit`.
template <class T>
void stop(server<T> whom, const exit_reason& why = reason::normal, duration limit = forever) {
    detail::stop_process(whom, why, limit);
}
template <class T>
void stop(server_name<T> whom, const exit_reason& why = reason::normal, duration limit = forever) {
    detail::stop_process(whom, why, limit);
}
template <std::same_as<pid> Pid>
void stop(Pid, const exit_reason& = reason::normal, duration = forever) {
    static_assert(
        detail::never<Pid>,
        "heirloom: a pid is identity: stop a server<T>, or server<T>(pid); exit(pid, reason) ends "
        "any process");
}

// --- Inside a server: on the running one ---------------------------------------------------------------

/// The running server as its clients know it.
template <class T>
server<T> self() {
    return server<T>(heirloom::self());
}

/// Ends the running server after this callback; what the callback returns is still answered. In a constructor:
/// the start fails with `why`. Throws bad_argument where no server runs, as the following do.
inline void stop(exit_reason why = reason::normal) {
    detail::running_server("stop").stop_after_callback(std::move(why));
}
/// In a constructor: how often the supervisor has had to start this child again, how often in a row, and why. For state that
/// outlives its process and may be what ends it: a server that comes back for the third time in a row puts aside what
/// it was working on, instead of failing on it for ever. All zero where nobody restarts it. Throws bad_argument later on.
inline restart_history restarted() {
    if (const restart_history* past = detail::running_server("restarted").past()) return *past;
    throw bad_argument("restarted", "only a constructor may ask");
}
/// In a constructor: no server is wanted. The start says `ignored` and the process ends with `normal`.
[[noreturn]] inline void ignore_start() { throw detail::start_ignored{}; }

/// Runs `f()` after this callback and before any message, also one that is queued already; in a constructor,
/// after the starter has gone on. Several run in the order asked for.
template <class F>
    requires std::is_invocable_v<F&&>
void continue_with(F f) {
    detail::running_server("continue_with")
        .continue_after_callback(std::make_unique<detail::typed_continuation<F>>(std::move(f)));
}

/// Delivers `idle_timeout` to handle_info when nothing has come for `limit`, counted from the end of this
/// callback. Whatever comes cancels it. 0: as soon as nothing is queued.
inline void set_idle_timeout(duration limit) {
    detail::running_server("set_idle_timeout").set_idle_timeout(limit);
}

/// Does nothing: an idle server holds no stack anyway. Here for those who look for it.
inline void hibernate() noexcept {}

}  // namespace heirloom
