#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/gen_server.hpp>

// Asking without waiting (OTP: send_request). The answer, or the server's end, is a message in this mailbox until it is
// waited for; several may be under way.
//
//     auto first = send_request(stock, stock::price{"a"});
//     auto second = send_request(stock, stock::price{"b"});
//     auto price = receive_response(first);                     result<price, call_error>

namespace heirloom {

/// One question under way, of the process that asked it. Copies name the same question.
template <class R>
class request_id {
public:
    using reply_type = R;
    request_id() noexcept = default;
    request_id(monitor_ref watch, const detail::callee& to,
               const detail::type_label& request) noexcept
        : watch_(watch), server_(to.process), name_(to.name), request_(&request) {}
    explicit operator bool() const noexcept { return static_cast<bool>(watch_); }
    heirloom::pid server() const noexcept { return server_; }
    /// What the server was asked by, if not by its pid.
    atom name() const noexcept { return name_; }
    std::string_view request() const { return request_ ? request_->text() : std::string_view(); }
    const monitor_ref& watch() const noexcept { return watch_; }
    friend bool operator==(const request_id& a, const request_id& b) noexcept {
        return a.watch_ == b.watch_;
    }

private:
    monitor_ref watch_;
    heirloom::pid server_;
    atom name_;
    const detail::type_label* request_ = nullptr;
};

template <class R>
using response_result = result<R, call_error>;

namespace detail {
template <class T, class Request>
request_id<reply_of<Request>> ask_later(const callee& to, Request&& request) {
    using R = stored_t<Request>;
    check_request<R>();
    behaviour_of<T>::template check_call<R>();
    using question = async_request<R>;
    const monitor_ref watch = monitor(to.process, alias_mode::reply_demonitor);
    deliver(to.process, new_message<typed_message<question>>(
                            async_request_type<T, R>,
                            question{std::forward<Request>(request), alias_ref(watch)}));
    return {watch, to, label_of<R>};
}
}  // namespace detail

/// Asks, and returns at once; also when there is no such server: then the response says `no_process`.
template <class T, class Request>
request_id<detail::reply_of<Request>> send_request(server<T> to, Request&& request) {
    return detail::ask_later<T>(to, std::forward<Request>(request));
}
template <class T, class Request>
auto send_request(server_name<T> to, Request&& request) {
    return detail::ask_later<T>(to, std::forward<Request>(request));
}
template <std::same_as<pid> Pid, class Request>
void send_request(Pid, Request&&) {
    static_assert(
        detail::never<Pid>,
        "heirloom: a pid is identity, not permission to call; use server<T>, or server<T>(pid)");
}

namespace detail {

template <class R>
response_result<R> failed_response(const request_id<R>& id, exit_reason why) {
    return response_result<R>(
        failure(call_error{std::move(why), id.server(), id.request(), id.name()}));
}
template <class R>
std::optional<response_result<R>> await_response(const request_id<R>& id, duration limit) {
    using end = std::optional<response_result<R>>;
    const reference ref = id.watch();
    return receive(
        when([ref](const response<R>& r) { return r.ref == ref; },
             [](response<R>&& r) -> end {
                 if constexpr (std::is_void_v<R>)
                     return end(response_result<R>());
                 else
                     return end(response_result<R>(std::move(r.value)));
             }),
        when([ref](const response_failed& f) { return f.ref == ref; },
             [&](response_failed&& f) -> end {
                 return end(failed_response(id, std::move(f.reason)));
             }),
        when(id.watch(),
             [&](down&& d) -> end { return end(failed_response(id, std::move(d.reason))); }),
        after(limit, []() -> end { return end(); }));
}

}  // namespace detail

/// Waits for the response; nothing when `limit` has passed: it may be waited for again.
template <class R>
std::optional<response_result<R>> wait_response(const request_id<R>& id,
                                                duration limit = default_call_limit) {
    return detail::await_response(id, limit);
}
/// Waits for the response; when `limit` has passed the question is given up, and nothing of it arrives any more.
template <class R>
response_result<R> receive_response(const request_id<R>& id, duration limit = default_call_limit) {
    if (auto got = detail::await_response(id, limit)) return std::move(*got);
    demonitor(id.watch(), flush);  // and its alias
    // What came between the limit and the end of the alias.
    if (auto late = detail::await_response(id, duration::zero())) return std::move(*late);
    return detail::failed_response(id, reason::timeout);
}
/// The same until a point of time; a past one takes what is here.
template <class R>
response_result<R> receive_response_until(const request_id<R>& id, time_point deadline) {
    return receive_response(id, std::max(duration::zero(), deadline - runtime_clock::now()));
}
template <class R>
std::optional<response_result<R>> wait_response_until(const request_id<R>& id,
                                                      time_point deadline) {
    return wait_response(id, std::max(duration::zero(), deadline - runtime_clock::now()));
}

/// Questions of one reply type under way, each with a label.
template <class R, class Label>
class request_collection {
public:
    struct answered {
        response_result<R> response;
        Label label;
    };

    /// Throws bad_argument for a question that is in it already.
    void add(const request_id<R>& id, Label label) {
        for (const auto& e : entries_)
            if (e.first == id)
                throw bad_argument("request_collection::add", "this request is in it already");
        entries_.emplace_back(id, std::move(label));
    }
    std::size_t size() const noexcept { return entries_.size(); }
    const std::vector<std::pair<request_id<R>, Label>>& to_list() const noexcept {
        return entries_;
    }

    /// The next response to arrive, taken out of the collection; nothing when `limit` has passed, or it is empty.
    std::optional<answered> wait(duration limit = default_call_limit) {
        if (entries_.empty()) return std::nullopt;
        std::size_t which = 0;
        const auto is_mine = [&](const detail::reference& ref) {
            for (which = 0; which < entries_.size(); ++which)
                if (static_cast<const detail::reference&>(entries_[which].first.watch()) == ref)
                    return true;
            return false;
        };
        using end = std::optional<response_result<R>>;
        end got = receive(when([&](const detail::response<R>& r) { return is_mine(r.ref); },
                               [](detail::response<R>&& r) -> end {
                                   if constexpr (std::is_void_v<R>)
                                       return end(response_result<R>());
                                   else
                                       return end(response_result<R>(std::move(r.value)));
                               }),
                          when([&](const detail::response_failed& f) { return is_mine(f.ref); },
                               [&](detail::response_failed&& f) -> end {
                                   return end(detail::failed_response(entries_[which].first,
                                                                      std::move(f.reason)));
                               }),
                          when([&](const down& d) { return is_mine(d.ref); },
                               [&](down&& d) -> end {
                                   return end(detail::failed_response(entries_[which].first,
                                                                      std::move(d.reason)));
                               }),
                          after(limit, []() -> end { return end(); }));
        if (!got) return std::nullopt;
        answered a{std::move(*got), std::move(entries_[which].second)};
        entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(which));
        return a;
    }
    /// Gives up what is still under way.
    void abandon() {
        for (auto& [id, label] : std::exchange(entries_, {})) {
            demonitor(id.watch(), flush);
            (void)detail::await_response(id, duration::zero());
        }
    }

private:
    std::vector<std::pair<request_id<R>, Label>> entries_;
};

/// Asks all of them at once, and waits for all; the responses are in the order of the servers. Late ones are dropped.
template <class T, class Request>
std::vector<response_result<detail::reply_of<Request>>>
multi_call(const std::vector<server<T>>& servers, const Request& request,
           duration limit = default_call_limit) {
    const time_point deadline = detail::deadline_after(limit, "multi_call");
    std::vector<request_id<detail::reply_of<Request>>> ids;
    ids.reserve(servers.size());
    for (const auto& s : servers) ids.push_back(send_request(s, request));
    std::vector<response_result<detail::reply_of<Request>>> all;
    all.reserve(servers.size());
    for (const auto& id : ids) all.push_back(receive_response_until(id, deadline));
    return all;
}

}  // namespace heirloom
