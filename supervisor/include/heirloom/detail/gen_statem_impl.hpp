#pragma once

// The templates of gen_statem.hpp, included in its middle.
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <heirloom/gen_statem.hpp>

namespace heirloom::detail {

/// The part of a machine that does not depend on its class.
class statem_base {
public:
    virtual ~statem_base();

    /// Takes effect when the callback has returned. `value` is moved from; its type is `state`.
    virtual void change_state(const server_identity* state, void* value) = 0;
    void repeat_state() noexcept { repeating_ = true; }
    void postpone();
    void postpone_with(open_call call);
    /// An event to be handled next, by `machine`, which must be the running one. Consumes it.
    virtual void insert_event(const void* machine, message* event) = 0;
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
        timer_ref ref;  // empty: due as soon as nothing waits to be handled again
    };
    /// Whether this message is one of our timers and still wanted.
    bool is_due(const timer_fired& t, atom& name);
    void cancel_timer(timer which, atom name = {}) noexcept;
    /// The oldest timeout of 0, as a message; null if there is none.
    message* due_at_once() const;
    bool something_is_due() const noexcept;
    /// Any event but itself takes the event timeout back.
    void event_came() noexcept { cancel_timer(timer::event); }

    bool handling_ = false;  // an event, which may be postponed
    bool postponing_ = false;
    bool repeating_ = false;
    bool state_timer_fresh_ = false;  // set by the callback that runs
    open_call postponed_call_;
    std::vector<armed_timer> timers_;
    std::uint64_t timer_serial_ = 0;
};
statem_base& running_statem(const char* function);
duration time_until(time_point when) noexcept;

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

template <class T, class S, class Before>
concept enters_from = requires(T& t, S& s, const Before& from) { t.enter(s, from); };
template <class T, class S, class... Before>
constexpr bool some_enter_from(one_of<Before...>) {
    return (enters_from<T, S, Before> || ...);
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
            "heirloom: this machine has no public handle_event for this request in any state: "
            "add `reply handle_event(state, request)`");
        static_assert(all_answer_rightly<T, R>(typename T::states{}),
                      "heirloom: handle_event does not return the request's reply type");
    }
    template <class M>
    static constexpr void check_cast() {
        static_assert(
            some_state_handles<T, M>(typename T::states{}),
            "heirloom: this machine has no public handle_event for this event in any state: "
            "add `void handle_event(state, event)`");
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
        for (auto* waiting : {&kept_, &again_, &inserted_})
            for (kept& k : *waiting) drop(std::move(k));
    }

    void change_state(const server_identity* state, void* value) override {
        change_to(state, value, std::make_index_sequence<std::variant_size_v<states>>());
    }
    void insert_event(const void* machine, message* event) override {
        message_ptr owner(event);
        if (machine != std::addressof(this->object()))
            throw bad_argument("next_event", "this is not the running machine");
        inserted_.push_back({event, {}});
        owner.release();
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
        settle();
    }
    template <class E>
    void on_event(typed_message<E>* m) {
        message_ptr owner(m);
        event_came();
        if (run_event(m->type->name, m->payload)) keep(owner.release(), {});
        settle();
    }
    template <class R>
    void on_async(typed_message<async_request<R>>* m) {
        message_ptr owner(m);
        event_came();
        visit(m->type->name, [&](auto& state) {
            using S = std::remove_reference_t<decltype(state)>;
            if constexpr (handles_event_later<T, S, R>) {
                invoke<S, R>(state, m->payload.request, reply_to<reply_of<R>>(m->payload.answer));
            } else if constexpr (handles_event<T, S, R>) {
                reply_to<reply_of<R>> client(m->payload.answer);
                if constexpr (std::is_void_v<reply_of<R>>) {
                    invoke<S, R>(state, m->payload.request);
                    if (!postponing_) reply(std::move(client));
                } else {
                    auto answer = invoke<S, R>(state, m->payload.request);
                    if (!postponing_) reply(std::move(client), std::move(answer));
                }
                if (postponing_) (void)std::move(client).release();
            } else {
                // Not even a reply_to to drop: the machine ends, and its asker hears why by its monitor.
                return false;
            }
            if (postponing_) keep(owner.release(), {});
            return true;
        });
        settle();
    }

    /// The state's name, and what the machine's format_status() says.
    std::string describe() noexcept override {
        if (!this->made_) return {};
        try {
            std::string text("in state ");
            text += variant_of<typename T::states>::identities[state_.index()]->name.text();
            const std::string own = object_core<T>::describe();
            return own.empty() ? text : text + "; " + own;
        } catch (const std::bad_alloc&) {
            return {};
        }
    }

protected:
    void info(message* m) override { dispatch(m, typename infos_or_none<T>::type{}); }
    void idle_timeout_passed() override {
        event_came();
        timeout_event(heirloom::idle_timeout{});
    }
    // The constructor may have chosen a state. It is entered before the start is answered.
    void object_made() override {
        if (std::exchange(changing_, false)) state_ = *std::exchange(next_, std::nullopt);
        enter_from(state_);
        settle();
    }
    void continued() override { settle(); }
    void terminate(const exit_reason& why) override {
        std::visit(
            [&](auto& state) {
                if constexpr (requires { this->object().terminate(state, why); })
                    this->object().terminate(state, why);
                else
                    object_core<T>::terminate(why);
            },
            state_);
    }
    message* replayed() override {
        if (again_.empty()) return due_at_once();
        kept next = std::move(again_.front());
        again_.pop_front();
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
            ((state == variant_of<typename T::states>::identities[I] &&
              (choose<I>(*static_cast<std::variant_alternative_t<I, states>*>(value)), true)) ||
             ...);
        if (!known)
            throw bad_argument("next_state",
                               "not a state of this machine: " + std::string(state->name));
    }
    template <std::size_t I>
    void choose(std::variant_alternative_t<I, states>& value) {
        using S = std::variant_alternative_t<I, states>;
        changing_ = true;
        if (const S* now = std::get_if<I>(&state_)) {
            if constexpr (std::is_empty_v<S>)
                changing_ = false;
            else if constexpr (std::equality_comparable<S>)
                changing_ = !(*now == value);
        }
        if (changing_)
            next_.emplace(std::in_place_index<I>, std::move(value));
        else
            next_.reset();
    }

    template <class F>
    void visit(const type_label& event, F&& f) {
        postponing_ = state_timer_fresh_ = false;
        handling_ = true;
        const bool handled = std::visit(std::forward<F>(f), state_);
        handling_ = false;
        if (!handled)
            throw unhandled_event(
                this->identity().name.text(),
                variant_of<typename T::states>::identities[state_.index()]->name.text(),
                event.text());
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
    bool run_event(const type_label& name, E& event) {
        visit(name, [&](auto& state) {
            using S = std::remove_reference_t<decltype(state)>;
            if constexpr (handles_event<T, S, E>) {
                invoke<S, E>(state, event);
                return true;
            } else {
                return false;
            }
        });
        postponed_call_ = {};  // only a request has a client to postpone
        return std::exchange(postponing_, false);
    }
    template <class E>
    void timeout_event(E event) {
        if (run_event(label_of<E>, event)) kept_.push_back({new_user_message<E>(event), {}});
        settle();
    }

    // What the callbacks that have run asked for, in OTP's order.
    void settle() {
        postponed_for_ = {};
        while (changing_ || repeating_) {
            repeating_ = false;
            if (!std::exchange(changing_, false)) {
                enter_from(state_);
                continue;
            }
            // A state timeout set by the callback that leaves the old state is the new one's.
            if (!std::exchange(state_timer_fresh_, false)) cancel_timer(timer::state);
            // What was postponed longest comes first, then what was waiting to be tried again.
            move_to_front(kept_);
            states from = std::exchange(state_, *std::exchange(next_, std::nullopt));
            enter_from(from);
        }
        move_to_front(inserted_);
        state_timer_fresh_ = false;
        if (!again_.empty() || something_is_due()) this->ask_for_replay();
    }
    void move_to_front(std::list<kept>& events) { again_.splice(again_.begin(), events); }
    void enter_from(states& before) {
        std::visit(
            [&](auto& state) {
                using S = std::remove_reference_t<decltype(state)>;
                if constexpr (some_enter_from<T, S>(typename T::states{}))
                    std::visit([&](auto& from) { enter(state, from); }, before);
                else if constexpr (requires { this->object().enter(state); })
                    this->object().enter(state);
            },
            state_);
    }
    template <class S, class Before>
    void enter(S& state, Before& from) {
        if constexpr (enters_from<T, S, Before>)
            this->object().enter(state, std::as_const(from));
        else if constexpr (requires { this->object().enter(state); })
            this->object().enter(state);
    }

    template <class... M>
    void dispatch(message* m, handles<M...>) {
        if (m->type == &user_type<timer_fired>) {
            message_ptr owner(m);
            atom name;
            const timer_fired t = static_cast<typed_message<timer_fired>*>(m)->payload;
            if (!is_due(t, name)) return;
            event_came();
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
        event_came();
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
    open_call postponed_for_;   // the call of the event being handled again
    std::list<kept> inserted_;  // by next_event, by the callbacks that run
    std::list<kept> kept_;      // postponed in this state
    std::list<kept> again_;     // to be handled before the mailbox
};

}  // namespace heirloom::detail
