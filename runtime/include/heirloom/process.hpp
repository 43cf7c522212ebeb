#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/clock.hpp>
#include <heirloom/detail/activity.hpp>
#include <heirloom/errors.hpp>
#include <heirloom/exit_reason.hpp>
#include <heirloom/message.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/pid.hpp>

namespace heirloom {

/// Runnable processes of a higher level run first, `max` before `high` before the rest; `low` gets about an eighth of what
/// `normal` gets.
enum class priority : std::uint8_t { low, normal, high, max };

/// What happens to a message for a mailbox that is full. Signals, replies, downs and transfers always fit.
enum class mailbox_policy : std::uint8_t {
    refuse,  // the sender gets `limit_reached` (try_send: false)
    wait,  // the sender waits its turn, also a plain thread; not in a callback, not while unwinding
    drop_newest,  // the message itself is dropped and counted in process_info
    drop_oldest,  // the oldest one not yet received is: the receiver sees the latest
};

struct spawn_options {
    /// Bytes, from 16 KiB to 64 MiB, rounded up to a power of two; 0 is the runtime's default. Otherwise `bad_argument`.
    std::size_t stack_size = 0;
    /// Registered before the process runs; taken: `bad_argument` at the spawner, nothing is started.
    atom name = {};
    heirloom::priority priority = heirloom::priority::normal;
    /// Messages the mailbox holds at most, of those that processes send or cast to it; 0 is no bound.
    std::size_t mailbox_bound = 0;
    mailbox_policy when_full = mailbox_policy::refuse;
    /// Of spawn_monitor: makes its reference an alias as well. `bad_argument` where nothing is monitored.
    alias_mode alias = alias_mode::none;
};

struct spawned {
    heirloom::pid pid;
    monitor_ref ref;
};

/// The running process. Throws `not_in_process` elsewhere.
pid self();
/// Whether the calling thread runs a process just now.
bool in_process() noexcept;
/// Who spawned the running process; an empty pid for a process started from outside.
pid parent();

/// Starts a process that runs `f(args...)`; function and arguments are kept by value and destroyed as that
/// process. It ends when `f` returns (`normal`), by `exit`, by an escaped exception, or by a signal.
/// Throws `limit_reached` (processes, stack memory), `bad_argument` (options); then nothing was started.
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
pid spawn(F&& f, A&&... args);
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
pid spawn(const spawn_options& options, F&& f, A&&... args);

/// Spawns and links in one step.
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
pid spawn_link(F&& f, A&&... args);
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
pid spawn_link(const spawn_options& options, F&& f, A&&... args);

/// Spawns and monitors in one step: the `down` always carries the true reason.
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
spawned spawn_monitor(F&& f, A&&... args);
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
spawned spawn_monitor(const spawn_options& options, F&& f, A&&... args);

/// Ends the calling process with `why`, by an exception that is not a std::exception and can be caught.
[[noreturn]] void exit(exit_reason why);
/// The C function is never meant here.
void exit(int) = delete;

/// Sends an exit signal, as if from a linked process. `kill` cannot be trapped; `normal` ends nobody but oneself.
void exit(pid target, exit_reason why);

/// Whether exit signals become messages (`exit_signal`) instead of ending this process. Returns the old value.
bool trap_exit(bool on);

/// Links the caller and `target`: if either ends, the other gets an exit signal. Linking twice is linking
/// once. A dead target: a trapping caller gets an `exit_signal` with `no_process`, another one throws
/// `no_such_process`.
void link(pid target);
/// After it returned, `target`'s end has no effect here. Never a safe point.
void unlink(pid target) noexcept;

/// False once the process has begun to exit.
bool is_alive(pid target) noexcept;

/// Lets others run.
void yield();
/// Waits at least `limit`.
void sleep(duration limit);
template <class Rep, class Period>
void sleep(std::chrono::duration<Rep, Period> limit) {
    sleep(detail::to_duration(limit));
}

/// Leaves the running function for good, unwinding its stack, and goes on with `f(args...)` once there is a message (at
/// once if there is one already); until then the process holds no stack. For processes started by spawn; a server
/// hibernates by itself. Left by an exception that is not a std::exception, as exit is (OTP: hibernate/3).
template <class F, class... A>
    requires std::is_invocable_v<std::decay_t<F>, detail::stored_t<A>...>
[[noreturn]] void hibernate(F&& f, A&&... args);

/// Changes the caller's priority; returns the old one.
heirloom::priority set_priority(heirloom::priority p);

/// Stops `target` before its next step; signals and messages still queue. Counts per caller. Throws
/// `bad_argument` for oneself, `no_such_process` for a dead process. Returns once `target` has stopped.
void suspend(pid target);
void resume(pid target);

/// Holds a kill, and any other lethal signal, back as long as it lives. Waits inside throw `cannot_wait`.
class shield {
public:
    shield() noexcept;
    ~shield();
    shield(const shield&) = delete;
    shield& operator=(const shield&) = delete;
};

enum class process_status : std::uint8_t { waiting, runnable, running, suspended, exiting };
std::string_view to_string(process_status s) noexcept;

/// What is known of a process (OTP: process_info/2).
struct process_details {
    heirloom::pid pid;
    atom name;
    /// The function or server type it was started with, as the source spells it.
    std::string entry;
    heirloom::pid parent;
    process_status status = process_status::running;
    heirloom::priority priority = heirloom::priority::normal;
    bool trap_exit = false;
    std::vector<heirloom::pid> links;
    std::vector<heirloom::pid> monitors;
    std::vector<heirloom::pid> monitored_by;
    std::size_t message_queue_len = 0;
    /// Types of the queued messages, oldest first; printed where they can be.
    std::vector<std::string> messages;
    /// Dropped by a bounded mailbox.
    std::uint64_t messages_dropped = 0;
    std::uint64_t reductions = 0;
    std::size_t stack_size = 0;
    std::size_t owned = 0;  // tables and other things in its estate
};

/// Asks a process about itself; it answers at its next safe point, or at once if it waits. nullopt if dead.
/// Waits; signals the caller sent to `target` before are taken into account.
std::optional<process_details> process_info(pid target);
/// All processes that have not ended, the exiting ones included.
std::vector<pid> processes();

}  // namespace heirloom

#include <heirloom/detail/process_impl.hpp>
