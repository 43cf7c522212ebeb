#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/gen_server.hpp>
#include <heirloom/log.hpp>

// An event manager is a process that hands each event to its handlers, in the order they were added (OTP: gen_event).
// A handler is a class with a public `void handle_event(const Event&)`, and for requests handle_call as in a server; its
// destructor cleans up, and a public `void terminate(const exit_reason&)`, if it has one, is told before why it goes. A handle_event that returns bool takes its handler out by `false`. A handler that throws is taken out
// and reported, whatever it throws; the manager and the others go on.

namespace heirloom {

template <class Event>
class event_manager;

/// What the owner of a handler (add_linked_handler) is told when that is gone: `normal` if it was deleted or left by itself,
/// {swapped, ...} if another took its place, the manager's reason if that ended, else what it failed with.
struct handler_gone {
    pid manager;
    std::string handler;  // its class, as the source spells it
    atom id;
    exit_reason reason;
};

namespace detail {

template <class Event>
struct event_handler {
    event_handler(const server_identity* what, atom name) : identity(what), id(name) {}
    virtual ~event_handler() = default;
    /// False: it wants to go.
    virtual bool on_event(const Event& e) = 0;
    /// It goes. What its terminate throws is nobody's business any more.
    virtual void leave(const exit_reason& why) = 0;
    const server_identity* identity;
    atom id;
    pid owner;
    monitor_ref watch;  // of the owner
};
template <class Event, class H>
struct typed_event_handler final : event_handler<Event> {
    template <class... A>
    explicit typed_event_handler(atom name, A&&... args)
        : event_handler<Event>(&identity_of<H>, name), object(std::forward<A>(args)...) {}
    bool on_event(const Event& e) override {
        if constexpr (std::is_same_v<decltype(object.handle_event(e)), bool>)
            return object.handle_event(e);
        else
            return object.handle_event(e), true;
    }
    void leave(const exit_reason& why) override {
        if constexpr (terminates<H>) {
            try {
                object.terminate(why);
            } catch (...) {
                (void)caught_reason();  // a kill goes on
            }
        }
    }
    H object;
};

template <class Event>
struct add_handler_request {
    using reply = result<bool, call_error>;
    const server_identity* identity;
    atom id;
    pid owner;
    // Of the one whose place it takes, if there is such a one; null: none.
    const server_identity* instead_of;
    atom instead_of_id;
    std::unique_ptr<event_handler<Event>> (*make)(void* args, atom id, event_handler<Event>* old);
    std::shared_ptr<void> args;
};
struct delete_handler_request {
    using reply = bool;
    const server_identity* identity;
    atom id;
};
struct which_handlers_request {
    using reply = std::vector<std::string>;
};
template <class Event, class H, class R>
struct ask_handler_request {
    using reply = result<reply_of<R>, call_error>;
    atom id;
    R request;
};
template <class Event>
struct event_notice {
    Event event;
};
template <class Event>
struct event_sync {
    using reply = void;
    Event event;
};

}  // namespace detail

/// The manager, as a server class: start it by start_link<event_manager<E>>(), or as a child.
template <class Event>
class event_manager {
public:
    using info = handles<down, exit_signal>;
    using handler = detail::event_handler<Event>;

    /// Traps exits, as OTP's: a supervisor that stops it lets its handlers say goodbye.
    event_manager() { trap_exit(true); }

    result<bool, call_error> handle_call(detail::add_handler_request<Event> r) {
        const auto old =
            r.instead_of != nullptr ? find(r.instead_of, r.instead_of_id) : handlers_.end();
        const auto same = find(r.identity, r.id);
        if (same != handlers_.end() && same != old) return false;
        std::unique_ptr<handler> made;
        try {
            made = r.make(r.args.get(), r.id, old != handlers_.end() ? old->get() : nullptr);
        } catch (...) {
            // Its constructor failed: that is the asker's failure.
            return failure(call_error{detail::caught_reason(), self(), r.identity->name});
        }
        if (r.owner) {
            made->owner = r.owner;
            made->watch = monitor(r.owner);
        }
        if (old == handlers_.end()) {
            handlers_.push_back(std::move(made));
        } else {
            auto gone = std::exchange(*old, std::move(made));
            farewell(*gone, exit_reason("swapped"_a, atom::intern(r.identity->name)));
        }
        return true;
    }
    bool handle_call(detail::delete_handler_request r) {
        const auto found = find(r.identity, r.id);
        if (found == handlers_.end()) return false;
        take_out(found, reason::normal);
        return true;
    }
    std::vector<std::string> handle_call(detail::which_handlers_request) {
        std::vector<std::string> names;
        for (auto& h : handlers_)
            names.push_back(std::string(h->identity->name) +
                            (h->id ? "/" + std::string(h->id.text()) : ""));
        return names;
    }
    template <class H, class R>
    typename detail::ask_handler_request<Event, H, R>::reply
    handle_call(detail::ask_handler_request<Event, H, R> r) {
        const auto found = find(&detail::identity_of<H>, r.id);
        if (found == handlers_.end())
            return failure(call_error{"bad_handler"_a, self(), detail::type_name<R>()});
        try {
            return static_cast<detail::typed_event_handler<Event, H>&>(**found).object.handle_call(
                std::move(r.request));
        } catch (...) {
            const exit_reason why = detail::caught_reason();
            take_out(found, why);
            return failure(call_error{why, self(), detail::type_name<R>()});
        }
    }
    void handle_call(detail::event_sync<Event> e) { tell(e.event); }
    void handle_cast(detail::event_notice<Event> e) { tell(e.event); }
    /// A handler goes with the process it was added for.
    void handle_info(down d) {
        std::erase_if(handlers_, [&](const auto& h) {
            if (h->watch != d.ref) return false;
            h->leave(d.reason);
            return true;
        });
    }
    /// Of a stranger: its parent's ends it, and handlers go by their owner's monitor.
    void handle_info(const exit_signal&) {}
    void terminate(const exit_reason& why) {
        for (const auto& h : handlers_) farewell(*h, why);
    }

private:
    using list = std::vector<std::unique_ptr<handler>>;
    typename list::iterator find(const detail::server_identity* identity, atom id) {
        return std::find_if(handlers_.begin(), handlers_.end(),
                            [&](const auto& h) { return h->identity == identity && h->id == id; });
    }
    void tell(const Event& e) {
        for (std::size_t i = 0; i < handlers_.size();) {
            const auto at = handlers_.begin() + static_cast<std::ptrdiff_t>(i);
            try {
                if ((*at)->on_event(e))
                    ++i;
                else
                    take_out(at, reason::normal);
            } catch (...) {
                take_out(at, detail::caught_reason());
            }
        }
    }
    void take_out(typename list::iterator h, const exit_reason& why) {
        const auto gone = std::move(*h);
        handlers_.erase(h);
        if (!why.is_orderly())
            log({.level = log_level::error,
                 .event = "handler_removed",
                 .about = self(),
                 .text = "event handler " + std::string(gone->identity->name) +
                         " is taken out: " + to_string(why)});
        farewell(*gone, why);
    }
    void farewell(handler& gone, const exit_reason& why) {
        gone.leave(why);
        if (!gone.owner) return;
        demonitor(gone.watch, flush);
        try_send(gone.owner, handler_gone{self(), std::string(gone.identity->name), gone.id, why});
    }
    list handlers_;
};

namespace detail {
/// Whose end takes the handler out again, and whose place it takes: nobody's if empty.
struct handler_place {
    pid owner = {};
    const server_identity* instead_of = nullptr;
    atom instead_of_id = {};
};
/// An Old whose place it takes is given to its constructor, after the arguments, if there is one that takes it.
template <class H, class Old = void, template <class> class Ref, class Event, class... A>
bool place_handler(const Ref<event_manager<Event>>& to, const handler_place& where, atom id,
                   A&&... args) {
    using kept = std::tuple<stored_t<A>...>;
    static_assert(
        requires(H& h, const Event& e) { h.handle_event(e); },
        "heirloom: this event handler has no public handle_event for the manager's events: add "
        "`void handle_event(const Event&)`");
    static_assert(std::is_constructible_v<H, stored_t<A>&&...>,
                  "heirloom: the event handler has no constructor for these arguments");
    auto added = call(
        to, add_handler_request<Event>{
                &identity_of<H>, id, where.owner, where.instead_of, where.instead_of_id,
                [](void* p, atom name, [[maybe_unused]] event_handler<Event>* old)
                    -> std::unique_ptr<event_handler<Event>> {
                    using made = typed_event_handler<Event, H>;
                    return std::apply(
                        [&](auto&... a) {
                            if constexpr (std::is_constructible_v<H, stored_t<A>&&..., Old>)
                                if (old != nullptr)
                                    return std::make_unique<made>(
                                        name, std::move(a)...,
                                        std::move(static_cast<typed_event_handler<Event, Old>*>(old)
                                                      ->object));
                            return std::make_unique<made>(name, std::move(a)...);
                        },
                        *static_cast<kept*>(p));
                },
                std::make_shared<kept>(std::forward<A>(args)...)});
    if (!added) added.error().raise();
    return *added;
}
}  // namespace detail

// In all of these the manager is a server<event_manager<E>>, the server_name of one, or a via.

/// Adds a handler H made of the arguments, in the manager. False if one with this id is there already. Throws call_failed if
/// its constructor does.
template <class H, template <class> class Ref, class Event, class... A>
bool add_handler(const Ref<event_manager<Event>>& to, atom id, A&&... args) {
    return detail::place_handler<H>(to, {}, id, std::forward<A>(args)...);
}
/// The same, for as long as the caller lives; when the handler goes before, the caller gets a handler_gone. A manager that is
/// killed tells nobody: monitor it.
template <class H, template <class> class Ref, class Event, class... A>
bool add_linked_handler(const Ref<event_manager<Event>>& to, atom id, A&&... args) {
    return detail::place_handler<H>(to, {.owner = self()}, id, std::forward<A>(args)...);
}
/// Adds a New in the place of an Old, no event between the two; at the end if there is no such Old. Its constructor is given
/// the arguments and, if it has one that takes it, the Old as `Old&&`: what that knew is not lost.
template <class Old, class New, template <class> class Ref, class Event, class... A>
bool swap_handler(const Ref<event_manager<Event>>& in, atom old_id, atom new_id, A&&... args) {
    return detail::place_handler<New, Old>(
        in, {.instead_of = &detail::identity_of<Old>, .instead_of_id = old_id}, new_id,
        std::forward<A>(args)...);
}
/// The same, for as long as the caller lives, as add_linked_handler.
template <class Old, class New, template <class> class Ref, class Event, class... A>
bool swap_linked_handler(const Ref<event_manager<Event>>& in, atom old_id, atom new_id,
                         A&&... args) {
    return detail::place_handler<New, Old>(
        in, {.owner = self(), .instead_of = &detail::identity_of<Old>, .instead_of_id = old_id},
        new_id, std::forward<A>(args)...);
}
/// Takes a handler out. False if it is not there.
template <class H, template <class> class Ref, class Event>
bool delete_handler(const Ref<event_manager<Event>>& from, atom id = {}) {
    return call(from, detail::delete_handler_request{&detail::identity_of<H>, id});
}
template <template <class> class Ref, class Event>
std::vector<std::string> which_handlers(const Ref<event_manager<Event>>& of) {
    return call(of, detail::which_handlers_request{});
}
/// Hands the event to all handlers, without waiting; as any cast, to nobody if there is no such manager.
template <template <class> class Ref, class Event, class E>
void notify(const Ref<event_manager<Event>>& to, E&& event) {
    static_assert(std::is_constructible_v<Event, E&&>,
                  "heirloom: notify: this is no event of the manager's");
    cast(to, detail::event_notice<Event>{Event(std::forward<E>(event))});
}
/// The same, and waits until all have had it.
template <template <class> class Ref, class Event, class E>
void sync_notify(const Ref<event_manager<Event>>& to, E&& event,
                 duration limit = default_call_limit) {
    static_assert(std::is_constructible_v<Event, E&&>,
                  "heirloom: sync_notify: this is no event of the manager's");
    call(to, detail::event_sync<Event>{Event(std::forward<E>(event))}, limit);
}
/// Asks one handler. `bad_handler` if it is not there.
template <class H, template <class> class Ref, class Event, class R>
auto ask_handler(const Ref<event_manager<Event>>& at, atom id, R request,
                 duration limit = default_call_limit) {
    return call(at, detail::ask_handler_request<Event, H, R>{id, std::move(request)}, limit);
}

}  // namespace heirloom

template <class Event>
struct heirloom::owns_what_it_holds<heirloom::detail::add_handler_request<Event>> : std::true_type {
};
template <>
struct heirloom::owns_what_it_holds<heirloom::detail::delete_handler_request> : std::true_type {};
