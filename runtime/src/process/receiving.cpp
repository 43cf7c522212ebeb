// Selective receive: a scan of the mailbox that waits at its end.
#include "deterministic/trace.hpp"
#include "heirloom/receive.hpp"
#include "platform/inside.hpp"
#include "process/crash.hpp"
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

message* mailbox_scan::wait(const wanted_messages& wanted) {
    process& p = *process_;
    inside_scope scope;
    scope.may_move();
    if (p.home->seeded) p.wanted = &wanted;
    auto trimmed = trims(p);
    thread_context* t = nullptr;
    for (;;) {
        if (p.has_news()) {
            drain(p);
            if (p.suspended | p.dying) {
                obey_signals(p);
                t = nullptr;
            }
        }
        if (trims(p) != trimmed) [[unlikely]] {
            trimmed = trims(p);
            link_ = p.queue.begin_link();
        }
        if (*link_) return *link_;
        if (!t) t = &this_thread();
        if (p.queued >= p.queue_warning) warn_of_queue(p);
        const std::int64_t deadline = nanoseconds_of(deadline_);
        if (deadline != timer_queue::never && t->core->clock() >= deadline) return nullptr;
        if (p.is_held() || !t->role) refuse_wait(p, "receive");
        if (deadline == timer_queue::never) {
            p.waits_quietly = false;
            t = leave_running(*t, p, farewell::park);
        } else {
            wait_once(p, false, deadline);
            t = nullptr;
        }
    }
}

void mailbox_scan::take() noexcept {
    process& p = *process_;
    message* m = p.take_queued(link_);
    if (p.home->seeded) [[unlikely]]
        trace_take(p, *m);
    count_out(p, *m);
}

void exit_on_timeout::operator()() const { exit(reason::timeout); }

guard_scope::guard_scope() { ++running_process("receive").callbacks; }
guard_scope::~guard_scope() { --this_thread().current->callbacks; }

}  // namespace heirloom::detail
