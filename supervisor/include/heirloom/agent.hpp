#pragma once

#include <cstddef>
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
// A name stands for whoever has it now, so it is what to keep where a supervisor starts the agent again:
//
//     inline constexpr agent_name<long> the_total{"total"};
//     supervisor::start_link({.children = {agent<long>::child(the_total, [] { return 0L; })}});
//     the_total.update([](long& n) { n += 5; });
//
// A function that throws ends the agent, and with it the call. Functions run in the agent: what they capture must own
// what it holds, and a function that waits makes everybody wait.

namespace heirloom {

namespace detail {
template <class State, class F>
struct agent_request {
    using reply = std::decay_t<std::invoke_result_t<F&, State&>>;
    F f;
};
template <class State, class F>
struct agent_reading {
    using reply = std::decay_t<std::invoke_result_t<F&, const State&>>;
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
    template <class Table, class Key, class Init>
    agent_server(Table table, Key key, Init init)
        : state_(load(table, key, init)),
          save_([table, key](const State& s) mutable { table.insert(key, s); }) {}

    template <class F>
    typename agent_request<State, F>::reply handle_call(agent_request<State, F> r) {
        if constexpr (std::is_void_v<typename agent_request<State, F>::reply>) {
            r.f(state_);
            save();
        } else {
            auto answer = r.f(state_);
            save();  // before anyone hears of it
            return answer;
        }
    }
    template <class F>
    typename agent_reading<State, F>::reply handle_call(agent_reading<State, F> r) {
        return r.f(std::as_const(state_));
    }
    template <class F>
    void handle_cast(agent_cast<State, F> c) {
        c.f(state_);
        save();
    }
    State state() const { return state_; }
    void set_state(State s) {
        state_ = std::move(s);
        save();
    }

private:
    template <class Table, class Key, class Init>
    static State load(Table& table, const Key& key, Init& init) {
        if (auto kept = table.lookup(key)) return *std::move(kept);
        State fresh = init();
        table.insert(key, fresh);
        return fresh;
    }
    void save() {
        if (save_) save_(state_);
    }
    State state_;
    std::function<void(const State&)> save_;  // of one whose value outlives it
};

/// What can be done to an agent, however it is known: `Self::target()` is a server or the name of one.
template <class State, class Self>
class agent_verbs {
public:
    /// What f(value) returns. As all of these, it throws call_failed as call does.
    template <class F>
    auto get(F f, duration limit = default_call_limit) const {
        return call(target(), detail::agent_reading<State, F>{std::move(f)}, limit);
    }
    /// f(value&) changes it, or returns the new one.
    template <class F>
    void update(F f, duration limit = default_call_limit) const {
        ask(change(std::move(f)), limit);
    }
    /// f(value&) changes it and returns something.
    template <class F>
    auto get_and_update(F f, duration limit = default_call_limit) const {
        return ask(std::move(f), limit);
    }
    /// update, without waiting; nothing if there is no agent.
    template <class F>
    void cast(F f) const {
        auto inside = change(std::move(f));
        heirloom::cast(target(), detail::agent_cast<State, decltype(inside)>{std::move(inside)});
    }
    void stop(const exit_reason& why = reason::normal, duration limit = forever) const {
        heirloom::stop(target(), why, limit);
    }

private:
    auto target() const { return static_cast<const Self&>(*this).target(); }
    template <class F>
    auto ask(F f, duration limit) const {
        return call(target(), detail::agent_request<State, F>{std::move(f)}, limit);
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
};
}  // namespace detail

/// The registered name of an agent, made from a literal at compile time; looked up at each use.
template <class State>
class agent_name : public detail::agent_verbs<State, agent_name<State>> {
public:
    using server_type = detail::agent_server<State>;
    template <std::size_t N>
    consteval explicit agent_name(const char (&literal)[N]) noexcept : name_(literal) {}
    constexpr explicit agent_name(atom name) noexcept : name_(name) {}
    constexpr operator server_name<server_type>() const noexcept { return name_; }  // NOLINT
    constexpr server_name<server_type> target() const noexcept { return name_; }

private:
    server_name<server_type> name_;
};

/// A handle of one agent, which that is until it ends: copyable, sendable, usable where a pid is.
template <class State>
class agent : public detail::agent_verbs<State, agent<State>> {
public:
    using server_type = detail::agent_server<State>;
    using name_type = server_name<server_type>;

    agent() noexcept = default;
    explicit agent(heirloom::pid p) noexcept : server_(p) {}
    /// Whoever has the name now.
    explicit agent(name_type name) noexcept : server_(whereis(name)) {}
    operator heirloom::pid() const noexcept { return server_; }  // NOLINT: identity is free
    server<server_type> get_server() const noexcept { return server_; }
    server<server_type> target() const noexcept { return server_; }

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
    static result<agent, start_error> start(name_type name, Init init) {
        return wrap(heirloom::start(name, std::move(init)));
    }
    /// Its value is init() again after each restart.
    template <class Init>
    [[nodiscard]] static child_of<server_type> child(name_type name, Init init) {
        return heirloom::child<server_type>(name, std::move(init));
    }
    template <class Init>
    [[nodiscard]] static child_of<server_type> child(std::string id, Init init) {
        return heirloom::child<server_type>(std::move(id), std::move(init));
    }
    /// One whose value outlives it: the row `key` of a table that it may write, written after each change and before
    /// anybody hears of it, and read by the next one. init() is for the first.
    template <class Table, class Key, class Init>
    [[nodiscard]] static child_of<server_type> kept_child(name_type name, Table table, Key key,
                                                          Init init) {
        return heirloom::child<server_type>(name, std::move(table), std::move(key),
                                            std::move(init));
    }

private:
    static result<agent, start_error> wrap(result<server<server_type>, start_error> r) {
        if (!r) return failure(r.error());
        return agent(heirloom::pid(*r));
    }
    server<server_type> server_;
};

}  // namespace heirloom

template <class State, class F>
struct heirloom::owns_what_it_holds<heirloom::detail::agent_request<State, F>> : std::true_type {};
template <class State, class F>
struct heirloom::owns_what_it_holds<heirloom::detail::agent_reading<State, F>> : std::true_type {};
template <class State, class F>
struct heirloom::owns_what_it_holds<heirloom::detail::agent_cast<State, F>> : std::true_type {};
