#pragma once

#include <concepts>
#include <memory>
#include <utility>
#include <variant>

#include <heirloom/gen_server.hpp>
#include <heirloom/name_keeper.hpp>
#include <heirloom/request.hpp>

// Servers whose names are kept elsewhere than in the runtime (OTP: {via, Module, Name}). A via<T> does what a server_name<T>
// does: start, call, cast, stop, child. The name is taken before the constructor runs, and free when anybody can
// know of the server's end. Looking it up asks whoever keeps it, which may wait.
//
//     using rooms = registry<std::string>;
//     inline constexpr server_name<rooms> the_rooms{"rooms"};
//     start_link(via<room>(the_rooms, "hall"), arguments...);
//     call(via<room>(the_rooms, "hall"), room::join{...});

namespace heirloom {

template <class Key, class Value = std::monostate>
class registry;

template <class T>
class via {
public:
    using server_type = T;

    explicit via(std::shared_ptr<const name_keeper> keeper) noexcept : keeper_(std::move(keeper)) {}
    /// A key of a registry with unique keys, and the value to set with it: see registry.hpp.
    template <class K, class V>
    via(server_name<registry<K, V>> in, std::type_identity_t<K> key,
        std::type_identity_t<V> value = {});

    const std::shared_ptr<const name_keeper>& keeper() const noexcept { return keeper_; }

private:
    std::shared_ptr<const name_keeper> keeper_;
};

/// Who has the name now; an empty server if nobody has.
template <class T>
server<T> whereis(const via<T>& name) {
    return server<T>(name.keeper()->find());
}

template <class T, class... A>
result<server<T>, start_error> start(const via<T>& name, A&&... args) {
    return detail::start_server<T>({}, {}, name.keeper(), std::forward<A>(args)...);
}
template <class T, class... A>
result<server<T>, start_error> start(const start_options& options, const via<T>& name,
                                     A&&... args) {
    return detail::start_server<T>({}, options, name.keeper(), std::forward<A>(args)...);
}
template <class T, class... A>
result<server<T>, start_error> start_link(const via<T>& name, A&&... args) {
    return detail::start_server<T>({.link = true}, {}, name.keeper(), std::forward<A>(args)...);
}
template <class T, class... A>
result<server<T>, start_error> start_link(const start_options& options, const via<T>& name,
                                          A&&... args) {
    return detail::start_server<T>({.link = true}, options, name.keeper(),
                                   std::forward<A>(args)...);
}
template <class T, class... A>
result<monitored_server<T>, start_error> start_monitor(const via<T>& name, A&&... args) {
    return detail::start_monitored<T>({}, name.keeper(), std::forward<A>(args)...);
}

template <class T, class Request>
detail::reply_of<Request> call(const via<T>& to, Request&& request,
                               duration limit = default_call_limit) {
    const server<T> now = whereis(to);
    if (!now)
        throw call_failed(reason::no_process, {}, std::string(detail::request_text<Request>()),
                          to.keeper()->text());
    return call(now, std::forward<Request>(request), limit);
}
template <class T, class Request>
result<detail::reply_of<Request>, call_error> try_call(const via<T>& to, Request&& request,
                                                       duration limit = default_call_limit) {
    server<T> now;
    try {
        now = whereis(to);
    } catch (const call_failed& e) {
        return failure(call_error{e.reason(), e.server(), detail::type_name<Request>()});
    }
    return try_call(now, std::forward<Request>(request), limit);
}
/// As any cast: where nobody has the name, or the keeper is not there, the message is dropped.
template <class T, class Message>
void cast(const via<T>& to, Message&& message) {
    server<T> now;
    try {
        now = whereis(to);
    } catch (const call_failed&) {  // NOLINT(bugprone-empty-catch): nobody to cast to
    }
    cast(now, std::forward<Message>(message));
}
/// Throws bad_argument where the keeper is not there.
template <class T, class Request>
auto send_request(const via<T>& to, Request&& request) {
    server<T> now;
    try {
        now = whereis(to);
    } catch (const call_failed& e) {
        throw bad_argument("send_request", e.what());
    }
    return send_request(now, std::forward<Request>(request));
}
template <class T>
void stop(const via<T>& whom, const exit_reason& why = reason::normal, duration limit = forever) {
    stop(whereis(whom), why, limit);
}

}  // namespace heirloom
