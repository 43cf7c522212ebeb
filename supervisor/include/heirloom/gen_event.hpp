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
// destructor cleans up. A handler that throws is taken out and reported; the manager and the others go on.

namespace heirloom {

template <class Event>
class event_manager;

namespace detail {

template <class Event>
struct event_handler {
    event_handler(const server_identity* what, atom name) : identity(what), id(name) {}
    virtual ~event_handler() = default;
    virtual void on_event(const Event& e) = 0;
    const server_identity* identity;
    atom id;
    monitor_ref owner;
};
template <class Event, class H>
struct typed_event_handler final : event_handler<Event> {
    template <class... A>
    explicit typed_event_handler(atom name, A&&... args)
        : event_handler<Event>(&identity_of<H>, name), object(std::forward<A>(args)...) {}
    void on_event(const Event& e) override { object.handle_event(e); }
    H object;
};

template <class Event>
struct add_handler_request {
    using reply = bool;
    const server_identity* identity;
    atom id;
    pid owner;
    std::unique_ptr<event_handler<Event>> (*make)(void* args, atom id);
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
    using info = handles<down>;
    using handler = detail::event_handler<Event>;

    bool handle_call(detail::add_handler_request<Event> r) {
        if (find(r.identity, r.id) != handlers_.end()) return false;
        auto made = r.make(r.args.get(), r.id);
        if (r.owner) made->owner = monitor(r.owner);
        handlers_.push_back(std::move(made));
        return true;
    }
    bool handle_call(detail::delete_handler_request r) {
        const auto found = find(r.identity, r.id);
        if (found == handlers_.end()) return false;
        if ((*found)->owner) demonitor((*found)->owner, flush);
        handlers_.erase(found);
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
        } catch (const std::exception& e) {
            const exit_reason why = exit_reason::crash("", e.what());
            take_out(found, e.what());
            return failure(call_error{why, self(), detail::type_name<R>()});
        }
    }
    void handle_call(detail::event_sync<Event> e) { tell(e.event); }
    void handle_cast(detail::event_notice<Event> e) { tell(e.event); }
    /// A handler goes with the process it was added for.
    void handle_info(down d) {
        std::erase_if(handlers_, [&](const auto& h) { return h->owner == d.ref; });
    }

private:
    using list = std::vector<std::unique_ptr<handler>>;
    typename list::iterator find(const detail::server_identity* identity, atom id) {
        return std::find_if(handlers_.begin(), handlers_.end(),
                            [&](const auto& h) { return h->identity == identity && h->id == id; });
    }
    void tell(const Event& e) {
        for (std::size_t i = 0; i < handlers_.size();) {
            try {
                handlers_[i]->on_event(e);
                ++i;
            } catch (const std::exception& error) {
                take_out(handlers_.begin() + static_cast<std::ptrdiff_t>(i), error.what());
            }
        }
    }
    void take_out(typename list::iterator h, const char* why) {
        log({.level = log_level::error,
             .event = "handler_removed",
             .about = self(),
             .text =
                 "event handler " + std::string((*h)->identity->name) + " is taken out: " + why});
        handlers_.erase(h);
    }
    list handlers_;
};

/// Adds a handler H made of the arguments, in the manager. False if one with this id is there already.
template <class H, class Event, class... A>
bool add_handler(server<event_manager<Event>> to, atom id, A&&... args) {
    using kept = std::tuple<detail::stored_t<A>...>;
    return call(to, detail::add_handler_request<Event>{
                        &detail::identity_of<H>,
                        id,
                        {},
                        [](void* p, atom name) -> std::unique_ptr<detail::event_handler<Event>> {
                            return std::apply(
                                [&](auto&... a) {
                                    return std::make_unique<detail::typed_event_handler<Event, H>>(
                                        name, std::move(a)...);
                                },
                                *static_cast<kept*>(p));
                        },
                        std::make_shared<kept>(std::forward<A>(args)...)});
}
/// The same, for as long as the caller lives.
template <class H, class Event, class... A>
bool add_linked_handler(server<event_manager<Event>> to, atom id, A&&... args) {
    using kept = std::tuple<detail::stored_t<A>...>;
    return call(to, detail::add_handler_request<Event>{
                        &detail::identity_of<H>, id, self(),
                        [](void* p, atom name) -> std::unique_ptr<detail::event_handler<Event>> {
                            return std::apply(
                                [&](auto&... a) {
                                    return std::make_unique<detail::typed_event_handler<Event, H>>(
                                        name, std::move(a)...);
                                },
                                *static_cast<kept*>(p));
                        },
                        std::make_shared<kept>(std::forward<A>(args)...)});
}
template <class H, class Event>
bool delete_handler(server<event_manager<Event>> from, atom id = {}) {
    return call(from, detail::delete_handler_request{&detail::identity_of<H>, id});
}
template <class Event>
std::vector<std::string> which_handlers(server<event_manager<Event>> of) {
    return call(of, detail::which_handlers_request{});
}
/// Hands the event to all handlers, without waiting.
template <class Event, class E>
void notify(server<event_manager<Event>> to, E&& event) {
    cast(to, detail::event_notice<Event>{Event(std::forward<E>(event))});
}
/// The same, and waits until all have had it.
template <class Event, class E>
void sync_notify(server<event_manager<Event>> to, E&& event, duration limit = default_call_limit) {
    call(to, detail::event_sync<Event>{Event(std::forward<E>(event))}, limit);
}
/// Asks one handler. `bad_handler` if it is not there.
template <class H, class Event, class R>
auto ask_handler(server<event_manager<Event>> at, atom id, R request,
                 duration limit = default_call_limit) {
    return call(at, detail::ask_handler_request<Event, H, R>{id, std::move(request)}, limit);
}

}  // namespace heirloom

template <class Event>
struct heirloom::owns_what_it_holds<heirloom::detail::add_handler_request<Event>> : std::true_type {
};
template <>
struct heirloom::owns_what_it_holds<heirloom::detail::delete_handler_request> : std::true_type {};
