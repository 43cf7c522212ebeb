#include "heirloom/task.hpp"

#include <new>

namespace heirloom::detail {

void check_task_owner(pid owner, bool valid, const char* function) {
    if (!valid) throw bad_argument(function, "the task has been awaited already");
    if (owner != self()) throw bad_argument(function, "the task belongs to another process");
}

void await_go(pid owner) {
    const monitor_ref watch = monitor(owner);
    receive([](task_go) {}, when(watch, [](const down&) { exit(reason::normal); }));
    demonitor(watch, flush);
}

pid start_task_child(supervisor_ref under, std::function<pid()> body) {
    return start_child(under, child_function("task", std::move(body)).restart(temporary)).value();
}

exit_reason end_task(pid process, const monitor_ref& watch, bool linked, duration limit,
                     bool at_once) {
    if (linked) unlink(process);
    exit(process, at_once ? reason::kill : reason::shutdown);
    auto ended = [&](duration wait) {
        return receive(
            when(watch, [](const down& d) { return std::optional<exit_reason>(d.reason); }),
            after(wait, [] { return std::optional<exit_reason>(); }));
    };
    std::optional<exit_reason> why = ended(at_once ? forever : limit);
    if (!why) {
        exit(process, reason::kill);
        why = ended(forever);
    }
    return *why;
}

void forget_exit(pid process) {
    receive(
        when([&](const exit_signal& s) { return s.from == process; }, [](const exit_signal&) {}),
        after(duration::zero(), [] {}));
}

void kill_task(pid process, bool linked) noexcept {
    if (!process || !in_process()) return;
    shield hold;  // so that sending the signal is no safe point
    if (linked) unlink(process);
    try {
        exit(process, reason::kill);
    } catch (const std::bad_alloc&) {
        // It ends by itself, later.
    }
}

}  // namespace heirloom::detail
