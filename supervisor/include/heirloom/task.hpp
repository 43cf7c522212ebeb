#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <deque>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/child_spec.hpp>
#include <heirloom/errors.hpp>
#include <heirloom/gen_server.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/result.hpp>
#include <heirloom/supervisor.hpp>

// A task is a process that computes one value for the process that asked for it (Elixir: Task).
//
//     auto sum = async([](int a, int b) { return a + b; }, 1, 2);
//     ... other work ...
//     int three = await(std::move(sum));
//
// async links the two: whichever crashes takes the other along. async_nolink does not; await then says how it ended.
// Given a dynamic supervisor first, the task is its temporary child (Elixir: Task.Supervisor): it is listed there, counts towards
// max_children, and is stopped with it.
//
//     auto workers = dynamic_supervisor::start_link({.max_children = 100}).value();
//     auto answer = async_nolink(workers, fetch, url);

namespace heirloom {

/// Why a task gave no value: its exit reason, or `timeout`.
struct task_error {
    exit_reason reason;
    heirloom::pid process;
    [[noreturn]] void raise() const { throw call_failed(reason, process, "await"); }
};

/// A value under way. Belongs to the process that asked for it: nobody else may await it. Dropped, the value is
/// dropped when it comes; the task itself goes on.
template <class R>
class [[nodiscard]] task {
public:
    using value_type = R;

    task() noexcept = default;
    task(task&& other) noexcept
        : process_(std::exchange(other.process_, {})),
          watch_(std::exchange(other.watch_, {})),
          answer_(std::exchange(other.answer_, {})),
          linked_(other.linked_) {}
    task& operator=(task&& other) noexcept {
        if (this != &other) {
            forget();
            process_ = std::exchange(other.process_, {});
            watch_ = std::exchange(other.watch_, {});
            answer_ = std::exchange(other.answer_, {});
            linked_ = other.linked_;
        }
        return *this;
    }
    ~task() { forget(); }

    /// Whether its value is still to be had.
    explicit operator bool() const noexcept { return static_cast<bool>(watch_); }
    heirloom::pid pid() const noexcept { return process_; }
    heirloom::pid owner() const noexcept { return answer_.owner; }

    // For the functions below.
    task(heirloom::pid process, monitor_ref watch, alias_ref answer, bool linked) noexcept
        : process_(process), watch_(watch), answer_(answer), linked_(linked) {}
    const monitor_ref& watch() const noexcept { return watch_; }
    const alias_ref& answer() const noexcept { return answer_; }
    bool linked() const noexcept { return linked_; }
    void forget() noexcept {
        if (!watch_) return;
        demonitor(std::exchange(watch_, {}), flush);
        unalias(answer_);
    }

private:
    heirloom::pid process_;
    monitor_ref watch_;
    alias_ref answer_;
    bool linked_ = false;
};

/// How a task ended.
template <class R>
using task_end = result<R, task_error>;

}  // namespace heirloom

#include <heirloom/detail/task_impl.hpp>

namespace heirloom {

// Function objects, so that a call with an argument of namespace std does not find std::async.

/// Runs f(args...) in a process linked to the caller. As async(supervisor, f, args...): exits with the supervisor's
/// reason when that refuses the child.
inline constexpr detail::async_fn<detail::task_tie::linked> async{};
/// The same, not linked: its crash does not reach the caller but as the result of await.
inline constexpr detail::async_fn<detail::task_tie::watched> async_nolink{};
/// Waits for the value. Throws call_failed with `timeout` when it takes longer than `limit` (5 s unless said
/// otherwise; the value is dropped then), or with the task's reason when it crashed, which only a process sees
/// that traps exits or did not link. Throws bad_argument in any process but the one that asked.
inline constexpr detail::await_fn await{};
/// The values of all, in order; one limit for all.
inline constexpr detail::await_many_fn await_many{};
/// f(element) for each element of `range`, a few at a time; a range of the results: see stream_options.
inline constexpr detail::async_stream_fn async_stream{};

/// Waits `limit` for the task's end; nothing if it is still under way: it may be asked again.
template <class R>
std::optional<task_end<R>> yield(task<R>& t, duration limit = default_call_limit) {
    return detail::wait_for_task(t, detail::deadline_after(limit, "yield"));
}
/// The same for many, in one limit; the results are in the order of the tasks.
template <class R>
std::vector<std::optional<task_end<R>>> yield_many(std::vector<task<R>>& tasks,
                                                   duration limit = default_call_limit) {
    const time_point deadline = detail::deadline_after(limit, "yield_many");
    std::vector<std::optional<task_end<R>>> ends;
    ends.reserve(tasks.size());
    for (auto& t : tasks) ends.push_back(detail::wait_for_task(t, deadline));
    return ends;
}

/// Ends a task: `shutdown`, and `kill` after `limit`. What it got done by then: its value, or how it failed;
/// nothing if it was stopped. The caller is not hit, and no message is left.
template <class R>
std::optional<task_end<R>> shutdown(task<R> t, duration limit = default_call_limit) {
    return detail::stop_task(t, limit, false);
}
template <class R>
std::optional<task_end<R>> shutdown(task<R> t, brutal_kill_t) {
    return detail::stop_task(t, duration::zero(), true);
}

/// Lets a task go on alone: not linked any more, and its value is dropped when it comes. If it has ended already: its
/// value, or how it failed. (Elixir: Task.ignore.)
template <class R>
std::optional<task_end<R>> ignore(task<R> t) {
    detail::check_task_owner(t.owner(), static_cast<bool>(t), "ignore");
    if (t.linked()) unlink(t.pid());
    return detail::wait_for_task(t, runtime_clock::now());
}

}  // namespace heirloom
