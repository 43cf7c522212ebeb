#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/gen_server.hpp>

// Looking into running servers (OTP: sys). Every function is a request to the server, served between two callbacks,
// also while it is suspended; it does not cancel an idle timeout. It throws call_failed as call does.
//
// A server that lets its state be read has a public `auto state() const`; one that lets it be replaced, also a public
// `void set_state(State)`.
namespace heirloom::sys {

enum class event_kind : std::uint8_t {
    in,            // a message was taken out of the mailbox
    handled,       // its callback returned
    handled_call,  // the same, of a call: it was answered, or will be later
};
struct event {
    event_kind kind;
    heirloom::pid server;
    std::string message;   // its type, as the source spells it
    heirloom::pid client;  // who called
    time_point when;
};

struct status {
    heirloom::pid pid;
    std::string server;  // its class, as the source spells it
    bool suspended = false;
    heirloom::pid parent;  // whose exit ends it
    std::string state;     // what its format_status() says, if it has one
};

struct counts {
    duration since;
    std::uint64_t messages_in = 0;
    std::uint64_t replies_out = 0;
};

}  // namespace heirloom::sys

namespace heirloom::detail {

/// A request that any server handles, by running a function of the asker's.
template <class F>
void handle_system(server_core& core, message* m) {
    auto* request = static_cast<typed_call<F>*>(m);
    using R = std::invoke_result_t<F&, server_core&>;
    try {
        answer_call(request,
                    answer_of<R>([&]() -> decltype(auto) { return request->payload(core); }));
    } catch (...) {
        // The server lives on, its state unchanged; only who asked is told.
        fail_call(request, exit_reason("callback_failed"_a, caught_reason()));
    }
}
template <class F, const server_identity* Identity>
inline constexpr request_type system_request{call_base<F>("sys"), Identity, &handle_system<F>,
                                             true};

template <class F>
std::invoke_result_t<F&, server_core&> ask_system(const callee& server, const request_type& type,
                                                  F f, duration limit) {
    using R = std::invoke_result_t<F&, server_core&>;
    message_ptr got(
        ask(server.process, new_message<typed_call<F>>(type, std::move(f)), limit, "sys"));
    if (got == nullptr) raise_call_failed(reason::timeout, server, "sys");
    auto* reply = static_cast<reply_message*>(got.get());
    if (reply->failed)
        raise_call_failed(std::move(static_cast<failed_reply*>(reply)->payload), server, "sys");
    if constexpr (!std::is_void_v<R>)
        return std::move(static_cast<typed_reply<R>*>(reply)->payload);
}
/// Of any server.
template <class F>
auto ask_any(const callee& server, F f, duration limit = default_call_limit) {
    return ask_system(server, system_request<F, nullptr>, std::move(f), limit);
}
/// Of a T, whose object `f` gets.
template <class T, class F>
auto ask_object(const callee& to, F f, duration limit = default_call_limit) {
    auto inside = [f = std::move(f)](server_core& core) mutable {
        return f(static_cast<driver_of<T>&>(core).object());
    };
    return ask_system(to, system_request<decltype(inside), &identity_of<T>>, std::move(inside),
                      limit);
}

void suspend_server(server_core& core, bool on);
sys::status status_of(server_core& core);
void count_events(server_core& core, bool on);
std::optional<sys::counts> counts_of(server_core& core);
void keep_events(server_core& core, std::size_t how_many);
std::vector<sys::event> kept_events(server_core& core);
void install_observer(server_core& core, std::string id,
                      std::function<bool(const sys::event&)> see);
void remove_observer(server_core& core, std::string_view id);
void observe_nothing(server_core& core);
bool trace_to_log(const sys::event& e);

}  // namespace heirloom::detail

namespace heirloom::sys {

/// Whom to ask: a pid, a server<T>, or a server_name, which stands for whoever has it now.
using any_server = detail::callee;

/// Serves only requests of this header until resumed; everything else waits. Both can be repeated.
inline void suspend(const any_server& server, duration limit = default_call_limit) {
    detail::ask_any(
        server, [](detail::server_core& core) { detail::suspend_server(core, true); }, limit);
}
inline void resume(const any_server& server, duration limit = default_call_limit) {
    detail::ask_any(
        server, [](detail::server_core& core) { detail::suspend_server(core, false); }, limit);
}

/// What a server says of itself.
inline status get_status(const any_server& server, duration limit = default_call_limit) {
    return detail::ask_any(
        server, [](detail::server_core& core) { return detail::status_of(core); }, limit);
}

/// A copy of the state, as state() gives it. Of a server<T> or a server_name<T>.
template <template <class> class Ref, class T>
auto get_state(const Ref<T>& of, duration limit = default_call_limit) {
    static_assert(
        requires(const T& t) { t.state(); },
        "heirloom: this server does not show its state: it has no public `auto state() const`");
    return detail::ask_object<T>(
        of, [](T& object) { return object.state(); }, limit);
}
/// Sets the state to f(state) and returns it. If `f` fails the call fails with {callback_failed, ...} and the state is as
/// it was.
template <template <class> class Ref, class T, class F>
auto replace_state(const Ref<T>& of, F f, duration limit = default_call_limit) {
    static_assert(
        requires(T& t) { t.set_state(t.state()); },
        "heirloom: this server does not let its state be replaced: it has no public "
        "`set_state(state)`");
    return detail::ask_object<T>(
        of,
        [f = std::move(f)](T& object) mutable {
            auto next = f(object.state());
            object.set_state(next);
            return next;
        },
        limit);
}

/// Counts what comes in and goes out from now on, or stops that.
inline void statistics(const any_server& server, bool on) {
    detail::ask_any(server, [on](detail::server_core& core) { detail::count_events(core, on); });
}
/// Nothing when they are off.
inline std::optional<counts> get_statistics(const any_server& server) {
    return detail::ask_any(server,
                           [](detail::server_core& core) { return detail::counts_of(core); });
}

/// Keeps the last `how_many` events in memory; 0 stops that.
inline void log(const any_server& server, std::size_t how_many) {
    detail::ask_any(server,
                    [how_many](detail::server_core& core) { detail::keep_events(core, how_many); });
}
inline std::vector<event> get_log(const any_server& server) {
    return detail::ask_any(server,
                           [](detail::server_core& core) { return detail::kept_events(core); });
}

/// Calls `see` in the server for each event, until it returns false or throws. An id that is there already is kept as
/// it is.
inline void install(const any_server& server, std::string id,
                    std::function<bool(const event&)> see) {
    detail::ask_any(server, [id = std::move(id), see = std::move(see)](detail::server_core& core) {
        detail::install_observer(core, id, see);
    });
}
inline void remove(const any_server& server, std::string id) {
    detail::ask_any(server, [id = std::move(id)](detail::server_core& core) {
        detail::remove_observer(core, id);
    });
}
/// Writes each event to the runtime's log, or stops that.
inline void trace(const any_server& server, bool on) {
    if (on)
        install(server, "trace", &detail::trace_to_log);
    else
        remove(server, "trace");
}
/// Ends all of it: observers, trace, log and statistics.
inline void no_debug(const any_server& server) {
    detail::ask_any(server, [](detail::server_core& core) { detail::observe_nothing(core); });
}

}  // namespace heirloom::sys
