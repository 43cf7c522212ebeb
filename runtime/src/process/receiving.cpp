// Selective receive: a scan of the mailbox that waits at its end.
#include "deterministic/trace.hpp"
#include "heirloom/receive.hpp"
#include "platform/inside.hpp"
#include "process/crash.hpp"
#include "process/leaving.hpp"
#include "process/lifecycle.hpp"
#include "process/mailbox_gate.hpp"
#include "process/signals.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom::detail {

mailbox_scan::mailbox_scan(time_point deadline, const reference* since) : deadline_(deadline) {
    process_ = this_thread().current;
    if (!process_) throw not_in_process("receive");
    if (process_->urgent.load(std::memory_order_relaxed) | process_->dying) {
        inside_scope scope;
        scope.may_move();
        take_signals(*process_);
    }
    process& p = *process_;
    link_ =
        since && since->id == p.mark_ref && since->owner == p.id ? p.mark : p.queue.begin_link();
}

void mailbox_scan::begin(const wanted_messages& wanted) noexcept {
    if (process_->here().seeded) [[unlikely]]
        process_->wanted = &wanted;
    trimmed_ = trims(*process_);
}

[[gnu::always_inline]] inline bool mailbox_scan::look(thread_context*& t) {
    process& p = *process_;
    for (;;) {
        const bool news = p.has_news();
        if (news) [[unlikely]] {
            drain_some(p);
            if (p.suspended | p.dying) {
                obey_signals(p);
                t = nullptr;
            }
        }
        if (trims(p) != trimmed_) [[unlikely]] {
            trimmed_ = trims(p);
            link_ = p.queue.begin_link();  // what it pointed into is gone
        }
        if ((found_ = *link_)) return true;
        // Not all that has come is sorted yet. A process that dies, and is held, sorts no more.
        if (news && p.has_news() && !p.dying) [[unlikely]]
            continue;
        if (!t) t = &this_thread();
        if (p.queued >= p.queue_warning) warn_of_queue(p);
        const std::int64_t deadline = nanoseconds_of(deadline_);
        if (deadline != timer_queue::never && t->core->clock() >= deadline) {
            safe_point(1);  // a loop that polls gives others their turn (R1)
            return true;
        }
        if (p.is_held() || !t->role) refuse_wait(p, "receive");
        if (deadline == timer_queue::never) {
            p.waits_quietly = false;
            return false;
        }
        wait_once(p, false, deadline);
        t = nullptr;
    }
}

#if HEIRLOOM_RECEIVE_JUMPS
[[gnu::always_inline]] inline void* mailbox_scan::try_to_leave(thread_context* t) {
    if (look(t)) return nullptr;
    kept_ = *t->exceptions;
    return begin_leaving(*t, *process_, farewell::park, leaving_);
}

void* mailbox_scan::begin_wait(const wanted_messages& wanted) {
    inside_scope scope;
    scope.may_move();
    begin(wanted);
    void* to = try_to_leave(nullptr);
    if (to) nested_ = scope.leave_inside();
    return to;
}

void* mailbox_scan::end_wait(visitor from) {
    const departure arrived = receive_visitor(from);
    thread_context& t = *arrived.thread->role->arrive(arrived);
    *t.exceptions = kept_;
    inside_scope scope(t, nested_);
    void* to = try_to_leave(&t);
    if (to) nested_ = scope.leave_inside();
    return to;
}
#else
message* mailbox_scan::wait(const wanted_messages& wanted) {
    inside_scope scope;
    scope.may_move();
    begin(wanted);
    thread_context* t = nullptr;
    while (!look(t)) t = leave_running(*t, *process_, farewell::park);
    return found_;
}
#endif

void mailbox_scan::take() noexcept {
    process& p = *process_;
    message* m = p.take_queued(link_);
    p.last_taken = m->type;
    if (p.here().seeded) [[unlikely]]
        trace_take(p, *m);
    count_out(p, *m);
}

void exit_on_timeout::operator()() const { exit(reason::timeout); }

guard_scope::guard_scope() { ++running_process("receive").callbacks; }
guard_scope::~guard_scope() { --this_thread().current->callbacks; }

}  // namespace heirloom::detail
