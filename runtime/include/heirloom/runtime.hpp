#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/clock.hpp>
#include <heirloom/errors.hpp>
#include <heirloom/log.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/process.hpp>
#include <heirloom/send.hpp>

namespace heirloom {

/// What strikes in deterministic mode, and how often: chances are in parts per million of the places where it
/// could strike, all drawn from the seed. The main process is spared, unless `kill_only` names it.
struct fault_options {
    unsigned kill =
        0;  // at a safe point, the running process; at a switch, any process, also one that waits
    atom kill_only = {};  // only the process with this name
    unsigned fail_allocation =
        0;                    // of a message, a process or a timer: std::bad_alloc where it is made
    unsigned fail_stack = 0;  // the mapping of a stack: limit_reached at the spawner
    unsigned delay_worker =
        0;  // for up to 20 ms, with the process it was about to run and its timers
    unsigned crash_init = 0;
    unsigned crash_terminate = 0;
};

/// One thread, virtual time, every choice from the seed (design rule R18).
struct deterministic_options {
    std::optional<std::uint64_t> seed = {};
    /// Receives the trace, line by line; the same seed gives the same lines.
    std::function<void(std::string_view)> trace = {};
    fault_options faults = {};
    /// The chance, in parts per million, that a safe point switches.
    unsigned switch_chance = 250'000;
    /// Steps after which `run` gives up with `limit_reached`; 0: never. A program that ends does so long before.
    std::uint64_t step_limit = 0;
};

enum class overflow_policy : std::uint8_t { abort, end_process };

struct options {
    /// Worker threads; nothing: one a core. In deterministic mode: virtual workers.
    std::optional<unsigned> workers = {};
    std::size_t stack_size = 64 * 1024;
    std::size_t max_processes = 0;     // 0: 16 million (4,000 under ThreadSanitizer)
    std::size_t max_stack_memory = 0;  // bytes of address space; 0: what the process limit needs
    unsigned blocking_threads = 512;
    overflow_policy on_stack_overflow = overflow_policy::abort;
    /// How long shutdown waits for the processes to end before it reports who holds it up.
    duration shutdown_limit = std::chrono::seconds(10);
    /// After that: leave them (true) or end the program (false).
    bool leak_on_shutdown = true;
    /// Whether a thread looks after the workers every millisecond: it takes work away from behind a process that computes or
    /// blocks for long, and gives unused stacks back. Nothing else rests on it: without one nobody waits for ever (tests take
    /// it away so that a wake which is missing shows).
    bool watchdog = true;
    /// A message queue this long without a match is worth a warning; 0: never.
    std::size_t queue_warning = 100'000;
    deterministic_options deterministic = {};
    log_sink log = {};  // empty: standard_error_sink()
};

/// Thrown by `run` when the main process of a non-int function ended without a result.
class main_process_failed : public std::runtime_error {
public:
    explicit main_process_failed(exit_reason why);
    const exit_reason& reason() const noexcept { return reason_; }

private:
    exit_reason reason_;
};

namespace detail {
class runtime_core;
}

/// A scheduler with its worker threads and processes. Several may live in one program. All members may be called
/// from any thread that runs no process. The destructor ends all processes: supervisors first, in order, then the
/// rest; it waits `shutdown_limit` at most and says who holds it up.
class runtime {
public:
    /// Throws bad_argument for options that cannot be right, naming the field.
    explicit runtime(options opts = {});
    ~runtime();
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;

    /// Runs `f` as the main process and waits until it has ended. Returns what `f` returned; 0 for void. If the
    /// process ended otherwise: 1 when `f` returns void or int (the log says why: `crash`, or `main_process_ended` if a
    /// signal ended it); else throws main_process_failed.
    template <class F>
    auto run(F&& f);

    /// As the free function; the process has no parent.
    template <class F, class... A>
    pid spawn(F&& f, A&&... args) {
        return spawn_with({}, std::forward<F>(f), std::forward<A>(args)...);
    }
    template <class F, class... A>
    pid spawn_with(const spawn_options& opts, F&& f, A&&... args) {
        (detail::check_sendable<detail::stored_t<A>>(), ...);
        using body = detail::function_activity<std::decay_t<F>, detail::stored_t<A>...>;
        return spawn_activity(opts, new body(std::forward<F>(f), std::forward<A>(args)...),
                              detail::label_of<std::decay_t<F>>);
    }
    /// As the free function, but it never waits and is not counted by a mailbox's bound.
    template <class T>
    void send(pid to, T&& m) {
        detail::check_sendable<detail::stored_t<T>>();
        deliver(to, detail::new_user_message<detail::stored_t<T>>(std::forward<T>(m)));
    }
    template <class T>
    void send(atom name, T&& m) {
        detail::check_sendable<detail::stored_t<T>>();
        deliver(name, detail::new_user_message<detail::stored_t<T>>(std::forward<T>(m)));
    }
    /// Calls a server and waits for its answer, as `heirloom::call` does in a process.
    template <class Server, class Request, class... Limit>
    auto call(const Server& server, Request&& request, Limit... limit) {
        return invoke([&] { return call_adl(server, std::forward<Request>(request), limit...); });
    }
    void exit(pid target, exit_reason why);
    pid whereis(atom name) const noexcept;
    bool is_alive(pid p) const noexcept;
    std::vector<pid> processes() const;
    /// Calls `on_down` once, in a process of its own, when `target` has ended.
    void monitor(pid target, std::function<void(const down&)> on_down);

    /// Runs `f` in a process of its own and waits for its result. Whatever `f` throws is rethrown here, of any type. What is no
    /// error but the end of that process (exit(reason), an exit signal) comes as main_process_failed with its reason.
    template <class F>
    auto invoke(F&& f) -> std::invoke_result_t<F&>;

    unsigned workers() const noexcept;
    detail::runtime_core& core() noexcept { return *core_; }

private:
    template <class... A>
    static auto call_adl(A&&... args) {
        return call_from_thread(
            std::forward<A>(args)...);  // found with the server's type, in the layer above
    }
    pid spawn_activity(const spawn_options& opts, detail::activity* what,
                       const detail::type_label& entry);
    void deliver(pid to, detail::message* m);
    void deliver(atom name, detail::message* m);
    /// Runs `body` as a process and waits for its end.
    exit_reason run_to_end(std::function<void()> body, const detail::type_label& entry,
                           bool is_main);

    std::unique_ptr<detail::runtime_core> core_;
};

template <class F>
auto runtime::run(F&& f) {
    using R = std::invoke_result_t<F&>;
    constexpr const detail::type_label& entry = detail::label_of<std::decay_t<F>>;
    if constexpr (std::is_void_v<R>) {
        return run_to_end([&] { f(); }, entry, true) == reason::normal ? 0 : 1;
    } else if constexpr (std::is_same_v<R, int>) {
        std::optional<int> value;
        auto why = run_to_end([&] { value = f(); }, entry, true);
        return value && why == reason::normal ? *value : 1;
    } else {
        std::optional<R> value;
        auto why = run_to_end([&] { value.emplace(f()); }, entry, true);
        if (!value || why != reason::normal) throw main_process_failed(std::move(why));
        return std::move(*value);
    }
}

template <class F>
auto runtime::invoke(F&& f) -> std::invoke_result_t<F&> {
    using R = std::invoke_result_t<F&>;
    constexpr const detail::type_label& entry = detail::label_of<std::decay_t<F>>;
    std::exception_ptr thrown;
    auto guarded = [&](auto&& action) {
        return [&, action] {
            try {
                action();
            } catch (const detail::exit_unwind&) {
                throw;
            } catch (const detail::kill_unwind&) {
                throw;
            } catch (...) {
                thrown = std::current_exception();
            }
        };
    };
    if constexpr (std::is_void_v<R>) {
        auto why = run_to_end(guarded([&] { f(); }), entry, false);
        // First: a signal that was taken is the reason, whatever was thrown afterwards.
        if (why != reason::normal) throw main_process_failed(std::move(why));
        if (thrown) std::rethrow_exception(thrown);
    } else {
        std::optional<R> value;
        auto why = run_to_end(guarded([&] { value.emplace(f()); }), entry, false);
        if (why != reason::normal) throw main_process_failed(std::move(why));
        if (thrown) std::rethrow_exception(thrown);
        return std::move(*value);
    }
}

}  // namespace heirloom
