#include "process/mailbox_gate.hpp"

#include "deterministic/trace.hpp"
#include "platform/check.hpp"
#include "platform/inside.hpp"
#include "platform/parking.hpp"
#include "process/lifecycle.hpp"
#include "process/safe_point.hpp"
#include "process/signals.hpp"
#include "scheduler/outside.hpp"
#include "scheduler/runtime_core.hpp"

#include <memory>
#include <mutex>

namespace heirloom::detail {
namespace {

void destroy_bell(message* m) noexcept {
    auto* bell = static_cast<bell_message*>(m);
    while (message* held = bell->held.pop()) held->type->destroy(held);
    destroy_message<bell_message>(bell);
}
constexpr message_type bell_type{message_kind::bell, &destroy_bell, "bell", nullptr};
using bell_ptr = std::unique_ptr<bell_message, message_deleter>;

/// The gate of the process that `to` means; null if that has ended. Requires: side_lock is held.
mailbox_gate* gate_of(process& p, pid to) noexcept {
    return p.lives_as(to) && p.gate && !p.gate->closed ? p.gate : nullptr;
}

void append(mailbox_gate& gate, room_request& request) noexcept {
    request.next = nullptr;
    request.listed = true;
    (gate.waiting ? gate.last_waiting->next : gate.waiting) = &request;
    gate.last_waiting = &request;
}

/// Takes the oldest request off the list. The request is its sender's again once side_lock is free: what is needed of it
/// is in the result.
room_request pop_request(mailbox_gate& gate) noexcept {
    room_request* const first = gate.waiting;
    gate.waiting = first->next;
    first->listed = false;
    const room_request taken = *first;
    // Under the lock: the thread destroys its spot as soon as it may.
    if (taken.spot) taken.spot->unpark();
    return taken;
}

void withdraw(process& target, room_request& request) noexcept {
    {
        std::lock_guard lock(target.side_lock);
        if (!request.listed) return;
        mailbox_gate& gate = *target.gate;
        room_request* before = nullptr;
        room_request** link = &gate.waiting;
        while (*link != &request) {
            before = *link;
            link = &before->next;
        }
        *link = request.next;
        if (gate.last_waiting == &request) gate.last_waiting = before;
        request.listed = false;
    }
    request.what->type->destroy(request.what);
    if (request.notice) request.notice->type->destroy(request.notice);
}

void trace_sending(pid to, const message& m) noexcept {
    if (thread_context& t = this_thread(); !t.role || t.role->seeded) [[unlikely]]
        trace_send(t, to, m);
}

enum class admission : std::uint8_t { in, full, would_wait, waits, dropped, dead };

/// Counts `m` in, if there is room; else puts the request, if there is one and the policy is to wait, on the list.
admission ask_for_room(process& target, pid to, message& m, room_request* request) noexcept {
    std::lock_guard lock(target.side_lock);
    mailbox_gate* gate = gate_of(target, to);
    if (!gate) return admission::dead;
    if (gate->counted < gate->bound && !gate->waiting) {
        ++gate->counted;
        m.word |= counted_in;
        return admission::in;
    }
    if (gate->when_full == mailbox_policy::drop_newest) {
        ++gate->dropped;
        return admission::dropped;
    }
    if (gate->when_full != mailbox_policy::wait) return admission::full;
    if (!request) return admission::would_wait;
    append(*gate, *request);
    return admission::waits;
}

mailbox_policy policy_of(process& target, pid to) noexcept {
    std::lock_guard lock(target.side_lock);
    const mailbox_gate* gate = gate_of(target, to);
    return gate ? gate->when_full : mailbox_policy::refuse;
}

limit_reached full(process& target, pid to, const char* why = "") {
    std::size_t bound = 0;
    {
        std::lock_guard lock(target.side_lock);
        if (const mailbox_gate* gate = gate_of(target, to)) bound = gate->bound;
    }
    return limit_reached("mailbox", "heirloom: send: the mailbox of " + to_string(to) + " holds " +
                                        std::to_string(bound) + " messages, its bound" + why);
}

/// Drops the oldest message that no owner has seen yet. Requires: side_lock is held; there is one.
message* drop_oldest_held(mailbox_gate& gate) noexcept {
    while (gate.filled->held.empty()) gate.filled = gate.filled->younger;
    --gate.held;
    --gate.filled->count;
    ++gate.dropped;
    return gate.filled->held.pop();
}

enum class placement : std::uint8_t { done, needs_a_bell, dead };

struct rung {
    bell_message* bell = nullptr;  // pushed by this sender, which took its receiver over with it
    message* older = nullptr;
    message_ptr victim;
};

/// Puts `m` into the youngest bell if nothing was pushed since, else into `fresh`, if there is one (G3). Consumes what it uses.
placement place(process& target, pid to, message_ptr& m, bell_ptr& fresh, rung& result) noexcept {
    std::lock_guard lock(target.side_lock);
    mailbox_gate* gate = gate_of(target, to);
    if (!gate) return placement::dead;
    if (gate->youngest && target.inbox.is_newest(*gate->youngest)) {
        gate->youngest->held.append(m.release());
        ++gate->youngest->count;
    } else if (!fresh) {
        return placement::needs_a_bell;
    } else {
        fresh->held.append(m.release());
        fresh->count = 1;
        const auto outcome = target.inbox.push(target.generation, to, fresh.get(), false);
        if (outcome.what == push_outcome::refused) return placement::dead;
        bell_message* const bell = fresh.release();
        (gate->bells ? gate->last_bell->younger : gate->bells) = bell;
        if (!gate->filled) gate->filled = bell;
        gate->last_bell = gate->youngest = bell;
        if (outcome.what == push_outcome::claimed) {
            result.bell = bell;
            result.older = outcome.older;
        }
    }
    if (++gate->held > gate->bound) result.victim.reset(drop_oldest_held(*gate));
    // release: after the push; see drain().
    if (gate->held + gate->counted > gate->bound)
        target.urgent.store(true, std::memory_order_release);
    return placement::done;
}

/// For a mailbox that drops its oldest. False if the process has ended. Throws std::bad_alloc with nothing sent.
bool ring(process& target, pid to, message_ptr m) {
    const outside_scope online(this_thread());
    rung result;  // its victim is destroyed without the lock: it is the user's
    bell_ptr fresh;
    for (;;) {
        const placement how = place(target, to, m, fresh, result);
        if (how == placement::dead) return false;
        if (how == placement::done) break;
        fresh.reset(new_message<bell_message>(bell_type));
    }
    if (result.bell) {
        target.pending.append_reversed(result.older);
        target.pending.append(result.bell);
        schedule_claimed(&target);
    }
    return true;
}

/// Waits until the request is off the list; killed meanwhile, the message was never sent.
void wait_in_line(process& p, process& target, pid to, room_request& request, std::uint64_t ref) {
    p.waiting_for = to;
    p.waits_for_room = true;
    struct leave {
        process& p;
        ~leave() { p.waits_for_room = false; }
    } const at_end{p};
    try {
        message_ptr notice(await_reply(ref, time_point::max()));
    } catch (...) {
        withdraw(target, request);
        throw;
    }
}

}  // namespace

void send_bounded(process& target, pid to, message* m) {
    message_ptr owner(m);
    process& p = running_process("send");
    if (policy_of(target, to) == mailbox_policy::drop_oldest) {
        trace_sending(to, *m);
        (void)ring(target, to, std::move(owner));
        return safe_point(4);
    }
    switch (ask_for_room(target, to, *m, nullptr)) {
    case admission::in:
        deliver(to, owner.release());
        return safe_point(4);
    case admission::full:
        throw full(target, to);
    case admission::would_wait:
        break;
    default:
        return safe_point(4);
    }
    if (to == p.id) throw full(target, to, ", and who waits for room is its owner");
    refuse_wait(p, "send");
    take_signals(p);
    message_ptr notice(new_reply<bool>(true));
    room_request request;
    request.sender = p.id;
    request.notice = static_cast<reply_message*>(notice.get());
    request.what = m;
    const std::uint64_t ref = notice->word = begin_call();
    switch (ask_for_room(target, to, *m, &request)) {
    case admission::waits:
        trace_sending(to, *m);
        (void)owner.release();
        (void)notice.release();
        return wait_in_line(p, target, to, request, ref);
    case admission::in:
        deliver(to, owner.release());
        break;
    default:
        break;
    }
    end_call();
}

void send_bounded_from_outside(process& target, pid to, message* m, bool may_wait) {
    message_ptr owner(m);
    if (policy_of(target, to) == mailbox_policy::drop_oldest) {
        (void)ring(target, to, std::move(owner));
        return;
    }
    parking_spot spot;
    room_request request;
    request.spot = &spot;
    request.what = m;
    switch (ask_for_room(target, to, *m, may_wait ? &request : nullptr)) {
    case admission::in:
        deliver(to, owner.release());
        return;
    case admission::full:
    case admission::would_wait:
        throw full(target, to);
    case admission::waits:
        break;
    default:
        return;
    }
    (void)owner.release();
    for (bool listed = true; listed;) {
        (void)spot.park(-1);
        std::lock_guard lock(target.side_lock);
        listed = request.listed;
    }
}

bool try_send_bounded(process& target, pid to, message* m) noexcept {
    if (policy_of(target, to) == mailbox_policy::drop_oldest) try {
            return ring(target, to, message_ptr(m));
        } catch (const std::bad_alloc&) {
            return false;
        }
    if (ask_for_room(target, to, *m, nullptr) == admission::in) return deliver(to, m);
    m->type->destroy(m);
    return false;
}

// --- The owner -------------------------------------------------------------------------------------

void leave_gate(process& p) noexcept {
    room_request next;
    {
        std::lock_guard lock(p.side_lock);
        mailbox_gate* gate = p.gate;
        if (!gate) return;
        --gate->counted;
        if (!gate->waiting || gate->counted >= gate->bound) return;
        ++gate->counted;
        next = pop_request(*gate);
    }
    next.what->word |= counted_in;
    if (p.inbox.push(p.generation, p.id, next.what, false).what == push_outcome::refused)
        next.what->type->destroy(next.what);
    if (next.notice) deliver(next.sender, next.notice);
}

void take_bell(process& p, bell_message* bell) noexcept {
    {
        std::lock_guard lock(p.side_lock);
        mailbox_gate& gate = *p.gate;
        HEIRLOOM_DCHECK(gate.bells == bell,
                        "mailbox_gate: bells are taken in the order of their ringing");
        gate.bells = bell->younger;
        if (gate.filled == bell) gate.filled = bell->younger;
        if (gate.youngest == bell) gate.youngest = nullptr;
        gate.held -= bell->count;
        gate.counted += bell->count;
    }
    while (message* m = bell->held.pop()) {
        m->word |= counted_in;
        take_user(p, m);
    }
    bell->type->destroy(bell);
    // Now: the next signal may ask what is in the queue.
    if (!p.callbacks) trim_to_bound(p);
}

void trim_to_bound(process& p) noexcept {
    for (message** link = p.queue.begin_link();;) {
        {
            std::lock_guard lock(p.side_lock);
            mailbox_gate& gate = *p.gate;
            if (gate.when_full != mailbox_policy::drop_oldest || gate.counted == 0 ||
                gate.counted + gate.held <= gate.bound)
                return;
            while (*link &&
                   ((*link)->type->kind != message_kind::user || !((*link)->word & counted_in)))
                link = &(*link)->next;
            if (!*link) return;
            --gate.counted;
            ++gate.dropped;
            ++gate.trimmed;
        }
        message* const m = p.take_queued(link);
        m->type->destroy(m);
    }
}

void take_gate_down(process& p) noexcept {
    for (;;) {
        room_request next;
        {
            std::lock_guard lock(p.side_lock);
            if (!p.gate) return;
            // From now on nobody is let in, or waits. It stays until its last waiter has been told or has withdrawn.
            p.gate->closed = true;
            if (!p.gate->waiting) {
                p.bounded.store(false, std::memory_order_relaxed);
                delete std::exchange(p.gate, nullptr);
                return;
            }
            next = pop_request(*p.gate);
        }
        next.what->type->destroy(next.what);
        if (next.notice) deliver(next.sender, next.notice);
    }
}

std::uint64_t messages_dropped(process& p) noexcept {
    std::lock_guard lock(p.side_lock);
    return p.gate ? p.gate->dropped : 0;
}

}  // namespace heirloom::detail
