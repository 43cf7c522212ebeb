#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include <heirloom/child_spec.hpp>
#include <heirloom/gen_server.hpp>

// An agent is a process that holds one value and runs functions on it, one at a time (Elixir: Agent).
//
//     auto total = agent<long>::start_link([] { return 0L; }).value();
//     total.update([](long& n) { n += 5; });
//     long five = total.get([](const long& n) { return n; });
//
// A function that throws ends the agent, and with it the call. Functions run in the agent: what they capture must own
// what it holds, and a function that waits makes everybody wait.

namespace heirloom {

namespace detail {
template <class State, class F>
struct agent_request {
    using reply = std::invoke_result_t<F&, State&>;
    F f;
};
template <class State, class F>
struct agent_cast {
    F f;
};
template <class State>
class agent_server {
public:
    template <class Init>
        requires std::is_invocable_r_v<State, Init&>
    explicit agent_server(Init init) : state_(init()) {}
    template <class F>
    typename agent_request<State, F>::reply handle_call(agent_request<State, F> r) {
        return r.f(state_);
    }
    template <class F>
    void handle_cast(agent_cast<State, F> c) {
        c.f(state_);
    }
    State state() const { return state_; }
    void set_state(State s) { state_ = std::move(s); }

private:
    State state_;
};
}  // namespace detail

/// A handle of an agent: copyable, sendable, usable where a pid is.
template <class State>
class agent {
public:
    using server_type = detail::agent_server<State>;
    using name_type = server_name<server_type>;

    agent() noexcept = default;
    explicit agent(heirloom::pid p) noexcept : server_(p) {}
    explicit agent(name_type name) noexcept : server_(whereis(name)) {}
    operator heirloom::pid() const noexcept { return server_; }  // NOLINT: identity is free
    server<server_type> get_server() const noexcept { return server_; }

    /// Starts an agent whose value is init(), computed in it.
    template <class Init>
    static result<agent, start_error> start_link(Init init) {
        return wrap(heirloom::start_link<server_type>(std::move(init)));
    }
    template <class Init>
    static result<agent, start_error> start_link(name_type name, Init init) {
        return wrap(heirloom::start_link(name, std::move(init)));
    }
    template <class Init>
    static result<agent, start_error> start(Init init) {
        return wrap(heirloom::start<server_type>(std::move(init)));
    }
    template <class Init>
    [[nodiscard]] static child_of<server_type> child(name_type name, Init init) {
        return heirloom::child<server_type>(name, std::move(init));
    }

    /// What f(value) returns.
    template <class F>
    auto get(F f, duration limit = default_call_limit) const {
        auto inside = [f = std::move(f)](State& s) mutable
            -> std::decay_t<std::invoke_result_t<F&, const State&>> { return f(std::as_const(s)); };
        return call(server_, detail::agent_request<State, decltype(inside)>{std::move(inside)},
                    limit);
    }
    /// f(value&) changes it, or returns the new one.
    template <class F>
    void update(F f, duration limit = default_call_limit) const {
        auto inside = change(std::move(f));
        call(server_, detail::agent_request<State, decltype(inside)>{std::move(inside)}, limit);
    }
    /// f(value&) changes it and returns something.
    template <class F>
    auto get_and_update(F f, duration limit = default_call_limit) const {
        return call(server_, detail::agent_request<State, F>{std::move(f)}, limit);
    }
    /// update, without waiting.
    template <class F>
    void cast(F f) const {
        auto inside = change(std::move(f));
        heirloom::cast(server_, detail::agent_cast<State, decltype(inside)>{std::move(inside)});
    }
    void stop(const exit_reason& why = reason::normal, duration limit = forever) const {
        heirloom::stop(server_, why, limit);
    }

private:
    static result<agent, start_error> wrap(result<server<server_type>, start_error> r) {
        if (!r) return failure(r.error());
        return agent(heirloom::pid(*r));
    }
    template <class F>
    static auto change(F f) {
        return [f = std::move(f)](State& s) mutable {
            if constexpr (std::is_void_v<std::invoke_result_t<F&, State&>>)
                f(s);
            else
                s = f(s);
        };
    }
    server<server_type> server_;
};

}  // namespace heirloom

template <class State, class F>
struct heirloom::owns_what_it_holds<heirloom::detail::agent_request<State, F>> : std::true_type {};
template <class State, class F>
struct heirloom::owns_what_it_holds<heirloom::detail::agent_cast<State, F>> : std::true_type {};
