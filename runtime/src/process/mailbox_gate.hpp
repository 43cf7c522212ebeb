#pragma once

#include "process/process.hpp"

// mailbox_gate: what a bounded mailbox has and an unbounded one does without: how many messages are counted in, who waits
// for room, what was dropped (R12). Made at birth, taken down when the mailbox closes; all of it is guarded by the
// process's side_lock, so that a sender with a stale pid finds either the gate of the process it means, or none.
//
//   G1  `counted` user messages are in the mailbox, or about to be pushed by those who were let in; at most `bound`.
//   G2  Who waits for room leaves its message here, in the order in which they came. Whoever makes room, the owner, puts the
//       oldest one into its own mailbox and tells its sender. So nobody overtakes, a killed sender leaves no hole, and a
//       message that waited comes after everything that its sender knew to be there.
//
// With drop_oldest senders never wait, and only the owner could take its oldest message out of a mailbox. So messages lie
// in bells, and only the bells in the mailbox:
//   G3  A bell holds messages that were sent one after the other with nothing else pushed in between: a sender adds to the
//       youngest bell as long as that is the newest thing in the mailbox, else it pushes another. Their order among
//       themselves, and to all signals, is that of plain messages.
//   G4  `bells` are those not yet taken by the owner, oldest first; `held` is what is in them. Their oldest message can be
//       dropped by any sender; a bell is not, as the owner will come to it.
//   G5  held + counted > bound: the owner's private queue has the oldest ones. The sender sets `urgent`, so that the owner
//       drops them before it receives anything.
namespace heirloom::detail {

struct bell_message : message {
    message_list held;
    bell_message* younger = nullptr;
    std::uint32_t count = 0;
};
static_assert(sizeof(bell_message) <= 64);

/// A sender that waits; on its stack.
struct room_request {
    message* what = nullptr;  // let in, or destroyed, by whoever takes the request off the list
    reply_message* notice = nullptr;  // for a process: wakes it
    pid sender;                       // empty for a plain thread, which has
    class parking_spot* spot = nullptr;
    room_request* next = nullptr;
    bool listed = false;
};

class mailbox_gate {
public:
    mailbox_gate(std::size_t limit, mailbox_policy policy) noexcept
        : bound(limit), when_full(policy) {}
    mailbox_gate(const mailbox_gate&) = delete;
    mailbox_gate& operator=(const mailbox_gate&) = delete;

    const std::size_t bound;
    const mailbox_policy when_full;
    std::size_t counted = 0;
    std::uint64_t dropped = 0;
    room_request* waiting = nullptr;  // oldest first
    room_request* last_waiting = nullptr;
    bell_message* bells = nullptr;
    bell_message* filled = nullptr;     // the oldest bell that may hold something
    bell_message* last_bell = nullptr;  // valid while there are bells
    bell_message* youngest = nullptr;   // the same; null once its owner has taken it
    std::size_t held = 0;
    std::uint64_t trimmed = 0;  // dropped by the owner; written and read by it alone
    bool closed = false;
};

/// Sends from the running process to a bounded mailbox. Consumes `m`.
void send_bounded(process& target, pid to, message* m);
/// From a thread that runs no process; it may wait too, unless `may_wait` is false.
void send_bounded_from_outside(process& target, pid to, message* m, bool may_wait);
/// False if there is no room, or nobody.
bool try_send_bounded(process& target, pid to, message* m) noexcept;

// --- The owner ---

/// A message that was counted in has left: the next one may come in.
void leave_gate(process& p) noexcept;
void take_bell(process& p, bell_message* bell) noexcept;
/// Drops what is too much of its private queue.
void trim_to_bound(process& p) noexcept;
/// Rises when messages are dropped out of the private queue: a place in it is none any more then.
inline std::uint64_t trims(const process& p) noexcept { return p.gate ? p.gate->trimmed : 0; }
/// The mailbox is closed: nobody waits for room in it any more.
void take_gate_down(process& p) noexcept;
std::uint64_t messages_dropped(process& p) noexcept;

/// A user message leaves a mailbox: it makes room only if it was counted in (signals turned messages were not).
inline void count_out(process& p, const message& m) noexcept {
    if (m.type->kind == message_kind::user && (m.word & counted_in)) leave_gate(p);
}

}  // namespace heirloom::detail
