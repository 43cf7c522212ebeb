#include "heirloom/runtime.hpp"

#include "heirloom/receive.hpp"
#include "platform/check.hpp"
#include "process/lifecycle.hpp"
#include "process/mailbox_gate.hpp"
#include "process/relations.hpp"
#include "scheduler/runtime_core.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>

namespace heirloom {

using namespace detail;

namespace {

/// Lets a plain thread act for a runtime: its clock, names and log.
class runtime_scope {
public:
    explicit runtime_scope(runtime_core& core) : thread_(this_thread()), outer_(thread_.core) {
        if (core.driving.load(std::memory_order_relaxed) && outer_ != &core)
            throw bad_argument(
                "runtime",
                "a deterministic runtime takes nothing from other threads while it runs");
        thread_.core = &core;
    }
    ~runtime_scope() { thread_.core = outer_; }

private:
    thread_context& thread_;
    runtime_core* outer_;
};

void refuse_in_process(const runtime_core& core, const char* function) {
    if (this_thread().current)
        throw bad_argument(function, "called by a process; it is for threads that run none");
    if (core.is_deterministic() && core.maker != std::this_thread::get_id())
        throw bad_argument(function,
                           "a deterministic runtime is for the thread that made it alone");
}

/// What a thread outside waits for.
struct ending {
    std::mutex mutex;
    std::condition_variable changed;
    std::atomic<bool> ended{false};
    exit_reason why;

    static void report(void* argument, const exit_reason& why) noexcept {
        auto* e = static_cast<ending*>(argument);
        // Under the lock: the waiter destroys this object as soon as it may.
        std::lock_guard lock(e->mutex);
        e->why = why;
        e->ended.store(true, std::memory_order_release);
        e->changed.notify_all();
    }
};

class body_activity final : public activity {
public:
    explicit body_activity(std::function<void()> body) : body_(std::move(body)) {}
    disposition run() override {
        body_();
        return disposition::finished;
    }

private:
    std::function<void()> body_;
};

constexpr spawn_options plain_options{};

/// Ends a main process that nobody waits for any longer, while what it refers to still exists.
void give_up(runtime_core& core, pid main, std::atomic<bool>& ended) {
    resolve(main)->extras->is_main = false;  // its caller is told why
    constexpr std::uint64_t steps_to_unwind = 100'000;
    detail::deliver(
        main, new_message<typed_message<exit_signal>>(exit_type, exit_signal{{}, reason::kill}));
    core.choices->stop_at = core.choices->steps + steps_to_unwind;
    core.drive(ended);
    core.choices->stop_at = ~0ull;
    process* p = resolve(main);
    if (p->lives_as(main) && p->extras) p->extras->at_end = nullptr;
}

}  // namespace

main_process_failed::main_process_failed(exit_reason why)
    : std::runtime_error("heirloom: the main process ended: " + to_string(why)),
      reason_(std::move(why)) {}

runtime::runtime(options opts) : core_(std::make_unique<runtime_core>(std::move(opts))) {}
runtime::~runtime() {
    // Who does not end still uses the runtime: it is left to them.
    if (!core_->shut_down()) (void)core_.release();
}

unsigned runtime::workers() const noexcept { return static_cast<unsigned>(core_->workers.size()); }

exit_reason runtime::run_to_end(std::function<void()> body, const type_label& entry, bool is_main) {
    refuse_in_process(*core_, is_main ? "runtime::run" : "runtime::invoke");
    runtime_scope scope(*core_);
    ending end;
    spawn_request request{.entry = &entry};
    const pid main = give_birth(*core_, {&plain_options, new body_activity(std::move(body)),
                                         request, nullptr, nullptr, &ending::report, &end, is_main})
                         .process;
    if (core_->is_deterministic()) {
        const auto how = core_->drive(end.ended);
        if (how == runtime_core::drive_end::deadlock) {
            const std::string report = describe_deadlock(*core_);
            give_up(*core_, main, end.ended);
            throw deadlock(report);
        }
        if (how == runtime_core::drive_end::too_long) {
            const std::uint64_t steps = core_->choices->steps;
            give_up(*core_, main, end.ended);
            throw limit_reached("steps",
                                "heirloom: run: the main process has not ended after " +
                                    std::to_string(steps) + " steps, at a virtual time of " +
                                    std::to_string(core_->virtual_now / 1'000'000) + " ms");
        }
    } else {
        std::unique_lock lock(end.mutex);
        end.changed.wait(lock, [&] { return end.ended.load(std::memory_order_acquire); });
    }
    std::lock_guard lock(end.mutex);
    core_->logs.flush();
    return end.why;
}

pid runtime::spawn_activity(const spawn_options& opts, activity* what, const type_label& entry) {
    std::unique_ptr<activity> owner(what);
    runtime_scope scope(*core_);
    if (this_thread().current) refuse_in_process(*core_, "runtime::spawn");
    return give_birth(*core_, {&opts, owner.release(), {.entry = &entry}, nullptr, nullptr})
        .process;
}

void runtime::deliver(pid to, message* m) {
    message_ptr owner(m);
    refuse_in_process(*core_, "runtime::send");
    runtime_scope scope(*core_);
    process* p = resolve(to);
    if (p && p->bounded.load(std::memory_order_relaxed))
        // Nobody makes room in a deterministic runtime while its thread is here.
        return send_bounded_from_outside(*p, to, owner.release(), !core_->is_deterministic());
    detail::deliver(to, owner.release());
}

void runtime::deliver(atom name, message* m) {
    message_ptr owner(m);
    const pid to = whereis(name);
    if (!to) throw no_such_process("runtime::send", std::string(name.text()));
    deliver(to, owner.release());
}

void runtime::exit(pid target, exit_reason why) {
    runtime_scope scope(*core_);
    detail::deliver(target, new_message<typed_message<exit_signal>>(
                                exit_type, exit_signal{{}, std::move(why)}));
}

pid runtime::whereis(atom name) const noexcept {
    const reader_scope online;
    return core_->names.find(name);
}
bool runtime::is_alive(pid p) const noexcept { return heirloom::is_alive(p); }
std::vector<pid> runtime::processes() const { return list_processes(*core_, false); }

void runtime::monitor(pid target, std::function<void(const down&)> on_down) {
    spawn_with({}, [target, on_down = std::move(on_down)] {
        const monitor_ref ref = heirloom::monitor(target);
        receive(when(ref, [&](const down& d) { on_down(d); }));
    });
}

}  // namespace heirloom
