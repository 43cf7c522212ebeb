#pragma once

// The templates of gen_server.hpp, included in its middle.
#include <heirloom/gen_server.hpp>

namespace heirloom::detail {

template <class>
inline constexpr bool never = false;

struct unit {};
template <class T>
using stored_reply = std::conditional_t<std::is_void_v<T>, unit, T>;

// --- What a server class offers ---------------------------------------------------------------------

template <class R>
concept names_reply = requires { typename R::reply; };
template <class R>
struct reply_type_of {
    static_assert(names_reply<R>,
                  "heirloom: a request names its reply: add `using reply = ...;` to it");
    using type = void;
};
template <names_reply R>
struct reply_type_of<R> {
    using type = typename R::reply;
};
template <class Request>
using reply_of = typename reply_type_of<std::remove_cvref_t<Request>>::type;

template <class T, class R>
concept answers_now = requires(T& t, R r) { t.handle_call(std::move(r)); };
template <class T, class R>
concept answers_later =
    requires(T& t, R r, reply_to<reply_of<R>> c) { t.handle_call(std::move(r), std::move(c)); };
template <class T, class M>
concept takes_cast = requires(T& t, M m) { t.handle_cast(std::move(m)); };
template <class T, class M>
concept takes_info = requires(T& t, M m) { t.handle_info(std::move(m)); };
template <class T>
concept terminates = requires(T& t, const exit_reason& why) { t.terminate(why); };
template <class T>
concept lists_info = requires { typename T::info; };
template <class T>
concept has_one_info = requires { &T::handle_info; };

// A class that has handle_info, however often: a second base with the name makes the lookup ambiguous.
struct info_probe {
    void handle_info();
};
template <class T>
struct info_finder : T, info_probe {};
template <class T>
constexpr bool has_some_info() {
    if constexpr (std::is_class_v<T> && !std::is_final_v<T>)
        return !requires { &info_finder<T>::handle_info; };
    else
        return requires { &T::handle_info; };
}

template <class F>
struct only_argument;
template <class R, class C, class A>
struct only_argument<R (C::*)(A)> {
    using type = std::remove_cvref_t<A>;
};
template <class R, class C, class A>
struct only_argument<R (C::*)(A) const> {
    using type = std::remove_cvref_t<A>;
};
template <class R, class C, class A>
struct only_argument<R (C::*)(A) noexcept> {
    using type = std::remove_cvref_t<A>;
};
template <class R, class C, class A>
struct only_argument<R (C::*)(A) const noexcept> {
    using type = std::remove_cvref_t<A>;
};

template <class T>
struct infos_of {
    static_assert(!has_some_info<T>(), "heirloom: this server has several handle_info (or none "
                                       "that is public): say which messages "
                                       "they take, using info = handles<...>;");
    using type = handles<>;
};
template <lists_info T>
struct infos_of<T> {
    using type = typename T::info;
};
template <class T>
    requires(!lists_info<T> && has_one_info<T>)
struct infos_of<T> {
    using type = handles<typename only_argument<decltype(&T::handle_info)>::type>;
};

/// R17: says so in its class, `static constexpr bool leaf = true;`.
template <class T>
concept leaf_server = requires { requires T::leaf; };

// --- The activity of a server ---------------------------------------------------------------------------

/// How a T is driven. Other behaviours (gen_statem) have their own.
template <class T>
class server_activity;

/// The answer of a handler, as the message that carries it.
template <class T>
reply_message* answer_of(auto&& handler) {
    using stored = stored_reply<T>;
    if constexpr (std::is_void_v<T>) {
        handler();
        return new_reply<stored>();
    } else {
        return new_reply<stored>(handler());
    }
}

/// A request made by send_request: answered through an alias of the asker.
template <class R>
struct async_request {
    R request;
    alias_ref answer;
};

/// What goes to the server and what comes back: both are messages.
template <class R>
constexpr void check_request() {
    check_sendable<R>();
    if constexpr (names_reply<R>) {
        using answer = reply_of<R>;
        static_assert(!std::is_reference_v<answer>,
                      "heirloom: a reply is a message: it must own what it holds, not refer to it");
        if constexpr (!std::is_void_v<answer> && !std::is_reference_v<answer>)
            check_sendable<answer>();
    }
}

/// What a gen_server's class offers, driven by a Driver.
template <class T, class Driver>
struct server_behaviour {
    using driver = Driver;

    template <class R>
    static constexpr void check_call() {
        if constexpr (names_reply<R>) {
            static_assert(
                answers_now<T, R> || answers_later<T, R>,
                "heirloom: this server has no public handle_call for this request: add one, "
                "`reply handle_call(request)`, or call the server that has it");
            if constexpr (answers_now<T, R> && !answers_later<T, R>)
                static_assert(
                    std::is_same_v<decltype(std::declval<T&>().handle_call(std::declval<R>())),
                                   reply_of<R>>,
                    "heirloom: handle_call does not return the request's reply type: make it "
                    "return "
                    "what the request's `using reply` says");
            if constexpr (answers_later<T, R>)
                static_assert(
                    std::is_void_v<decltype(std::declval<T&>().handle_call(
                        std::declval<R>(), std::declval<reply_to<reply_of<R>>>()))>,
                    "heirloom: a handle_call that takes a reply_to returns void: what it returned "
                    "would reach nobody");
        }
    }
    template <class M>
    static constexpr void check_cast() {
        static_assert(takes_cast<T, M>,
                      "heirloom: this server has no public handle_cast for this message: add one, "
                      "`void handle_cast(message)`; what is answered is a request, for call");
    }
    template <class R>
    static void handle_call(Driver& d, typed_call<R>* request) {
        // If the handler throws the call stays open: the caller hears the exit reason, after our tables have moved.
        if constexpr (answers_later<T, R>) {
            open_call open(request);
            d.object().handle_call(std::move(request->payload),
                                   reply_to<reply_of<R>>(std::move(open)));
        } else {
            reply_message* answer = answer_of<reply_of<R>>([&]() -> decltype(auto) {
                // Where it is not its caller that runs it, it must not wait either: see leaf_work.
                [[maybe_unused]] std::conditional_t<leaf_server<T>, shield, unit> hold;
                return d.object().handle_call(std::move(request->payload));
            });
            answer_call(request, answer);
        }
    }
    template <class M>
    static void handle_cast(Driver& d, typed_message<M>* m) {
        message_ptr owner(m);
        d.object().handle_cast(std::move(m->payload));
    }
    template <class M>
    static void handle_async(Driver& d, typed_message<async_request<M>>* m) {
        message_ptr owner(m);
        reply_to<reply_of<M>> client(m->payload.answer);
        if constexpr (answers_later<T, M>)
            d.object().handle_call(std::move(m->payload.request), std::move(client));
        else if constexpr (std::is_void_v<reply_of<M>>)
            d.object().handle_call(std::move(m->payload.request)), reply(std::move(client));
        else
            reply(std::move(client), d.object().handle_call(std::move(m->payload.request)));
    }
};
/// Specialised by the behaviours whose classes do not look like a gen_server's.
template <class T>
struct behaviour_of : server_behaviour<T, server_activity<T>> {};

template <class T>
consteval void check_destructor() {
    static_assert(std::is_nothrow_destructible_v<T>,
                  "heirloom: a server's destructor is public and must not throw");
}

/// Storage for the object, made late and destroyed as that process.
template <class T>
class object_core : public server_core {
public:
    object_core() noexcept : server_core(identity_of<T>) {}
    ~object_core() noexcept override { destroy_object(); }

    T& object() noexcept { return object_; }
    template <class... A>
    void make(A&&... args) {
        ::new (static_cast<void*>(std::addressof(object_))) T(std::forward<A>(args)...);
        constructed();
        object_made();
    }
    std::string describe() noexcept override {
        if constexpr (requires {
                          { object_.format_status() } -> std::convertible_to<std::string>;
                      }) {
            if (!made_) return {};
            try {
                return object_.format_status();
            } catch (...) {
                return "(its format_status failed)";
            }
        }
        return {};
    }

protected:
    virtual void object_made() {}
    void destroy_object() noexcept override {
        if (std::exchange(made_, false)) object_.~T();
    }
    void terminate(const exit_reason& why) override {
        if constexpr (terminates<T>) object_.terminate(why);
    }

private:
    union {
        T object_;
    };
};

template <class T>
class server_activity : public object_core<T> {
public:
    const void* visited_as() noexcept override {
        return leaf_server<T> && this->at_rest() ? &identity_of<T> : nullptr;
    }

protected:
    void info(message* m) override { dispatch(m, typename infos_of<T>::type{}); }
    void idle_timeout_passed() override {
        if constexpr (listed<heirloom::idle_timeout>(typename infos_of<T>::type{}))
            this->object().handle_info(heirloom::idle_timeout{});
        else
            this->unexpected(new_user_message<heirloom::idle_timeout>());
    }

private:
    template <class M, class... Listed>
    static consteval bool listed(handles<Listed...>) {
        return (std::is_same_v<M, Listed> || ...);
    }
    template <class... M>
    void dispatch(message* m, handles<M...>) {
        if (!(try_one<M>(m) || ...)) this->unexpected(m);
    }
    template <class M>
    bool try_one(message* m) {
        static_assert(takes_info<T, M>,
                      "heirloom: `info` lists a message that no public handle_info takes");
        if (m->type != &user_type<M>) return false;
        message_ptr owner(m);
        this->object().handle_info(std::move(static_cast<typed_message<M>*>(m)->payload));
        return true;
    }
};

// --- Requests -------------------------------------------------------------------------------------------

template <class T>
using driver_of = typename behaviour_of<T>::driver;

template <class T, class R>
void handle_call_request(server_core& core, message* m) {
    behaviour_of<T>::template handle_call<R>(static_cast<driver_of<T>&>(core),
                                             static_cast<typed_call<R>*>(m));
}
template <class T, class M>
void handle_cast_request(server_core& core, message* m) {
    behaviour_of<T>::template handle_cast<M>(static_cast<driver_of<T>&>(core),
                                             static_cast<typed_message<M>*>(m));
}
template <class T, class R>
void handle_async_request(server_core& core, message* m) {
    behaviour_of<T>::template handle_async<R>(static_cast<driver_of<T>&>(core),
                                              static_cast<typed_message<async_request<R>>*>(m));
}

template <class R>
constexpr message_type call_base(const type_label& name) {
    return {message_kind::call, &destroy_message<typed_call<R>>, name,
            &print_request,     &gut_message<typed_call<R>>,     sizeof(typed_call<R>)};
}
template <class T, class R>
inline constexpr request_type call_request{call_base<R>(label_of<R>), &identity_of<T>,
                                           &handle_call_request<T, R>};
template <class T, class M>
inline constexpr request_type cast_request{
    {message_kind::user, &destroy_message<typed_message<M>>, label_of<M>, &print_request},
    &identity_of<T>,
    &handle_cast_request<T, M>};

template <class T, class R>
inline constexpr request_type async_request_type{{message_kind::user,
                                                  &destroy_message<typed_message<async_request<R>>>,
                                                  label_of<R>, &print_request},
                                                 &identity_of<T>,
                                                 &handle_async_request<T, R>};

template <class T, class Request>
call_message* make_call(Request&& request) {
    using R = stored_t<Request>;
    check_request<R>();
    behaviour_of<T>::template check_call<R>();
    return new_message<typed_call<R>>(call_request<T, R>, std::forward<Request>(request));
}

// --- Leaf servers ---------------------------------------------------------------------------------------

/// A request that its caller may run itself.
template <class T, class R>
concept run_by_caller = leaf_server<T> && answers_now<T, R> && !answers_later<T, R> &&
                        std::is_same_v<driver_of<T>, server_activity<T>>;

template <class T, class R>
struct leaf_work {
    R request;
    std::optional<stored_reply<reply_of<R>>> answer;

    static bool run(activity& host, void* work) {
        auto& mine = *static_cast<leaf_work*>(work);
        auto& core = static_cast<server_activity<T>&>(host);
        core.note_message(call_request<T, R>);
        if constexpr (std::is_void_v<reply_of<R>>) {
            core.object().handle_call(std::move(mine.request));
            mine.answer.emplace();
        } else {
            mine.answer.emplace(core.object().handle_call(std::move(mine.request)));
        }
        return !core.at_rest();
    }
    visit_end visit(pid to) { return visit_server(to, &identity_of<T>, &run, this); }
};

template <class T, class Request>
result<reply_of<Request>, call_error> try_call_server(const callee& to, Request&& request,
                                                      duration limit) {
    using R = stored_t<Request>;
    using answer = result<reply_of<Request>, call_error>;
    // Of a message that carries the answer, or says why there is none.
    const auto take = [&](reply_message* got) -> answer {
        if (got == nullptr)
            return failure(call_error{reason::timeout, to.process, request_text<R>(), to.name});
        message_ptr owner(got);
        if (got->failed) [[unlikely]]
            return failure(call_error{std::move(static_cast<failed_reply*>(got)->payload),
                                      to.process, request_text<R>(), to.name});
        if constexpr (std::is_void_v<reply_of<R>>)
            return {};
        else
            return std::move(static_cast<typed_reply<reply_of<R>>*>(got)->payload);
    };
    if constexpr (!names_reply<R>) {
        static_assert(names_reply<R>,
                      "heirloom: a request names its reply: add `using reply = ...;` to it");
    } else if constexpr (run_by_caller<T, R>) {
        check_request<R>();
        behaviour_of<T>::template check_call<R>();
        leaf_work<T, R> work{std::forward<Request>(request), {}};
        const visit_end end = limit < duration::zero() ? visit_end{} : work.visit(to.process);
        if (!end.visited)
            return take(ask(to.process, make_call<T>(std::move(work.request)), limit, "call"));
        if (end.failed != nullptr) return take(end.failed);
        safe_point();  // what was sent before the answer comes before it
        if constexpr (std::is_void_v<reply_of<R>>)
            return {};
        else
            return std::move(*work.answer);
    } else {
        return take(ask(to.process, make_call<T>(std::forward<Request>(request)), limit, "call"));
    }
}

template <class T, class Request>
reply_of<Request> call_server(const callee& to, Request&& request, duration limit) {
    using R = stored_t<Request>;
    if constexpr (run_by_caller<T, R>) {
        auto end = try_call_server<T>(to, std::forward<Request>(request), limit);
        if (!end) [[unlikely]]
            end.error().raise();
        if constexpr (!std::is_void_v<reply_of<R>>) return std::move(*end);
    } else if constexpr (names_reply<R>) {
        reply_message* got =
            ask(to.process, make_call<T>(std::forward<Request>(request)), limit, "call");
        if (got == nullptr) [[unlikely]]
            raise_call_failed(reason::timeout, to, request_text<R>());
        message_ptr owner(got);
        if (got->failed) [[unlikely]]
            raise_call_failed(std::move(static_cast<failed_reply*>(got)->payload), to,
                              request_text<R>());
        if constexpr (!std::is_void_v<reply_of<R>>)
            return std::move(static_cast<typed_reply<reply_of<R>>*>(got)->payload);
    }
}

template <class T, class Message>
void cast_server(pid to, Message&& m) {
    using M = stored_t<Message>;
    check_sendable<M>();
    behaviour_of<T>::template check_cast<M>();
    // Also to nobody: sending is a safe point either way, and the message is made or not by the same rules.
    send_message(to, new_message<typed_message<M>>(cast_request<T, M>, std::forward<Message>(m)));
}

void stop_process(const callee& whom, const exit_reason& why, duration limit);

// --- Requests answered through an alias: request.hpp ---------------------------------------------------

template <class T>
struct response {
    reference ref;
    stored_reply<T> value;
};
struct response_failed {
    reference ref;
    exit_reason reason;
};
bool deliver_through(const reference& alias, message* m) noexcept;
template <class T>
void send_response(const alias_ref& to, stored_reply<T> value) {
    deliver_through(to, new_user_message<response<T>>(response<T>{to, std::move(value)}));
}
void send_response_failed(const alias_ref& to, exit_reason why) noexcept;
/// Nobody will answer. A server that is on its way out says nothing: its end tells the asker why.
void drop_response(const alias_ref& to) noexcept;

// --- Starting -------------------------------------------------------------------------------------------

/// The start request: the name, the parent, and what the constructor gets.
template <class Args>
struct start_request {
    start_common common;
    Args args;
};

/// Makes the object of the message's arguments. Runs as the new process; what the constructor throws ends it.
template <class T, class Args>
void handle_start(server_core& core, message* m) {
    using driver = typename behaviour_of<T>::driver;
    auto* request = static_cast<typed_call<start_request<Args>>*>(m);
    if (!core.enter(request, request->payload.common)) return;
    try {
        request->payload.args.apply(
            [&](auto&&... a) { static_cast<driver&>(core).make(std::forward<decltype(a)>(a)...); });
    } catch (const start_ignored&) {
        core.ignored(request, request->payload.common.name);
        return;
    }
    core.entered(request);
}

template <class T, class Args>
inline constexpr request_type start_request_type{call_base<start_request<Args>>("start"), nullptr,
                                                 &handle_start<T, Args>};

/// Arguments moved to the new process.
template <class... A>
struct given_args {
    std::tuple<A...> values;
    void apply(auto&& f) {
        std::apply([&](A&... a) { f(std::move(a)...); }, values);
    }
};

// The first argument decides which overload is meant.
template <class T, class... A>
struct first_is_option : std::false_type {};
template <class T, class First, class... Rest>
struct first_is_option<T, First, Rest...>
    : std::bool_constant<std::is_same_v<std::remove_cvref_t<First>, start_options> ||
                         std::is_same_v<std::remove_cvref_t<First>, server_name<T>>> {};
template <class T, class... A>
concept starts_with_option = first_is_option<T, A...>::value;

template <class T, class... A>
start_end start_any(start_how how, const start_options& options, const start_name& name,
                    A&&... args) {
    check_destructor<T>();
    static_assert(std::is_constructible_v<T, stored_t<A>&&...>,
                  "heirloom: the server has no constructor for these start arguments");
    (check_sendable<stored_t<A>>(), ...);
    if (options.limit < duration::zero()) throw bad_argument("start", "a negative limit");
    if constexpr (std::is_constructible_v<T, stored_t<A>&&...>) {
        using given = given_args<stored_t<A>...>;
        using request = start_request<given>;
        const spawn_options spawn{.stack_size = options.stack_size,
                                  .priority = options.priority,
                                  .mailbox_bound = options.mailbox_bound,
                                  .when_full = options.when_full};
        how.limit = options.limit;
        how.spawn = &spawn;
        call_message* first = new_message<typed_call<request>>(
            start_request_type<T, given>,
            request{{name, how.link ? heirloom::self() : pid()}, {{std::forward<A>(args)...}}});
        message_ptr guard(first);
        auto* core = new typename behaviour_of<T>::driver;
        return start_core(core, static_cast<call_message*>(guard.release()), how);
    }
}
start_error to_start_error(start_end end);

template <class T, class... A>
result<server<T>, start_error> start_server(start_how how, const start_options& options,
                                            const start_name& name, A&&... args) {
    start_end end = start_any<T>(how, options, name, std::forward<A>(args)...);
    if (end.how == start_end::kind::started) return server<T>(end.process);
    return failure(to_start_error(std::move(end)));
}
template <class T, class... A>
result<monitored_server<T>, start_error> start_monitored(const start_options& options,
                                                         const start_name& name, A&&... args) {
    start_end end = start_any<T>({.monitor = true}, options, name, std::forward<A>(args)...);
    if (end.how == start_end::kind::started)
        return monitored_server<T>{server<T>(end.process), end.monitor};
    return failure(to_start_error(std::move(end)));
}

}  // namespace heirloom::detail

template <class T>
struct heirloom::owns_what_it_holds<heirloom::detail::response<T>> : std::true_type {};
template <>
struct heirloom::owns_what_it_holds<heirloom::detail::response_failed> : std::true_type {};
