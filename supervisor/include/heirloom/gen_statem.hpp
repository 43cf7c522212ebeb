#pragma once

#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include <heirloom/gen_server.hpp>
#include <heirloom/timer.hpp>

// A state machine is a server whose class lists its states and handles events by state and type:
//
//     class door {
//     public:
//         struct locked {};
//         struct open {};
//         using states = one_of<locked, open>;                 it starts in the first
//         void handle_event(locked, button b);                 what is cast, and what `info` lists
//         bool handle_event(open, is_open);                    a request is answered by what is returned,
//         void handle_event(open, wait w, reply_to<bool> c);   or later
//         void enter(open);                                    optional: when the state has been entered
//         void enter(open, const locked&);                     or with the state it came from
//         void terminate(open, const exit_reason& why);        optional, as is terminate(why)
//     };
//
// It is started, called, cast to and supervised like any server. The state may be taken by reference and may hold
// data. An event that no state handles does not compile; one that just this state does not handle ends the machine.
//
// What is handled next: events of next_event; then, if the state has changed, what was postponed, oldest first; then
// what was waiting to be handled again; then timeouts of 0; then the mailbox.

namespace heirloom {

/// The states of a machine, the initial one first.
template <class... State>
struct one_of {};

/// The state's own time has passed: set_state_timeout.
struct state_timeout {};
/// Nothing has come for a while: set_event_timeout.
struct event_timeout {};
/// A timer with a name: set_timeout.
struct named_timeout {
    atom name;
};

/// An event came in a state that has no handle_event for it.
class unhandled_event : public std::logic_error {
public:
    unhandled_event(std::string_view machine, std::string_view state, std::string_view event);
};

}  // namespace heirloom

#include <heirloom/detail/gen_statem_impl.hpp>

namespace heirloom {

// --- Inside a machine ---------------------------------------------------------------------------------------

/// Goes to another state, made of the arguments, when this callback has returned: a handler, enter, a continuation, or
/// the constructor. What was postponed is handled again then, in the order it came. Going to the state the machine is in
/// changes nothing (OTP: keep_state); a state that holds data is the same if it has `==` and compares equal.
template <class State, class... A>
void next_state(A&&... args) {
    State state{std::forward<A>(args)...};
    detail::running_statem("next_state").change_state(&detail::identity_of<State>, &state);
}
/// Calls `enter` for the state it is in once more, when this callback has returned; nothing else.
inline void repeat_state() { detail::running_statem("repeat_state").repeat_state(); }

/// Keeps the event being handled until the state has changed. A request that is answered later takes its client
/// along.
inline void postpone() { detail::running_statem("postpone").postpone(); }
template <class T>
void postpone(reply_to<T> client) {
    detail::running_statem("postpone").postpone_with(std::move(client).release());
}

/// Handles `event` when this callback has returned, before anything else that waits, in the state the machine is in then.
/// Several are handled in the order asked for. `machine` is the running one: `next_event(this, byte{b})`. The event stays
/// in this process, so it may hold what a message must not, such as the reply_to of a request.
template <class T, class Event>
void next_event(T* machine, Event&& event) {
    static_assert(detail::is_statem<T>,
                  "heirloom: next_event is for state machines: next_event(this, event)");
    if constexpr (detail::is_statem<T>) {
        using E = std::decay_t<Event>;
        detail::behaviour_of<T>::template check_cast<E>();
        detail::running_statem("next_event")
            .insert_event(machine, detail::new_message<detail::typed_message<E>>(
                                       detail::cast_request<T, E>, std::forward<Event>(event)));
    }
}

/// Delivers `state_timeout` after `limit`, unless the state has changed by then; set together with next_state it
/// belongs to the new one. Setting it again replaces it, `forever` takes it back. All of these may be set by the
/// constructor and by enter, and take a point of time as well; one that has passed is due at once.
inline void set_state_timeout(duration limit) {
    detail::running_statem("set_state_timeout").set_timer(detail::statem_base::timer::state, limit);
}
inline void set_state_timeout(time_point when) { set_state_timeout(detail::time_until(when)); }
/// Delivers `event_timeout` when nothing has come for `limit`; any event takes it back, also another timeout, and one
/// that was waiting to be handled again.
inline void set_event_timeout(duration limit) {
    detail::running_statem("set_event_timeout").set_timer(detail::statem_base::timer::event, limit);
}
inline void set_event_timeout(time_point when) { set_event_timeout(detail::time_until(when)); }
/// Delivers `named_timeout{name}` after `limit`, whatever happens meanwhile. Several run side by side.
inline void set_timeout(atom name, duration limit) {
    detail::running_statem("set_timeout").set_timer(detail::statem_base::timer::named, limit, name);
}
inline void set_timeout(atom name, time_point when) { set_timeout(name, detail::time_until(when)); }

}  // namespace heirloom

template <>
struct heirloom::owns_what_it_holds<heirloom::idle_timeout> : std::true_type {};
