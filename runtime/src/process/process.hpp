#pragma once

#include "heirloom/detail/activity.hpp"
#include "heirloom/detail/running.hpp"
#include "heirloom/exit_reason.hpp"
#include "heirloom/process.hpp"
#include "platform/spin_lock.hpp"
#include "process/mailbox.hpp"
#include "process/relation_index.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string_view>

#include <boost/unordered/unordered_flat_map.hpp>

// process: the control block. Type-stable: its memory is a control block for as long as its runtime lives, so a
// stale pid may always be resolved and compared.
//
//   state       who owns it (may touch everything but the atomics)
//   free        process_table
//   fresh       the spawner, until it is on a run queue
//   runnable    the run queue, next slot or claimer that holds it: exactly one
//   running     the thread that runs it
//   waiting     nobody; mailbox.push / claim makes the claimer the owner
//   suspended   process::suspension, until the last resume
//   exiting     the thread that runs its exit
namespace heirloom::detail {

class worker;
class mailbox_gate;
class runtime_core;
struct stack;
struct timer_node;
struct server_timeout_message;

struct blocking_job;
struct captured_stack;
struct wanted_messages;
struct link_entry;
struct monitor_entry;

/// Of a process whose function has no type: what a runtime itself starts.
inline constexpr type_label nameless{};

/// The things a process owns that end or pass on with it (R9). Guarded by the process's side_lock.
///   I1  An item is in one estate at a time; adopt and disown hold that process's lock and no other.
///   I2  Closed is final for an incarnation: adopt after the closing is refused, so nothing is orphaned.
class estate {
public:
    void add(estate_item& item) noexcept;
    bool remove(estate_item& item) noexcept;
    /// Empties it; the items are chained, oldest first.
    estate_item* take_all() noexcept;
    /// Settles a chain that take_all returned.
    static void settle(estate_item* chain, pid owner, const exit_reason& why) noexcept;
    std::size_t size() const noexcept { return size_; }

private:
    std::uint32_t size_ = 0;
    estate_item* first_ = nullptr;
};

/// What few processes have; made on first need.
struct process_extras {
    relation_index<link_entry, 32> link_index;       // by peer, beyond a few
    relation_index<monitor_entry, 0> monitor_index;  // by number, beyond a few
    struct suspension {
        std::uint32_t count = 0;
        std::uint64_t watch = 0;  // the monitor that ends it with its author
    };
    boost::unordered_flat_map<std::uint64_t, suspension> suspenders;  // by pid
    boost::unordered_flat_map<std::uint64_t, alias_mode> aliases;     // active ones, by id
    server_timeout_message* server_timer = nullptr;
    void (*at_end)(void*,
                   const exit_reason&) noexcept = nullptr;  // for a thread that waits outside
    void* at_end_argument = nullptr;
    bool is_main = false;  // of runtime::run
};

/// What senders touch, on the first line of a process.
struct process_entrance {
    mailbox inbox;
    std::atomic<std::uint32_t> generation{0};  // of the incarnation that lives here; 0 in between
    // Senders read it with a pid that may be stale, hence atomic. Constant while alive.
    std::atomic<bool> bounded{false};
    heirloom::priority level = heirloom::priority::normal;
    // More comes in than it takes out; written by the owner when it takes, read by senders (sending.cpp, give_way).
    std::atomic<bool> flooded{false};
    mailbox_gate* gate =
        nullptr;  // of a bounded mailbox; see mailbox_gate.hpp. Guarded by side_lock
    activity* body = nullptr;
    stack* own_stack = nullptr;          // where it is suspended; null: stackless or never ran
    std::atomic<worker*> home{nullptr};  // the worker that ran it last; others read it as a hint
};

class alignas(64) process : public process_entrance, public process_words {
public:
    // --- Line 1: the owner's; it begins with `urgent` and the other words of process_words ------
    message_list queue;                // user messages and calls not yet received, oldest first
    message_list pending;              // drained but not yet sorted: signals among them
    timer_node* wait_timer = nullptr;  // armed for the wait in progress; on its own stack
    // Where the queue ended when the youngest reference was made: a receive for that reference alone starts there (OTP:
    // the receive marker). Messages before it are older than what it waits for.
    message** mark = nullptr;
    const message_type* last_taken = nullptr;  // of the message it received last; lives for ever
    // What a hop from process to process touches ends here.
    process* run_link = nullptr;     // in injection overflow or a suspension list
    reply_message* reply = nullptr;  // the awaited reply, once it is here
    std::uint64_t awaited = 0;       // ref of the call in progress; 0: none
    std::uint64_t next_ref = 0;      // refs and link ids made so far
    pid waiting_for;                 // the called server, during a call; for reports

    // --- Line 2: relations, the owner's ---------------------------------------------------------
    link_entry* links = nullptr;
    monitor_entry* monitors = nullptr;   // those it made
    monitor_entry* watchers = nullptr;   // those that watch it
    call_message* open_calls = nullptr;  // calls it took and has not answered itself
    process_extras* extras = nullptr;
    std::uint32_t link_count = 0;
    std::uint32_t monitor_count = 0;
    std::atomic<pid> parent;  // the runtime's shutdown reads it, of whoever has the slot by then
    exit_reason lethal;       // valid when dying

    // --- Line 3 ---------------------------------------------------------------------------------
    std::atomic<bool> trapping_hint{false};  // the same, for the runtime's shutdown
    bool started = false;
    std::atomic<bool> system{false};
    bool server_timer_armed = false;
    bool waits_for_room = false;  // in the mailbox of `waiting_for`; for reports
    bool explaining_itself =
        false;                   // process_info(self()), or at a safe point rather than in a wait
    bool suspended = false;      // by at least one other process; see extras->suspenders
    bool dropped_calls = false;  // a reply_to was dropped while an exception was in flight
    std::uint32_t stack_bytes = 0;  // class of its own stack, 0: the standard
    spin_lock side_lock;
    timer_node* timers = nullptr;  // aimed at this process; guarded by side_lock
    std::uint64_t mark_ref = 0;
    const type_label* runs = &nameless;  // lives for ever
    const wanted_messages* wanted =
        nullptr;                      // what it last waited for; kept in deterministic mode only
    std::uint32_t reductions = 0;     // in thousands
    heirloom::detail::estate estate;  // guarded by side_lock
    // No more timers, name or estate. Set under side_lock; cleared at birth without it: who comes late with a stale pid reads
    // either value and is refused by the generation.
    std::atomic<bool> closed{true};
    captured_stack* thrown = nullptr;  // see throw_stack.hpp
    blocking_job* blocking = nullptr;  // what it leaves its worker for; on its own stack
    atom name;  // guarded by side_lock: others may take it away; see name_of()

    /// The worker that runs it. Called by the process itself.
    worker& here() const noexcept { return *home.load(std::memory_order_relaxed); }
    /// Something is in the mailbox, or was taken out and not looked at.
    bool has_news() const noexcept {
        return !inbox.looks_empty() || !pending.empty() || urgent.load(std::memory_order_relaxed);
    }
    /// Something keeps it from waiting or from dying.
    bool is_held() const noexcept { return shields | callbacks | in_exit | dying; }

    bool lives_as(pid p) const noexcept {
        return generation.load(std::memory_order_acquire) == p.generation();
    }
    process_extras& more() {
        if (!extras) extras = new process_extras;
        return *extras;
    }
    const type_label& entry() const noexcept { return *runs; }

    // --- The queue, with its length and mark ---
    void append_queued(message* m) noexcept {
        queue.append(m);
        ++queued;
    }
    /// Unlinks *link.
    message* take_queued(message** link) noexcept {
        message* m = queue.unlink(link);
        --queued;
        if (mark == &m->next) mark = link;
        return m;
    }
    message* pop_queued() noexcept {
        return queue.empty() ? nullptr : take_queued(queue.begin_link());
    }
    void mark_queue(std::uint64_t ref) noexcept {
        mark = queue.end_link();
        mark_ref = ref;
    }
};

static_assert(sizeof(process) == 384, "six lines; what is added must be worth a seventh");

/// Any thread.
inline atom name_of(process& p) noexcept {
    std::lock_guard lock(p.side_lock);
    return p.name;
}
}  // namespace heirloom::detail
