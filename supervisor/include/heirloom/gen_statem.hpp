#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

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
//         void enter(open);                                    optional: after the state has been entered
//     };
//
// It is started, called, cast to and supervised like any server. The state may be taken by reference and may hold
// data. An event that no state handles does not compile; one that just this state does not handle ends the machine.

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

namespace detail {

/// The part of a machine that does not depend on its class.
class statem_base {
public:
    virtual ~statem_base();

    /// Takes effect when the callback has returned. `value` is moved from; its type is `state`.
    virtual void change_state(const server_identity* state, void* value) = 0;
    void postpone() { postponing_ = true; }
    void postpone_with(open_call call) {
        postponing_ = true;
        postponed_call_ = std::move(call);
    }
    enum class timer : std::uint8_t { state, event, named };
    void set_timer(timer which, duration limit, atom name = {});

protected:
    struct timer_fired {
        timer which;
        std::uint64_t serial;
    };
    struct armed_timer {
        timer which;
        atom name;
        std::uint64_t serial;
        timer_ref ref;
    };
    /// Whether this message is one of our timers and still wanted.
    bool is_due(const timer_fired& t, atom& name);
    void cancel_timer(timer which, atom name = {}) noexcept;
    /// An event other than a timeout of its own came: the event timeout is off.
    void event_came() noexcept { cancel_timer(timer::event); }

    bool postponing_ = false;
    bool state_timer_fresh_ = false;  // set by the callback that runs
    open_call postponed_call_;
    std::vector<armed_timer> timers_;
    std::uint64_t timer_serial_ = 0;
};
statem_base& running_statem(const char* function);

template <class T>
concept is_statem = requires { typename T::states; };

template <class T, class S, class E>
concept handles_event = requires(T& t, S& s, const E& e) { t.handle_event(s, e); } ||
                        requires(T& t, S& s, E& e) { t.handle_event(s, std::move(e)); };
template <class T, class S, class E>
concept handles_event_later = requires(T& t, S& s, const E& e, reply_to<reply_of<E>> c) {
    t.handle_event(s, e, std::move(c));
} || requires(T& t, S& s, E& e, reply_to<reply_of<E>> c) {
    t.handle_event(s, std::move(e), std::move(c));
};

template <class T, class E, class... S>
constexpr bool some_state_handles(one_of<S...>) {
    return (handles_event<T, S, E> || ...);
}
template <class T, class E, class... S>
constexpr bool some_state_answers(one_of<S...>) {
    return ((handles_event<T, S, E> || handles_event_later<T, S, E>) || ...);
}
template <class T, class E, class S>
constexpr bool answers_rightly() {
    if constexpr (handles_event_later<T, S, E> || !handles_event<T, S, E>)
        return true;
    else if constexpr (std::is_copy_constructible_v<E>)
        return std::is_same_v<decltype(std::declval<T&>().handle_event(std::declval<S&>(),
                                                                       std::declval<const E&>())),
                              reply_of<E>>;
    else
        return std::is_same_v<decltype(std::declval<T&>().handle_event(std::declval<S&>(),
                                                                       std::declval<E>())),
                              reply_of<E>>;
}
template <class T, class E, class... S>
constexpr bool all_answer_rightly(one_of<S...>) {
    return (answers_rightly<T, E, S>() && ...);
}

template <class T>
struct infos_or_none {
    using type = handles<>;
};
template <lists_info T>
struct infos_or_none<T> {
    using type = typename T::info;
};

template <class T>
class statem_driver;
template <class States>
struct variant_of;
template <class... S>
struct variant_of<one_of<S...>> {
    using type = std::variant<S...>;
    static constexpr const server_identity* identities[] = {&identity_of<S>...};
};

template <is_statem T>
struct behaviour_of<T> {
    using driver = statem_driver<T>;
    template <class R>
    static constexpr void check_call() {
        static_assert(
            some_state_answers<T, R>(typename T::states{}),
            "heirloom: this machine has no public handle_event for this request in any state");
        static_assert(all_answer_rightly<T, R>(typename T::states{}),
                      "heirloom: handle_event does not return the request's reply type");
    }
    template <class M>
    static constexpr void check_cast() {
        static_assert(
            some_state_handles<T, M>(typename T::states{}),
            "heirloom: this machine has no public handle_event for this event in any state");
    }
    template <class R>
    static void handle_call(driver& d, typed_call<R>* m) {
        d.template on_call<R>(m);
    }
    template <class M>
    static void handle_cast(driver& d, typed_message<M>* m) {
        d.template on_event<M>(m);
    }
    template <class M>
    static void handle_async(driver& d, typed_message<async_request<M>>* m) {
        d.template on_async<M>(m);
    }
};

template <class T>
class statem_driver final : public object_core<T>, public statem_base {
    using states = typename variant_of<typename T::states>::type;

public:
    ~statem_driver() override {
        while (!kept_.empty()) drop(std::exchange(kept_.back(), {})), kept_.pop_back();
        while (!again_.empty()) drop(std::exchange(again_.back(), {})), again_.pop_back();
    }

    void change_state(const server_identity* state, void* value) override {
        change_to(state, value, std::make_index_sequence<std::variant_size_v<states>>());
    }

    template <class R>
    void on_call(typed_call<R>* m) {
        event_came();
        visit(m->type->name, [&](auto& state) {
            using S = std::remove_reference_t<decltype(state)>;
            if constexpr (handles_event_later<T, S, R>) {
                open_call call = postponed_for_ ? std::move(postponed_for_) : open_call(m);
                invoke<S, R>(state, m->payload, reply_to<reply_of<R>>(std::move(call)));
                if (!postponing_) return true;
                if (!postponed_call_) give_up_postponed();
                keep(m, std::move(postponed_call_));
                return true;
            } else if constexpr (handles_event<T, S, R>) {
                reply_message* answer = answer_of<reply_of<R>>(
                    [&]() -> decltype(auto) { return invoke<S, R>(state, m->payload); });
                if (!postponing_) {
                    if (postponed_for_)
                        std::exchange(postponed_for_, {}).answer(answer);
                    else
                        answer_call(m, answer);
                } else {
                    answer->type->destroy(answer);
                    keep(m, std::move(postponed_for_));
                }
                return true;
            } else {
                return false;
            }
        });
        after_event();
    }
    template <class E>
    void on_event(typed_message<E>* m) {
        message_ptr owner(m);
        event_came();
        if (run_event(m->type->name, m->payload)) keep(owner.release(), {});
        after_event();
    }
    template <class R>
    void on_async(typed_message<async_request<R>>* m) {
        message_ptr owner(m);
        event_came();
        visit(m->type->name, [&](auto& state) {
            using S = std::remove_reference_t<decltype(state)>;
            reply_to<reply_of<R>> client(m->payload.answer);
            if constexpr (handles_event_later<T, S, R>) {
                invoke<S, R>(state, m->payload.request, std::move(client));
            } else if constexpr (handles_event<T, S, R>) {
                if constexpr (std::is_void_v<reply_of<R>>) {
                    invoke<S, R>(state, m->payload.request);
                    if (!postponing_) reply(std::move(client));
                } else {
                    auto answer = invoke<S, R>(state, m->payload.request);
                    if (!postponing_) reply(std::move(client), std::move(answer));
                }
                if (postponing_) (void)std::move(client).release();
            } else {
                return false;
            }
            if (postponing_) keep(owner.release(), {});
            return true;
        });
        after_event();
    }

    const states& state() const noexcept { return state_; }

protected:
    void info(message* m) override { dispatch(m, typename infos_or_none<T>::type{}); }
    void idle_timeout_passed() override {
        event_came();
        timeout_event(heirloom::idle_timeout{});
    }
    void object_made() override { entered(); }
    message* replayed() override {
        if (again_.empty()) return nullptr;
        kept next = std::move(again_.front());
        again_.erase(again_.begin());
        postponed_for_ = std::move(next.call);
        return next.m;
    }

private:
    struct kept {
        message* m = nullptr;
        open_call call;
    };
    static void drop(kept k) {
        // Without a call of its own, an open call belongs to the process, which tells its caller.
        if (k.m != nullptr && k.m->type->kind != message_kind::call) k.m->type->destroy(k.m);
    }
    void keep(message* m, open_call call) {
        postponing_ = false;
        kept_.push_back({m, std::move(call)});
    }
    void give_up_postponed() {
        postponing_ = false;
        throw bad_argument("postpone",
                           "a request that is answered later is postponed with its client: "
                           "postpone(std::move(client))");
    }

    template <std::size_t... I>
    void change_to(const server_identity* state, void* value, std::index_sequence<I...>) {
        const bool known =
            ((state == variant_of<typename T::states>::identities[I]
                  ? (next_.emplace(
                         std::in_place_index<I>,
                         std::move(*static_cast<std::variant_alternative_t<I, states>*>(value))),
                     true)
                  : false) ||
             ...);
        if (!known)
            throw bad_argument("next_state",
                               "not a state of this machine: " + std::string(state->name));
        changing_ = true;
    }

    template <class F>
    void visit(std::string_view event, F&& f) {
        postponing_ = state_timer_fresh_ = false;
        const bool handled = std::visit(std::forward<F>(f), state_);
        if (!handled)
            throw unhandled_event(this->identity().name,
                                  variant_of<typename T::states>::identities[state_.index()]->name,
                                  event);
    }
    // A copy for the handler where there can be one: a postponed event is handled again.
    template <class S, class E, class... Client>
    decltype(auto) invoke(S& state, E& event, Client&&... client) {
        if constexpr (std::is_copy_constructible_v<E>)
            return this->object().handle_event(state, std::as_const(event),
                                               std::forward<Client>(client)...);
        else
            return this->object().handle_event(state, std::move(event),
                                               std::forward<Client>(client)...);
    }
    // Returns whether it was postponed.
    template <class E>
    bool run_event(std::string_view name, E& event) {
        visit(name, [&](auto& state) {
            using S = std::remove_reference_t<decltype(state)>;
            if constexpr (handles_event<T, S, E>) {
                invoke<S, E>(state, event);
                return true;
            } else {
                return false;
            }
        });
        return std::exchange(postponing_, false);
    }
    template <class E>
    void timeout_event(E event) {
        if (run_event(type_name<E>(), event)) kept_.push_back({new_user_message<E>(event), {}});
        after_event();
    }

    void after_event() {
        postponed_for_ = {};
        if (!changing_) return;
        // A state timeout set by the callback that leaves the old state is the new one's.
        if (!state_timer_fresh_) cancel_timer(timer::state);
        // OTP's order: what was postponed longest comes first, then what was waiting to be tried again.
        again_.insert(again_.begin(), std::make_move_iterator(kept_.begin()),
                      std::make_move_iterator(kept_.end()));
        kept_.clear();
        if (!again_.empty()) this->ask_for_replay();
        entered();
    }
    void entered() {
        do {
            if (std::exchange(changing_, false)) state_ = *std::exchange(next_, std::nullopt);
            std::visit(
                [&](auto& state) {
                    if constexpr (requires { this->object().enter(state); })
                        this->object().enter(state);
                },
                state_);
        } while (changing_);
    }

    template <class... M>
    void dispatch(message* m, handles<M...>) {
        if (m->type == &user_type<timer_fired>) {
            message_ptr owner(m);
            atom name;
            const timer_fired t = static_cast<typed_message<timer_fired>*>(m)->payload;
            if (!is_due(t, name)) return;
            if (t.which == timer::state) return timeout_event(heirloom::state_timeout{});
            if (t.which == timer::event) return timeout_event(heirloom::event_timeout{});
            return timeout_event(heirloom::named_timeout{name});
        }
        if (try_again<heirloom::state_timeout>(m) || try_again<heirloom::event_timeout>(m) ||
            try_again<heirloom::named_timeout>(m) || try_again<heirloom::idle_timeout>(m))
            return;
        if (!(try_one<M>(m) || ...)) this->unexpected(m);
    }
    // A timeout that was postponed.
    template <class E>
    bool try_again(message* m) {
        if (m->type != &user_type<E>) return false;
        message_ptr owner(m);
        timeout_event(static_cast<typed_message<E>*>(m)->payload);
        return true;
    }
    template <class M>
    bool try_one(message* m) {
        static_assert(some_state_handles<T, M>(typename T::states{}),
                      "heirloom: `info` lists a message that no public handle_event takes");
        if (m->type != &user_type<M>) return false;
        on_event<M>(static_cast<typed_message<M>*>(m));
        return true;
    }

    states state_;
    std::optional<states> next_;
    bool changing_ = false;
    open_call postponed_for_;  // the call of the event being handled again
    std::vector<kept> kept_;   // postponed in this state
    std::vector<kept> again_;  // to be handled before the mailbox
};

}  // namespace detail

// --- Inside a machine ---------------------------------------------------------------------------------------

/// Goes to another state, made of the arguments, when this callback has returned. What was postponed is handled
/// again then, in the order it came, before anything else.
template <class State, class... A>
void next_state(A&&... args) {
    State state{std::forward<A>(args)...};
    detail::running_statem("next_state").change_state(&detail::identity_of<State>, &state);
}

/// Keeps the event being handled until the state has changed. A request that is answered later takes its client
/// along.
inline void postpone() { detail::running_statem("postpone").postpone(); }
template <class T>
void postpone(reply_to<T> client) {
    detail::running_statem("postpone").postpone_with(std::move(client).release());
}

/// Delivers `state_timeout` after `limit`, unless the state has changed by then; set together with next_state it
/// belongs to the new one. Setting it again replaces it, `forever` takes it back.
inline void set_state_timeout(duration limit) {
    detail::running_statem("set_state_timeout").set_timer(detail::statem_base::timer::state, limit);
}
/// Delivers `event_timeout` when nothing has come for `limit`; any event takes it back.
inline void set_event_timeout(duration limit) {
    detail::running_statem("set_event_timeout").set_timer(detail::statem_base::timer::event, limit);
}
/// Delivers `named_timeout{name}` after `limit`, whatever happens meanwhile. Several run side by side.
inline void set_timeout(atom name, duration limit) {
    detail::running_statem("set_timeout").set_timer(detail::statem_base::timer::named, limit, name);
}

}  // namespace heirloom

template <>
struct heirloom::owns_what_it_holds<heirloom::idle_timeout> : std::true_type {};
