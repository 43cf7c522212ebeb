// From a sender to the mailbox of its receiver, and to a worker that runs it.
#include "deterministic/trace.hpp"
#include "heirloom/names.hpp"
#include "heirloom/send.hpp"
#include "platform/inside.hpp"
#include "process/lifecycle.hpp"
#include "process/mailbox_gate.hpp"
#include "process/safe_point.hpp"
#include "process/signals.hpp"
#include "scheduler/outside.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom::detail {
namespace {

bool is_urgent(message_kind kind) noexcept {
    switch (kind) {
    case message_kind::exit:
    case message_kind::link_exit:
    case message_kind::inspect:
    case message_kind::suspend:
    case message_kind::resume:
        return true;
    default:
        return false;
    }
}
bool wakes_quiet(message_kind kind) noexcept {
    return kind == message_kind::reply || is_urgent(kind);
}

[[gnu::noinline]] void leave_for_sorting(process* p, message* m, message* older) noexcept {
    p->pending.append_reversed(older);
    p->pending.append(m);
    if (is_urgent(m->type->kind)) p->urgent.store(true, std::memory_order_relaxed);
}

/// Gives a message that claimed its receiver to it, and makes it runnable.
[[gnu::always_inline]] inline void hand_over(thread_context& t, process* p, message* m,
                                             message* older) noexcept {
    if (m->type->kind == message_kind::user && m->word == 0 && !older && p->pending.empty())
        [[likely]]
        p->append_queued(m);  // nothing came before it: it needs no sorting
    else
        leave_for_sorting(p, m, older);
    if (t.role && t.role->core.index == p->id.runtime_index()) [[likely]]
        t.role->hand_off(p);
    else
        runtime_core::find(p->id.runtime_index())->inject(p);
}

/// Consumes the message unless it is refused.
[[gnu::always_inline]] inline push_outcome put(thread_context& t, process* p, pid to,
                                               message* m) noexcept {
    const message_kind kind = m->type->kind;
    const auto outcome = p ? p->inbox.push(p->generation, to, m, wakes_quiet(kind))
                           : push_outcome{push_outcome::refused};
    if (outcome.what == push_outcome::claimed) {
        hand_over(t, p, m, outcome.older);
    } else if (outcome.what != push_outcome::refused && is_urgent(kind)) {
        // release: after the push; see drain().
        p->urgent.store(true, std::memory_order_release);
    }
    return outcome;
}

/// Of a thread that drives no worker, or for one that is traced. Until it is done no slot comes round to the same number, and
/// no runtime is destroyed that it wakes a process of.
[[gnu::noinline]] push_outcome put_and_tell(thread_context& t, process* p, pid to,
                                            message* m) noexcept {
    const outside_scope online(t);
    trace_send(t, to, *m);
    return put(t, p, to, m);
}

/// Consumes the message.
[[gnu::always_inline]] inline push_outcome post(thread_context& t, process* p, pid to,
                                                message* m) noexcept {
    const auto outcome = !t.role || t.role->seeded ? put_and_tell(t, p, to, m) : put(t, p, to, m);
    if (outcome.what == push_outcome::refused) m->type->destroy(m);
    return outcome;
}

/// The sender's part against a flood. A receiver that cannot keep up makes it slower still that each message it takes lies in the
/// cache of another core. So who floods it from another worker is given back, for the receiver's worker to run, and who does
/// so beside it lets others have their turn. Nobody waits for room: the mailbox has no bound.
[[gnu::noinline]] void give_way(process& p, const process& target) {
    take_signals(p);
    thread_context& t = this_thread();
    worker& here = *t.role;
    const worker* there = target.home.load(std::memory_order_relaxed);
    here.budget = 0;
    if (there == &here) here.be_sociable();
    if (there == &here || !there || here.seeded || here.core.index != target.id.runtime_index() ||
        !here.keep_aloof_from(*there))
        return take_turn(p);
    leave_running(t, p, farewell::orphan);
    take_signals(p);
}

/// Every so many sends: whether the receiver, to which this one and the one before went, waits for its turn while its mailbox fills. Who
/// sends to many in turn gives each the more at a time the longer it goes on.
inline bool is_kept_waiting(worker& w, const process& target) noexcept {
    constexpr std::int32_t looks = 0xfc;  // of the budget: one send in 64
    const bool again = std::exchange(w.sent_to, &target) == &target;
    return (w.budget & looks) == 0 && again &&
           target.status.load(std::memory_order_relaxed) ==
               static_cast<std::uint8_t>(process_status::runnable);
}

}  // namespace

bool deliver(pid to, message* m) noexcept {
    inside_scope scope;
    return post(scope.thread(), resolve(to), to, m).what != push_outcome::refused;
}

bool deliver(const reference& alias, message* m) noexcept {
    m->word = alias.id;
    return deliver(alias.owner, m);
}

bool try_send_message(pid to, message* m) noexcept {
    inside_scope scope;
    process* p = resolve(to);
    if (p && p->bounded.load(std::memory_order_relaxed)) return try_send_bounded(*p, to, m);
    return deliver(to, m);
}

void send_message(pid to, message* m) {
    inside_scope scope;
    thread_context& t = scope.thread();
    process* p = t.current;
    if (!p) {
        m->type->destroy(m);
        throw not_in_process("send");
    }
    process* target = resolve(to);
    if (target && target->bounded.load(std::memory_order_relaxed)) {
        scope.may_move();
        return send_bounded(*target, to, m);
    }
    const auto outcome = post(t, target, to, m);
    p = t.current;  // as before; one word less to keep during the call
    if (!may_switch(t, *p)) return;
    if (outcome.what == push_outcome::queued) [[unlikely]] {
        if (target->flooded.load(std::memory_order_relaxed)) [[unlikely]] {
            scope.may_move();
            return give_way(*p, *target);
        }
        if (is_kept_waiting(*t.role, *target)) t.role->budget = 0;
    }
    if (is_due(t, *p, 4)) {
        scope.may_move();
        take_turn(*p);
    }
}

void send_message(atom name, message* m) {
    const pid to = whereis(name);
    if (!to) {
        m->type->destroy(m);
        running_process("send");
        throw no_such_process("send", std::string(name.text()));
    }
    send_message(to, m);
}

void send_message(const reference& alias, message* m) {
    m->word = alias.id;
    send_message(alias.owner, m);
}

}  // namespace heirloom::detail
