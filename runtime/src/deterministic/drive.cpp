#include "deterministic/drive.hpp"

#include "deterministic/trace.hpp"
#include "heirloom/errors.hpp"
#include "platform/inside.hpp"
#include "process/fatal.hpp"
#include "process/lifecycle.hpp"
#include "process/relations.hpp"
#include "process/signals.hpp"
#include "scheduler/runtime_core.hpp"

#include <algorithm>

namespace heirloom::detail {
namespace {

constexpr std::int64_t step_nanoseconds = 2'000;    // the most that passes with a step
constexpr std::int64_t longest_delay = 20'000'000;  // of a delayed worker
constexpr std::uint64_t steps_a_turn = 16;          // on average

/// What is delayed and due again can run.
void release_late(runtime_core& core) noexcept {
    auto& late = core.choices->late;
    for (std::size_t i = 0; i < late.size();) {
        if (late[i].until > core.virtual_now) {
            ++i;
            continue;
        }
        core.ready.push_back(late[i].who);
        late[i] = late.back();
        late.pop_back();
    }
}

/// The signal is in the mailbox: the victim takes it at its next step, waiting or not.
void kill_by_fault(runtime_core& core, process& victim) noexcept {
    trace_fault(core, fault::kill, &victim);
    try {
        auto* m = new_message<typed_message<exit_signal>>(exit_type, exit_signal{{}, reason::kill});
        deliver(victim.id, m);
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): then it lives
    }
}

/// Anybody who is not spared, waiting or not; null if there is nobody.
process* choose_victim(runtime_core& core) noexcept {
    std::uint32_t found = 0;
    process* chosen = nullptr;
    for (std::uint32_t slot = 1; slot < core.table.used(); ++slot) {
        process& p = *core.table.at(slot);
        if (p.generation.load(std::memory_order_relaxed) == 0 || is_spared(core, p)) continue;
        if (core.choices->below(++found) == 0) chosen = &p;
    }
    return chosen;
}

}  // namespace

bool is_spared(const runtime_core& core, const process& p) noexcept {
    if (p.system) return true;
    if (const atom only = core.choices->options().faults.kill_only) return p.name != only;
    return p.extras && p.extras->at_end;  // somebody outside waits for its result
}

bool fault_strikes(fault f) noexcept {
    thread_context& t = this_thread();
    if (!t.core || !t.core->choices || !t.current) return false;
    // `kill_only` says who is killed; who crashes in init is not known by name yet.
    if (t.current->system || (t.current->extras && t.current->extras->at_end)) return false;
    if (!t.core->choices->strikes(f)) return false;
    trace_fault(*t.core, f, t.current);
    return true;
}

bool refuse_allocation() noexcept {
    thread_context& t = this_thread();
    process* p = t.current;
    // Where user code runs that could hear of it: not in what must not fail, as the library does
    // not allocate there.
    if (!p || p->in_exit || p->shields || p->dying || t.exceptions->uncaught > 0) return false;
    return fault_strikes(fault::fail_allocation);
}

bool refuse_stack_of(runtime_core& core, const process* of) noexcept {
    if (!core.choices || core.choices->chance_of(fault::fail_stack) == 0) return false;
    if (!of || of->system || (of->extras && of->extras->at_end)) return false;
    if (!core.choices->strikes(fault::fail_stack)) return false;
    trace_fault(core, fault::fail_stack, of);
    return true;
}

bool seeded_safe_point(runtime_core& core, process& p) {
    this_thread().role->budget = 0;  // every safe point comes here
    if (!is_spared(core, p) && core.choices->strikes(fault::kill)) {
        kill_by_fault(core, p);
        take_signals(p);
    }
    return core.choices->chance(core.choices->options().switch_chance);
}

void make_ready(runtime_core& core, process* p) noexcept {
    trace_ready(core, *p);
    core.ready.push_back(p);
}

namespace {

process* take_ready(runtime_core& core, std::size_t i) noexcept {
    process* p = core.ready[i];
    core.ready[i] = core.ready.back();
    core.ready.pop_back();
    return p;
}

/// The seed chooses among those of the highest level; low and normal are one level, of which low has an eighth.
std::size_t choose_by_level(runtime_core& core) noexcept {
    constexpr unsigned low_chance = 125'000;
    priority level = priority::low;
    bool any_low = false;
    for (const process* p : core.ready) {
        level = std::max(level, p->level);
        any_low |= p->level == priority::low;
    }
    if (level == priority::normal && any_low && core.choices->chance(low_chance))
        level = priority::low;
    const auto matches = std::count_if(core.ready.begin(), core.ready.end(),
                                       [&](const process* p) { return p->level == level; });
    std::uint64_t nth = core.choices->below(static_cast<std::uint64_t>(matches));
    for (std::size_t i = 0;; ++i)
        if (core.ready[i]->level == level && nth-- == 0) return i;
}

}  // namespace

bool ready_holds(const runtime_core& core, priority least) noexcept {
    return std::any_of(core.ready.begin(), core.ready.end(),
                       [&](const process* p) { return p->level >= least; });
}

process* pick_seeded(runtime_core& core, worker& w) noexcept {
    auto& ready = core.ready;
    seeded_choices& choices = *core.choices;
    while (!ready.empty() && !w.leaving) {
        if (choices.steps >= choices.stop_at || choices.below(steps_a_turn) == 0) {
            w.leaving = true;  // back to the driver, which chooses another worker's role
            return nullptr;
        }
        process* p = take_ready(core, core.levels.in_use() ? choose_by_level(core)
                                                           : choices.below(ready.size()));
        ++choices.steps;
        // A little time passes with every step, so that races against timers are explored.
        if (!choices.clock_stands)
            core.virtual_now += static_cast<std::int64_t>(choices.below(step_nanoseconds));
        if (choices.chance_of(fault::delay_worker) != 0 && choices.strikes(fault::delay_worker)) {
            // The system takes this worker's core away: what it was about to run waits, and its
            // timers do.
            const std::int64_t until =
                core.virtual_now + 1 + static_cast<std::int64_t>(choices.below(longest_delay));
            choices.late.push_back({until, p});
            choices.late_until.resize(core.workers.size());
            choices.late_until[w.index] = until;
            trace_fault(core, fault::delay_worker, p);
            w.leaving = true;
            return nullptr;
        }
        if (choices.chance_of(fault::kill) != 0 && choices.strikes(fault::kill))
            if (process* victim = choose_victim(core)) kill_by_fault(core, *victim);
        trace_run(core, *p);
        w.budget = 0;  // every safe point asks the seed
        return p;
    }
    return nullptr;
}

std::int64_t next_deadline(const runtime_core& core) noexcept {
    std::int64_t earliest = timer_queue::never;
    const auto& late_until = core.choices->late_until;
    for (std::size_t i = 0; i < core.workers.size(); ++i) {
        std::int64_t due = core.workers[i]->timers.earliest();
        if (due != timer_queue::never && i < late_until.size()) due = std::max(due, late_until[i]);
        earliest = std::min(earliest, due);
    }
    for (const auto& held : core.choices->late) earliest = std::min(earliest, held.until);
    return earliest;
}

void drive_turn(runtime_core& core) {
    thread_context& t = this_thread();
    if (t.role)
        throw bad_argument("runtime",
                           "a deterministic runtime is driven by a thread that runs no process");
    runtime_core* outer = std::exchange(t.core, &core);
#if HEIRLOOM_TSAN
    t.native_fiber = __tsan_get_current_fiber();
#endif
    core.driving.store(true, std::memory_order_relaxed);
    seeded_choices& choices = *core.choices;
    if (core.ready.empty() && !choices.clock_stands) {
        // Nobody can run: time passes to the next deadline.
        const std::int64_t earliest = next_deadline(core);
        if (earliest != timer_queue::never) core.virtual_now = std::max(core.virtual_now, earliest);
    }
    worker& w = *core.workers[choices.below(core.workers.size())];
    set_inside(t);
    t.role = &w;
    t.allocations_may_fail = choices.chance_of(fault::fail_allocation) != 0;
    go_online(*w.quiescence);
    release_late(core);
    for (auto& any : core.workers)
        if (any->index >= choices.late_until.size() ||
            choices.late_until[any->index] <= core.virtual_now)
            any->run_timers(core.virtual_now);
    if (anything_retired()) collect();
    if (!core.ready.empty()) {
        const departure d =
            switch_context({&t, nullptr, w.take_spare(), nullptr, farewell::nothing}, &base_loop);
        t.role->arrive(d);
    }
    go_offline(*w.quiescence);
    t.allocations_may_fail = false;
    core.driving.store(false, std::memory_order_relaxed);
    t.role = nullptr;
    clear_inside(t);
    t.core = outer;
}

runtime_core::drive_end runtime_core::drive(std::atomic<bool>& done) {
    const fault_stack for_overflows;
    while (!done.load(std::memory_order_acquire)) {
        if (choices->steps >= choices->stop_at) return drive_end::too_long;
        if (ready.empty() && next_deadline(*this) == timer_queue::never) {
            collect();
            if (ready.empty()) return drive_end::deadlock;
        }
        drive_turn(*this);
    }
    return drive_end::done;
}

}  // namespace heirloom::detail
