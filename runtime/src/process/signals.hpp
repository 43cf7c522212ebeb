#pragma once

#include "process/process.hpp"
#include "scheduler/timer_queue.hpp"

// signals: what a process does with what arrives. Run by the owner only, when it drains its mailbox.
namespace heirloom::detail {

struct call_done_message : message {
    call_message* open = nullptr;
};
extern const message_type call_done_type;

struct server_timeout_message : message {  // word: the tag given to set_server_timer
    timer_node node;
};

/// Takes everything out of the mailbox and sorts it: signals are handled, the rest is appended to `queue`. Stops at a
/// lethal signal, which sets `dying`; what follows stays in `pending`.
void drain(process& p) noexcept;

/// The same for a receive that has seen all of `queue`: some of what came next, if nothing is urgent. The rest stays in
/// `pending`. A long mailbox is then sorted while it is received, by pieces, and not a message of it twice from afar.
void drain_some(process& p) noexcept;

/// The same for what comes after the end: closes the mailbox, hands every signal its due, bounces calls with `why`.
void drain_for_good(process& p, const exit_reason& why) noexcept;

/// A user message that has reached the process, also one through an alias.
void take_user(process& p, message* m) noexcept;

/// A reply that nobody waits for.
void drop_reply(reply_message* r) noexcept;
/// Tells a delegating server that its call has been answered.
void acknowledge(reply_message* r) noexcept;
/// Turns a call's own block into the bad news for its caller.
void bounce_call(call_message* m, const exit_reason& why) noexcept;
void register_open_call(process& p, call_message* m) noexcept;
void unregister_open_call(process& p, call_message* m) noexcept;

/// Ends an active alias of `p`; false if it was none.
bool drop_alias(process& p, std::uint64_t id) noexcept;

/// Makes `p` watch another process without being told as a user; returns the monitor's number.
std::uint64_t watch_quietly(process& p, pid target);

/// A message's type, and its value if that can be printed and is asked for.
std::string in_words(const message& m, bool with_value = true);
/// Everything process_info tells, by the process itself.
process_details describe(process& p);

}  // namespace heirloom::detail
