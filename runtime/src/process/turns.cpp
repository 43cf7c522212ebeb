// The clock, and how the running process gives up its turn.
#include "deterministic/drive.hpp"
#include "heirloom/process.hpp"
#include "heirloom/timer.hpp"
#include "platform/inside.hpp"
#include "process/lifecycle.hpp"
#include "process/safe_point.hpp"
#include "process/signals.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom {

using namespace detail;

runtime_clock::time_point runtime_clock::now() noexcept {
    runtime_core* core = runtime_core::current();
    if (!core) return time_point(std::chrono::steady_clock::now().time_since_epoch());
    return time_point(duration(core->clock()));
}

namespace detail {

std::chrono::system_clock::time_point wall_clock_now() noexcept {
    runtime_core* core = runtime_core::current();
    if (!core || !core->is_deterministic()) return std::chrono::system_clock::now();
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(duration(core->clock())));
}

time_point deadline_after(duration limit, const char* function) {
    if (limit < duration::zero())
        throw bad_argument(function,
                           "a time of " + std::to_string(limit.count()) + " ns is negative");
    const time_point now = runtime_clock::now();
    return limit >= time_point::max() - now ? time_point::max() : now + limit;
}

}  // namespace detail

void yield() {
    inside_scope scope;
    scope.may_move();
    process* p = scope.thread().current;
    if (!p) throw not_in_process("yield");
    if (!may_switch(scope.thread(), *p)) return;
    take_signals(*p);
    thread_context& t = this_thread();
    worker& w = *t.role;
    w.budget = slice;
    if (p->level > priority::normal) {
        // This one is not in any queue yet when its successor is picked.
        const bool others =
            w.seeded ? ready_holds(w.core, p->level) : w.core.levels.holds(p->level);
        if (!others) return w.run_timers(w.read_clock());
    }
    leave_running(t, *p, farewell::requeue);
    take_signals(*p);
}

void sleep(duration limit) {
    inside_scope scope;
    scope.may_move();
    process& p = running_process("sleep");
    if (p.shields || p.in_exit || (p.dying && this_thread().exceptions->uncaught > 0)) return;
    refuse_wait(p, "sleep");
    const std::int64_t until = nanoseconds_of(deadline_after(limit, "sleep"));
    take_signals(p);
    do {
        drain(p);
        obey_signals(p);
        wait_once(p, true, until);
        drain(p);
        obey_signals(p);
    } while (runtime_core::current()->clock() < until);
}

priority set_priority(priority level) {
    process& p = running_process("set_priority");
    if (level != priority::normal) p.here().core.levels.use();
    return std::exchange(p.level, level);
}

namespace detail {

void safe_point(unsigned reductions) {
    inside_scope scope;
    process* p = scope.thread().current;
    if (p && may_switch(scope.thread(), *p)) safe_point_of(scope, *p, reductions);
}

}  // namespace detail

}  // namespace heirloom
