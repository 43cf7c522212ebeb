#pragma once

// The templates of process.hpp.
#include <heirloom/process.hpp>

namespace heirloom {
namespace detail {

template <class F, class... A>
class function_activity : public plain_activity {
public:
    template <class G, class... B>
    explicit function_activity(G&& function, B&&... args)
        : function_(std::forward<G>(function)), args_(std::forward<B>(args)...) {}

    disposition run() override {
        std::apply([this](A&... args) { std::invoke(std::move(function_), std::move(args)...); },
                   args_);
        return disposition::finished;
    }

private:
    [[no_unique_address]] F function_;
    [[no_unique_address]] std::tuple<A...> args_;
};

/// A function that waits for a message before it starts, without a stack.
template <class F, class... A>
class hibernated_activity final : public function_activity<F, A...> {
public:
    using function_activity<F, A...>::function_activity;
    disposition run() override {
        return mailbox_holds_message() ? function_activity<F, A...>::run() : disposition::idle;
    }
};

template <class F, class... A>
spawned_ids spawn_function(const spawn_options& options, spawn_request request, F&& f,
                           A&&... args) {
    (check_sendable<stored_t<A>>(), ...);
    using body = function_activity<std::decay_t<F>, stored_t<A>...>;
    if constexpr (std::is_pointer_v<std::decay_t<F>>)
        request.entry = &label_of<std::remove_pointer_t<std::decay_t<F>>>;
    else
        request.entry = &label_of<std::decay_t<F>>;
    return spawn_activity(options, new body(std::forward<F>(f), std::forward<A>(args)...), request);
}

inline constexpr spawn_request plain_request{};
inline constexpr spawn_request link_request{.link = true};
inline constexpr spawn_request monitor_request{.monitor = true};

}  // namespace detail

template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
void hibernate(F&& f, A&&... args) {
    using body = detail::hibernated_activity<std::decay_t<F>, detail::stored_t<A>...>;
    detail::hibernate_as(std::make_unique<body>(std::forward<F>(f), std::forward<A>(args)...));
}

template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
pid spawn(F&& f, A&&... args) {
    return detail::spawn_function({}, detail::plain_request, std::forward<F>(f),
                                  std::forward<A>(args)...)
        .process;
}
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
pid spawn(const spawn_options& options, F&& f, A&&... args) {
    return detail::spawn_function(options, detail::plain_request, std::forward<F>(f),
                                  std::forward<A>(args)...)
        .process;
}
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
pid spawn_link(F&& f, A&&... args) {
    return detail::spawn_function({}, detail::link_request, std::forward<F>(f),
                                  std::forward<A>(args)...)
        .process;
}
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
pid spawn_link(const spawn_options& options, F&& f, A&&... args) {
    return detail::spawn_function(options, detail::link_request, std::forward<F>(f),
                                  std::forward<A>(args)...)
        .process;
}
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
spawned spawn_monitor(F&& f, A&&... args) {
    auto ids = detail::spawn_function({}, detail::monitor_request, std::forward<F>(f),
                                      std::forward<A>(args)...);
    return {ids.process, ids.monitor};
}
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
spawned spawn_monitor(const spawn_options& options, F&& f, A&&... args) {
    auto ids = detail::spawn_function(options, detail::monitor_request, std::forward<F>(f),
                                      std::forward<A>(args)...);
    return {ids.process, ids.monitor};
}

}  // namespace heirloom
