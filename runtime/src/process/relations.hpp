#pragma once

#include "heirloom/detail/activity.hpp"
#include "heirloom/monitor.hpp"
#include "process/process.hpp"

// relations: links and monitors. Each party keeps its own half and touches no other process's; the other half travels as
// a signal. The block of a half is also the storage of the notice it will send, so that dying never allocates.
//
// Links. Each side has one entry a peer. An entry carries up to two ids: `mine`, given by this side's link(), and
// `theirs`, given by the peer's. The link holds while either is set, so that two processes which link each other at the
// same moment, and one that unlinks while the peer's link is on its way, agree in the end:
//   link        the peer gets an entry with theirs = our mine
//   unlink      carries both ids; the peer clears those that match, and drops the entry when none is left
//   exit        carries both ids; counts only if one matches the receiver's entry
//
// Monitors. One record a monitor. It is, in this order: in the watcher's list; also a signal on its way to the target;
// also in the target's list; the `down` on its way back. Freed by the watcher when received or dropped, by the target
// when the demonitor signal (a message head inside the record) reaches it.
//   M1  A demonitor signal that the target's mailbox accepted is handled before the target's downs are sent, because
//       the target closes its mailbox first. So the record is freed once: by the target if the push was accepted, else
//       by the watcher when the down arrives.
namespace heirloom::detail {

struct link_entry : message {  // word: the peer's pid; next, prev: the owner's list
    link_entry* prev = nullptr;
    std::uint64_t mine = 0;
    std::uint64_t theirs = 0;
    exit_reason why;
    link_entry* next_entry() const noexcept { return static_cast<link_entry*>(next); }
    pid peer() const noexcept { return pid::from_bits(word); }
};
static_assert(sizeof(link_entry) <= 64,
              "shares its class of blocks with the exit_signal it becomes");
static_assert(sizeof(typed_message<exit_signal>) <= 64);

struct monitor_entry : typed_message<down> {
    using typed_message<down>::typed_message;
    monitor_entry* prev = nullptr;  // the watcher's list
    monitor_entry* next_entry = nullptr;
    monitor_entry* prev_watcher = nullptr;  // the target's list
    monitor_entry* next_watcher = nullptr;
    message demonitor;                            // word: flags, while it is not a signal
    static constexpr std::uint64_t given_up = 1;  // demonitored; drop the down
    alias_mode alias() const noexcept { return static_cast<alias_mode>(demonitor.word >> 8); }
    static monitor_entry* of(message* demonitor_head) noexcept;
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored                                                                     \
    "-Winvalid-offsetof"  // single inheritance: supported by every compiler we are built with
inline monitor_entry* monitor_entry::of(message* demonitor_head) noexcept {
    return reinterpret_cast<monitor_entry*>(reinterpret_cast<char*>(demonitor_head) -
                                            offsetof(monitor_entry, demonitor));
}
#pragma GCC diagnostic pop
static_assert(
    sizeof(monitor_entry) <= 128 && sizeof(typed_message<down>) > 64,
    "a record becomes a typed_message<down> in place: both must be of one class of blocks");

extern const message_type exit_type, link_exit_type, link_type, unlink_type, monitor_type,
    demonitor_type, down_type;

link_entry* find_link(process& p, pid peer) noexcept;
void add_link(process& p, link_entry* e) noexcept;
void remove_link(process& p, link_entry* e) noexcept;
link_entry* new_link_entry(pid peer);

monitor_entry* find_monitor(process& p, std::uint64_t ref) noexcept;
void add_monitor(process& p, monitor_entry* e) noexcept;
void remove_monitor(process& p, monitor_entry* e) noexcept;
void add_watcher(process& p, monitor_entry* e) noexcept;
void remove_watcher(process& p, monitor_entry* e) noexcept;
/// With its alias, which is active from now on.
monitor_entry* new_monitor_entry(process& watcher, pid target, alias_mode alias);

/// Sends all notices of a process that has closed its mailbox, and ends its own monitors.
void notify_relations(process& p, const exit_reason& why) noexcept;

}  // namespace heirloom::detail
