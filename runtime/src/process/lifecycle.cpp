#include "process/lifecycle.hpp"

#include "deterministic/drive.hpp"
#include "deterministic/trace.hpp"
#include "platform/check.hpp"
#include "platform/inside.hpp"
#include "process/crash.hpp"
#include "process/leaving.hpp"
#include "process/mailbox_gate.hpp"
#include "process/relations.hpp"
#include "process/signals.hpp"
#include "process/throw_stack.hpp"
#include "scheduler/runtime_core.hpp"

#include <exception>
#include <memory>
#include <typeinfo>

#include <cxxabi.h>

namespace heirloom::detail {
namespace {

void set_status(process& p, process_status s) noexcept {
    p.status.store(static_cast<std::uint8_t>(s), std::memory_order_relaxed);
}

/// Readies a recycled block; what exit left clean is not touched.
void reset(process& p) noexcept {
    p.own_stack = nullptr;
    p.reply = nullptr;
    p.awaited = 0;
    p.wait_timer = nullptr;
    p.wanted = nullptr;
    p.lethal = exit_reason();
    p.urgent.store(false, std::memory_order_relaxed);
    p.trapping_hint.store(false, std::memory_order_relaxed);
    p.trapping = p.dying = p.started = false;
    p.system.store(false, std::memory_order_relaxed);
    p.suspended = false;
    p.waits_quietly = p.in_exit = p.dropped_calls = false;
    p.level = priority::normal;
    p.shields = p.callbacks = 0;
    p.waits_for_room = false;
    p.queued = 0;
    p.mark = nullptr;
    p.mark_ref = 0;
    p.last_taken = nullptr;
    p.stack_bytes = 0;
    p.reductions = 0;
    p.name = atom();
}

struct abandoned_birth {
    activity* what;
    message* first;
    ~abandoned_birth() {
        delete what;
        if (first) first->type->destroy(first);
    }
};

std::uint32_t checked_stack_class(const runtime_core& core, std::size_t bytes) {
    if (bytes == 0) return 0;
    if (bytes < smallest_stack || bytes > largest_stack)
        throw bad_argument("spawn", "stack_size " + std::to_string(bytes) + " is not between " +
                                        std::to_string(smallest_stack) + " and " +
                                        std::to_string(largest_stack) + " bytes");
    const std::size_t rounded = stack_pool::rounded(bytes);
    return rounded == core.stacks.standard_stride() ? 0 : static_cast<std::uint32_t>(rounded);
}

}  // namespace

exit_reason reason_of_exception(process& p) {
    try {
        throw;
    } catch (const exit_unwind& e) {
        return e.why;
    } catch (const kill_unwind&) {
        return p.lethal;
    } catch (const call_failed& e) {
        note_failed_call(p, e);
        return e.reason();
    } catch (const std::exception& e) {
        return exit_reason::crash(exception_type_name(), e.what(), take_thrown_stack());
    } catch (...) {
        return exit_reason::crash(exception_type_name(), "", take_thrown_stack());
    }
}

namespace {

/// After the user's code has returned or thrown: on the thread it is on by now, which may have lost its role meanwhile.
void come_back_inside() noexcept {
    thread_context& t = this_thread();
    set_inside(t);
    if (__builtin_expect(t.revoked.load(inside_order), 0)) rejoin();
}

/// As run_body, for a runtime that ends a process whose stack overflows. The body stays as the jump left it: it is never
/// touched again, and never destroyed.
[[gnu::noinline]] disposition run_body_above_landing(process& p, exit_reason& why) noexcept;

disposition run_body_itself(process& p, exit_reason& why) noexcept {
    disposition d = disposition::finished;
    for (bool hibernated = true; hibernated;) {
        hibernated = false;
        try {
            if (p.suspended) obey_signals(p);
            clear_inside(this_thread());
            d = p.body->run();
        } catch (thrown_stack_probe&) {
            // Never entered: its type matches nothing. The search for a handler asks it, while the throwing stack is intact.
        } catch (hibernation& sleeper) {
            delete std::exchange(p.body, sleeper.next.release());
            hibernated = true;
        } catch (const kill_unwind&) {
            why = p.lethal;
        } catch (...) {
            why = reason_of_exception(p);
        }
        come_back_inside();
    }
    if (p.dying) {
        // A signal that was taken and swallowed, or that arrived while it was held back.
        why = p.lethal;
        d = disposition::finished;
    }
    return d;
}

disposition run_body_above_landing(process& p, exit_reason& why) noexcept {
    stack* const s = this_thread().role->running;
    sigjmp_buf landing;
    s->landing = &landing;
    disposition d;
    if (sigsetjmp(landing, 0) == 0) {
        d = run_body_itself(p, why);
    } else {
        *this_thread().exceptions = {};
        p.shields = p.callbacks = 0;
        p.body = nullptr;
        why = reason::stack_overflow;
        d = disposition::finished;
        come_back_inside();
    }
    s->landing = nullptr;
    return d;
}

disposition run_body(process& p, exit_reason& why) noexcept {
    if (this_thread().core->opts.on_stack_overflow == overflow_policy::end_process)
        return run_body_above_landing(p, why);
    return run_body_itself(p, why);
}

/// Calls on_exit and destroys the body: the last user code of the process. Returns what the body says it handled last, if
/// somebody may want to know.
const type_label* end_body(process& p, exit_reason& why, bool by_signal) noexcept {
    const type_label* last_message = nullptr;
    p.in_exit = true;
    ++p.shields;
    if (!by_signal && p.body) {
        try {
            why = p.body->on_exit(why);
        } catch (thrown_stack_probe&) {
        } catch (...) {
            why = reason_of_exception(p);
        }
    }
    if (p.body && !why.is_orderly()) last_message = p.body->last_message();
    delete p.body;
    p.body = nullptr;
    --p.shields;
    return last_message;
}

/// The exit order of DESIGN.md, "How a process ends".
void exit_process(process& p, exit_reason why, bool by_signal) noexcept {
    set_status(p, process_status::exiting);
    const type_label* const last_message = end_body(p, why, by_signal);
    runtime_core& core = *runtime_core::current();
    if (!why.is_orderly() && !p.system.load(std::memory_order_relaxed)) {
        // As in OTP: who is ended by a signal has done nothing wrong; its supervisor reports it. A main process has none, and
        // its end is that of the program: as OTP's init does, the runtime tells.
        const bool of_main = p.extras && p.extras->is_main;
        if (!by_signal || of_main) report_crash(core, p, {why, by_signal, last_message});
    }
    disarm_server_timer(p);
    estate_item* items;
    atom name;
    {
        // From here on nothing more is aimed at, adopted by, or named after this process.
        std::lock_guard lock(p.side_lock);
        p.closed.store(true, std::memory_order_relaxed);
        items = p.estate.take_all();
        name = p.name;
    }
    if (p.timers) cancel_timers_of(p);
    if (items) estate::settle(items, p.id, why);
    if (name) core.names.erase(name, p.id);
    drain_for_good(p, why);
    notify_relations(p, why);
    auto at_end = p.extras ? p.extras->at_end : nullptr;
    void* at_end_argument = p.extras ? p.extras->at_end_argument : nullptr;
    delete p.extras;
    p.extras = nullptr;
    if (core.choices && core.choices->tracing()) trace_exit(core, p, to_string(why));
    if (p.thrown) forget_thrown(p);
    p.lethal = exit_reason();
    p.generation.store(0, std::memory_order_release);
    worker& w = *this_thread().role;
    core.table.release(core.choices ? core.foreign_slots : w.slots, &p);
    w.live_published.store(--w.live, std::memory_order_release);
    if (at_end) at_end(at_end_argument, why);
}

}  // namespace

// --- Birth -----------------------------------------------------------------------------------------

spawned_ids give_birth(runtime_core& core, const birth& b) {
    abandoned_birth abandoned{b.what, b.request.first};
    const std::uint32_t stack_class = checked_stack_class(core, b.options->stack_size);
    if (b.options->alias != alias_mode::none && !b.request.monitor)
        throw bad_argument("spawn", "an alias of a monitor, but nothing is monitored");
    if (core.stopping_spawns.load(std::memory_order_relaxed) && !b.request.system)
        throw limit_reached("runtime", "heirloom: spawn: the runtime is shutting down");
    if (core.choices && !b.request.system && refuse_stack_of(core, b.spawner))
        throw limit_reached("stack memory", "heirloom: spawn: no stack can be mapped");
    process* p = nullptr;
    // One thread has one cache, whichever worker's role it plays: pids then count up.
    const bool own_slots = b.where && !core.choices;
    if (own_slots) {
        p = core.table.acquire(b.where->slots);
    } else {
        std::lock_guard lock(core.foreign_mutex);
        p = core.table.acquire(core.foreign_slots);
    }
    if (!p)
        throw limit_reached("processes", "heirloom: spawn: " + std::to_string(core.table.limit()) +
                                             " processes exist, the most this runtime may have");
    auto give_back = [&](process* block) noexcept {
        if (own_slots) {
            core.table.release(b.where->slots, block);
        } else {
            std::lock_guard lock(core.foreign_mutex);
            core.table.release(core.foreign_slots, block);
        }
    };
    struct undo {
        decltype(give_back)& give;
        process* block;
        process* spawner;
        link_entry* mine = nullptr;
        link_entry* theirs = nullptr;
        monitor_entry* watch = nullptr;
        std::unique_ptr<mailbox_gate> gate = {};
        ~undo() {
            if (mine) mine->type->destroy(mine);
            if (theirs) theirs->type->destroy(theirs);
            if (watch) {
                drop_alias(*spawner, watch->payload.ref.id);
                watch->type->destroy(watch);
            }
            if (block) {
                delete block->extras;
                block->extras = nullptr;
                give(block);
            }
        }
    } undo{give_back, p, b.spawner};

    reset(*p);
    p->stack_bytes = stack_class;
    p->level = b.options->priority;
    if (p->level != priority::normal) core.levels.use();
    p->queue_warning =
        core.opts.queue_warning == 0
            ? ~0u
            : static_cast<std::uint32_t>(std::min<std::size_t>(core.opts.queue_warning, ~0u));
    p->system.store(b.request.system, std::memory_order_relaxed);
    p->parent.store(b.spawner ? b.spawner->id : pid(), std::memory_order_relaxed);
    p->next_ref = 0;
    p->runs = b.request.entry ? b.request.entry : &nameless;
    spawned_ids ids{p->id, {}};
    if (b.at_end) {
        p->more().at_end = b.at_end;
        p->extras->at_end_argument = b.at_end_argument;
        p->extras->is_main = b.is_main;
    }
    if (b.request.link) {
        undo.mine = new_link_entry(p->id);
        undo.theirs = new_link_entry(b.spawner->id);
    }
    if (b.options->mailbox_bound != 0)
        undo.gate = std::make_unique<mailbox_gate>(b.options->mailbox_bound, b.options->when_full);
    if (b.request.monitor) undo.watch = new_monitor_entry(*b.spawner, p->id, b.options->alias);
    if (b.options->name && core.names.reserve(b.options->name) == name_table::outcome::taken) {
        const reader_scope online;
        throw bad_argument("spawn", "the name \"" + std::string(b.options->name.text()) +
                                        "\" is taken by " +
                                        to_string(core.names.find(b.options->name)));
    }
    // From here on nothing fails.
    p->name = b.options->name;
    {
        std::lock_guard lock(p->side_lock);
        p->gate = undo.gate.release();
    }
    p->flooded.store(false, std::memory_order_relaxed);
    p->bounded.store(p->gate != nullptr, std::memory_order_relaxed);
    if (link_entry* mine = std::exchange(undo.mine, nullptr)) {
        link_entry* theirs = std::exchange(undo.theirs, nullptr);
        mine->mine = theirs->theirs = ++b.spawner->next_ref;
        add_link(*b.spawner, mine);
        add_link(*p, theirs);
    }
    if (monitor_entry* watch = std::exchange(undo.watch, nullptr)) {
        ids.monitor = watch->payload.ref;
        add_monitor(*b.spawner, watch);
        add_watcher(*p, watch);
    }
    undo.block = nullptr;
    p->body = std::exchange(abandoned.what, nullptr);
    if (message* first = std::exchange(abandoned.first, nullptr)) {
        if (first->type->kind == message_kind::call)
            static_cast<call_message*>(first)->server = p->id;
        p->pending.append(first);
    }
    p->closed.store(false, std::memory_order_relaxed);
    p->inbox.open(p->id.generation(), p->generation);
    // Who finds it can reach it, and it cannot end yet.
    if (b.options->name) core.names.hand_to(b.options->name, p->id);
    if (core.choices) trace_spawn(core, *p, b.spawner);
    if (b.where) {
        b.where->live_published.store(++b.where->live, std::memory_order_release);
        b.where->welcome(p);
    } else {
        core.foreign_live.fetch_add(1, std::memory_order_release);
        core.inject(p);
    }
    return ids;
}

// --- Running ---------------------------------------------------------------------------------------

thread_context* run_process(thread_context& thread, process* p) noexcept {
    resume_process(thread, p);
    exit_reason why;
    bool by_signal = false;
    disposition d = disposition::finished;
    // A signal may have come before the first run: then the function is never entered. An idle server, which has no
    // stack to unwind, is not entered either to learn that it has been killed.
    if (!p->started || p->urgent.load(std::memory_order_relaxed)) drain(*p);
    p->started = true;
    if (p->dying)
        why = p->lethal;
    else
        d = run_body(*p, why);
    by_signal = p->dying;
    if (d == disposition::finished) {
        exit_process(*p, std::move(why), by_signal);
        thread_context& now = this_thread();
        set_current(now, nullptr);
        return &now;
    }
    thread_context& now = this_thread();  // it may have waited and come back elsewhere
    set_current(now, nullptr);
    p->own_stack = nullptr;
    p->waits_quietly = false;
    p->wait_timer = nullptr;
    if (now.role->seeded) trace_wait(*p);
    set_status(*p, process_status::waiting);
    if (!p->pending.empty() || !p->inbox.park(false)) now.role->enqueue(p);
    return &now;
}

void refuse_stack(process& p) noexcept {
    p.dying = true;
    p.lethal = reason::system_limit;
    p.stack_bytes = 0;
}

std::int64_t nanoseconds_of(time_point t) noexcept {
    return t == time_point::max() ? timer_queue::never : t.time_since_epoch().count();
}

process& running_process(const char* function) {
    process* p = this_thread().current;
    if (!p) throw not_in_process(function);
    return *p;
}

// --- Waiting ---------------------------------------------------------------------------------------

thread_context* leave_running(thread_context& t, process& p, farewell then) noexcept {
    const departure d = switch_context(plan_departure(t, p, then), &base_loop);
    return d.thread->role->arrive(d);
}

void refuse_wait(process& p, const char* function) {
    thread_context& t = this_thread();
    if (t.pool_thread) throw cannot_wait(function);
    if (p.callbacks) throw in_table_callback(function);
    if (p.shields || p.in_exit || (p.dying && t.exceptions->uncaught > 0))
        throw cannot_wait(function);
}

void obey_signals(process& p) {
    while (p.suspended && !p.dying && !p.is_held() && this_thread().role) {
        p.waits_quietly = false;  // its author's end, a plain down, is a resume too
        leave_running(this_thread(), p, farewell::park);
        drain(p);
    }
    if (!p.dying || p.shields || p.callbacks || p.in_exit) return;
    if (this_thread().exceptions->uncaught > 0) return;  // a destructor during unwinding: later
    throw kill_unwind{};
}

void take_signals(process& p) {
    if (p.urgent.load(std::memory_order_relaxed)) drain(p);
    obey_signals(p);
}

void wait_once(process& p, bool quietly, std::int64_t deadline) {
    timer_node timer;
    p.waits_quietly = quietly;
    if (deadline != timer_queue::never) {
        timer.kind = timer_kind::wake;
        timer.target = p.id;
        this_thread().role->timers.arm(timer, deadline);
        p.wait_timer = &timer;
    }
    leave_running(this_thread(), p, farewell::park);
    if (deadline != timer_queue::never) {
        p.wait_timer = nullptr;
        timer.queue->cancel(timer);
    }
}

void schedule_claimed(process* p) noexcept {
    thread_context& t = this_thread();
    if (t.role && t.role->core.index == p->id.runtime_index())
        t.role->hand_off(p);
    else
        runtime_core::find(p->id.runtime_index())->inject(p);
}

void wake_process(pid who) noexcept {
    process* p = resolve(who);
    message* older = nullptr;
    if (!p || !p->inbox.claim(p->generation, who, older)) return;
    p->pending.append_reversed(older);
    schedule_claimed(p);
}

// --- Estates ---------------------------------------------------------------------------------------

void estate::add(estate_item& item) noexcept {
    item.prev_ = nullptr;
    item.next_ = first_;
    if (first_) first_->prev_ = &item;
    first_ = &item;
    ++size_;
}

bool estate::remove(estate_item& item) noexcept {
    if (item.prev_)
        item.prev_->next_ = item.next_;
    else if (first_ == &item)
        first_ = item.next_;
    else
        return false;
    if (item.next_) item.next_->prev_ = item.prev_;
    item.prev_ = item.next_ = nullptr;
    --size_;
    return true;
}

estate_item* estate::take_all() noexcept {
    // The oldest first: what was acquired first passes on first.
    estate_item* all = std::exchange(first_, nullptr);
    estate_item* oldest = nullptr;
    while (all) {
        estate_item* next = all->next_;
        all->prev_ = nullptr;
        all->next_ = oldest;
        oldest = all;
        all = next;
    }
    size_ = 0;
    return oldest;
}

void estate::settle(estate_item* chain, pid owner, const exit_reason& why) noexcept {
    while (chain) {
        estate_item* next = std::exchange(chain->next_, nullptr);
        chain->settle(owner, why);
        chain = next;
    }
}

}  // namespace heirloom::detail
