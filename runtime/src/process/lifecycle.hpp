#pragma once

#include "heirloom/detail/activity.hpp"
#include "heirloom/process.hpp"
#include "platform/context_switch.hpp"
#include "platform/thread_context.hpp"
#include "process/process.hpp"
#include "scheduler/timer_queue.hpp"

// lifecycle: how a process is born, runs, waits and ends.
namespace heirloom::detail {

class worker;
class runtime_core;

struct birth {
    const spawn_options* options;
    activity* what;
    spawn_request request;
    process* spawner;  // null: from outside
    worker* where;     // null: a foreign thread
    void (*at_end)(void*, const exit_reason&) noexcept = nullptr;
    void* at_end_argument = nullptr;
    bool is_main = false;
};
/// Makes a process and puts it on a run queue. Throws limit_reached or bad_argument with nothing done; consumes `what`
/// and `request.first` in any case.
spawned_ids give_birth(runtime_core& core, const birth& b);

/// Says whose code the thread, which drives a worker, runs from now on.
inline void set_current(thread_context& thread, process* p) noexcept {
    thread.current = p;
    thread.running = p;
}
/// Sets the thread up to continue a suspended process; the caller switches to its stack.
inline void resume_process(thread_context& thread, process* p) noexcept {
    set_current(thread, p);
    p->home.store(thread.role, std::memory_order_relaxed);
    p->status.store(static_cast<std::uint8_t>(process_status::running), std::memory_order_relaxed);
}
/// Runs a fresh process, or a server that has work, on the current stack until it ends or is idle. Returns the thread it
/// came back on.
thread_context* run_process(thread_context& thread, process* p) noexcept;

/// What a process's code ended with, as an exit reason. Called inside a catch block.
exit_reason reason_of_exception(process& p);

/// Makes a process that has not run end with `system_limit`: there is no stack of the size it asked for.
void refuse_stack(process& p) noexcept;

/// The running process, or throws not_in_process.
process& running_process(const char* function);

/// Switches away from the running process; returns when it is resumed, with the thread it is on by then.
thread_context* leave_running(thread_context& t, process& p, farewell then) noexcept;
/// Waits once: until a message (or, quietly, a reply or signal), the deadline, or for no reason at all.
void wait_once(process& p, bool quietly, std::int64_t deadline);
/// Throws if the running process must not wait here.
void refuse_wait(process& p, const char* function);
std::int64_t nanoseconds_of(time_point t) noexcept;
/// The cheap test before it.
inline void refuse_wait_if_held(process& p, const char* function) {
    if (p.is_held() || !this_thread().role) refuse_wait(p, function);
}
/// Takes signals that are due and obeys them.
void take_signals(process& p);
/// After a drain: throws if the process is to end and nothing holds it back; waits while it is suspended, so that the
/// process may be on another thread afterwards.
void obey_signals(process& p);

/// Wakes or hands over a claimed process from the calling thread.
void schedule_claimed(process* p) noexcept;
/// Claims a waiting process without a message.
void wake_process(pid p) noexcept;
/// Begins a monitor; returns its number.
std::uint64_t start_monitor(process& p, pid target, alias_mode alias);

/// Answers calls whose reply_to was dropped by a handler that then survived its exception.
void settle_dropped_calls(process& p) noexcept;

void fire_timer(worker& w, const expired_timer& e) noexcept;
/// What is left when all processes have ended: timers aimed at names.
void drop_timers(worker& w) noexcept;

}  // namespace heirloom::detail
