#include "process/signals.hpp"

#include "platform/check.hpp"
#include "process/crash.hpp"
#include "process/mailbox_gate.hpp"
#include "process/relations.hpp"
#include "scheduler/runtime_core.hpp"
#include "scheduler/timer_queue.hpp"

#include <sstream>

namespace heirloom::detail {
namespace {

constexpr unsigned sorted_at_a_time =
    64;  // messages: they stay in the nearest cache until they are received
// Messages taken at once from which on a mailbox counts as flooded, and below which it does no more.
constexpr std::size_t flood_begins = 1024;
constexpr std::size_t flood_ends = 128;

void destroy_done(message* m) noexcept { destroy_message<call_done_message>(m); }

void destroy_failed(message* m) noexcept {
    auto* r = static_cast<failed_reply*>(m);
    const std::uint32_t bytes = r->block_bytes;
    r->~failed_reply();
    free_block(r, bytes);
}
constexpr message_type failed_type{message_kind::reply, &destroy_failed, "failed call", nullptr};

void append(process& p, message* m) noexcept { p.append_queued(m); }

/// An exit signal that has reached the process; the block holds an exit_signal already.
void take_exit(process& p, message* m, const exit_reason& why, bool is_kill,
               bool from_self) noexcept {
    if (is_kill) {
        p.lethal = reason::killed;
        p.dying = true;
    } else if (p.trapping) {
        m->type = &user_type<exit_signal>;
        m->word = 0;
        append(p, m);
        return;
    } else if (why != reason::normal || from_self) {
        p.lethal = why;
        p.dying = true;
    }
    m->type->destroy(m);
}

/// Removes the link a link_exit belongs to; false if there is none (any more).
bool end_link(process& p, link_entry* notice) noexcept {
    link_entry* e = find_link(p, notice->peer());
    if (!e) return false;
    const bool matches = (e->theirs != 0 && e->theirs == notice->mine) ||
                         (e->mine != 0 && e->mine == notice->theirs);
    if (!matches) return false;
    remove_link(p, e);
    e->type->destroy(e);
    return true;
}

void take_link_exit(process& p, link_entry* notice) noexcept {
    if (!end_link(p, notice)) return notice->type->destroy(notice);
    const pid from = notice->peer();
    exit_reason why = std::move(notice->why);
    notice->~link_entry();
    auto* m = ::new (static_cast<void*>(notice))
        typed_message<exit_signal>(exit_signal{from, std::move(why)});
    m->type = &exit_type;
    take_exit(p, m, m->payload.reason, false, false);
}

void take_link(process& p, link_entry* e) noexcept {
    if (link_entry* existing = find_link(p, e->peer())) {
        existing->theirs = e->theirs;
        e->type->destroy(e);
    } else {
        add_link(p, e);
    }
}

void take_unlink(process& p, link_entry* m) noexcept {
    if (link_entry* e = find_link(p, m->peer())) {
        if (e->theirs == m->mine) e->theirs = 0;
        if (e->mine == m->theirs) e->mine = 0;
        if (!e->mine && !e->theirs) {
            remove_link(p, e);
            e->type->destroy(e);
        }
    }
    m->type->destroy(m);
}

/// The end of a process that had suspended this one counts as its resume, and is not told to the user.
bool end_suspension(process& p, std::uint64_t watch) noexcept {
    if (!p.extras || p.extras->suspenders.empty()) return false;
    for (auto i = p.extras->suspenders.begin(); i != p.extras->suspenders.end(); ++i) {
        if (i->second.watch != watch) continue;
        p.extras->suspenders.erase(i);
        p.suspended = !p.extras->suspenders.empty();
        return true;
    }
    return false;
}

void take_down(process& p, monitor_entry* e) noexcept {
    if (e->demonitor.word & monitor_entry::given_up) return e->type->destroy(e);
    remove_monitor(p, e);
    if (end_suspension(p, e->payload.ref.id)) return e->type->destroy(e);
    if (e->alias() == alias_mode::demonitor || e->alias() == alias_mode::reply_demonitor)
        drop_alias(p, e->payload.ref.id);
    e->type = &user_type<down>;
    e->word = 0;
    append(p, e);
}

void take_call_done(process& p, call_done_message* m) noexcept {
    call_message* open = m->open;
    unregister_open_call(p, open);
    open->type->destroy(open);
    m->type->destroy(m);
}

}  // namespace

void take_user(process& p, message* m) noexcept {
    if (const std::uint64_t id = m->word & ~counted_in) {  // through an alias
        m->word &= counted_in;
        auto* aliases = p.extras ? &p.extras->aliases : nullptr;
        auto found = aliases ? aliases->find(id) : decltype(aliases->find(id)){};
        if (!aliases || found == aliases->end()) {
            count_out(p, *m);
            return m->type->destroy(m);
        }
        if (found->second == alias_mode::reply_demonitor) {
            drop_alias(p, id);
            if (monitor_entry* e = find_monitor(p, id)) {
                remove_monitor(p, e);
                if (!deliver(e->payload.from, &e->demonitor))
                    e->demonitor.word |= monitor_entry::given_up;
            }
        }
    }
    append(p, m);
}

namespace {

void take_inspect(process& p, call_message* m) noexcept {
    reply_message* answer = nullptr;
    try {
        answer = new_reply<process_details>(describe(p));
    } catch (...) {
        return bounce_call(m, reason::system_limit);
    }
    answer->word = m->ref;
    deliver(pid::from_bits(m->word), answer);
    m->type->destroy(m);
}

void answer_with_bool(call_message* m, bool value) noexcept {
    reply_message* answer = nullptr;
    try {
        answer = new_reply<bool>(value);
    } catch (...) {
        return bounce_call(m, reason::system_limit);
    }
    answer->word = m->ref;
    deliver(pid::from_bits(m->word), answer);
    m->type->destroy(m);
}

void take_suspend(process& p, call_message* m) noexcept {
    const pid author = pid::from_bits(m->word);
    try {
        auto& suspension = p.more().suspenders[author.bits()];
        if (suspension.count == 0) suspension.watch = watch_quietly(p, author);
        ++suspension.count;
        p.suspended = true;
    } catch (...) {
        if (p.extras) p.extras->suspenders.erase(author.bits());
        return bounce_call(m, reason::system_limit);
    }
    answer_with_bool(m, true);
}

void take_resume(process& p, call_message* m) noexcept {
    const std::uint64_t author = m->word;
    bool was_suspended = false;
    if (p.extras) {
        auto found = p.extras->suspenders.find(author);
        if (found != p.extras->suspenders.end()) {
            was_suspended = true;
            if (--found->second.count == 0) {
                if (monitor_entry* e = find_monitor(p, found->second.watch)) {
                    remove_monitor(p, e);
                    e->demonitor.word |= monitor_entry::given_up;
                    deliver(e->payload.from, &e->demonitor);
                }
                p.extras->suspenders.erase(found);
            }
            p.suspended = !p.extras->suspenders.empty();
        }
    }
    answer_with_bool(m, was_suspended);
}

void take_timeout(process& p, message* m) noexcept {
    if (consume_server_timeout(p, static_cast<server_timeout_message*>(m)))
        append(p, m);
    else
        m->type->destroy(m);
}

void take_reply(process& p, reply_message* r) noexcept {
    if (p.awaited != 0 && r->word == p.awaited && !p.reply) {
        p.reply = r;
        acknowledge(r);
    } else {
        drop_reply(r);
    }
}

void take(process& p, message* m) noexcept {
    switch (m->type->kind) {
    case message_kind::user:
        return take_user(p, m);
    case message_kind::call:
        return append(p, m);
    case message_kind::reply:
        return take_reply(p, static_cast<reply_message*>(m));
    case message_kind::exit: {
        auto& signal = static_cast<typed_message<exit_signal>*>(m)->payload;
        const exit_reason why = signal.reason;
        return take_exit(p, m, why, why == reason::kill, signal.from == p.id);
    }
    case message_kind::link_exit:
        return take_link_exit(p, static_cast<link_entry*>(m));
    case message_kind::link:
        return take_link(p, static_cast<link_entry*>(m));
    case message_kind::unlink:
        return take_unlink(p, static_cast<link_entry*>(m));
    case message_kind::monitor:
        return add_watcher(p, static_cast<monitor_entry*>(m));
    case message_kind::demonitor: {
        monitor_entry* e = monitor_entry::of(m);
        remove_watcher(p, e);
        return e->type->destroy(e);
    }
    case message_kind::down:
        return take_down(p, static_cast<monitor_entry*>(m));
    case message_kind::call_done:
        return take_call_done(p, static_cast<call_done_message*>(m));
    case message_kind::inspect:
        return take_inspect(p, static_cast<call_message*>(m));
    case message_kind::timeout:
        return take_timeout(p, m);
    case message_kind::bell:
        return take_bell(p, static_cast<bell_message*>(m));
    case message_kind::suspend:
        return take_suspend(p, static_cast<call_message*>(m));
    case message_kind::resume:
        return take_resume(p, static_cast<call_message*>(m));
    }
}

/// What arrives after the end.
void take_dead(process& p, message* m, const exit_reason& why) noexcept {
    switch (m->type->kind) {
    case message_kind::call:
    case message_kind::suspend:
    case message_kind::resume:
    case message_kind::inspect:
        return bounce_call(static_cast<call_message*>(m), why);
    case message_kind::reply:
        return drop_reply(static_cast<reply_message*>(m));
    case message_kind::link_exit:
        end_link(p, static_cast<link_entry*>(m));
        return m->type->destroy(m);
    case message_kind::link:
    case message_kind::unlink:
    case message_kind::monitor:
    case message_kind::demonitor:
    case message_kind::call_done:
        return take(p, m);
    case message_kind::down: {
        auto* e = static_cast<monitor_entry*>(m);
        if (!(e->demonitor.word & monitor_entry::given_up)) remove_monitor(p, e);
        return m->type->destroy(m);
    }
    default:
        return m->type->destroy(m);
    }
}

}  // namespace

constinit const message_type call_done_type{message_kind::call_done, &destroy_done, "call_done",
                                            nullptr};

void acknowledge(reply_message* r) noexcept {
    if (message* done = std::exchange(r->done, nullptr)) deliver(r->server, done);
}

void drop_reply(reply_message* r) noexcept {
    acknowledge(r);
    r->type->destroy(r);
}

void bounce_call(call_message* m, const exit_reason& why) noexcept {
    const pid caller = pid::from_bits(m->word);
    const std::uint64_t ref = m->ref;
    const pid server = m->server;
    const std::uint32_t bytes = m->type->bytes;
    m->type->gut(m);
    static_assert(sizeof(failed_reply) <= 64);
    auto* bad = ::new (static_cast<void*>(m)) failed_reply(why);
    bad->type = &failed_type;
    bad->word = ref;
    bad->failed = true;
    bad->block_bytes = bytes;
    bad->server = server;
    deliver(caller, bad);
}

void register_open_call(process& p, call_message* m) noexcept {
    m->server = p.id;
    m->prev = nullptr;
    m->next_open = p.open_calls;
    if (p.open_calls) p.open_calls->prev = m;
    p.open_calls = m;
}

void unregister_open_call(process& p, call_message* m) noexcept {
    if (m->prev)
        m->prev->next_open = m->next_open;
    else
        p.open_calls = m->next_open;
    if (m->next_open) m->next_open->prev = m->prev;
}

bool drop_alias(process& p, std::uint64_t id) noexcept {
    return p.extras && p.extras->aliases.erase(id) > 0;
}

namespace {

/// Moves what is in the mailbox to `pending`; returns how many messages.
std::size_t collect(process& p) noexcept {
    const std::size_t n = p.pending.append_reversed(p.inbox.take_all());
    const bool flooded = p.flooded.load(std::memory_order_relaxed);
    // Written on a change only: senders read that line.
    if (flooded ? n < flood_ends : n > flood_begins)
        p.flooded.store(!flooded, std::memory_order_relaxed);
    return n;
}

}  // namespace

void drain(process& p) noexcept {
    if (p.urgent.load(std::memory_order_relaxed)) {
        // Cleared before the exchange in take_all: whoever pushes after that exchange sets it again (its CAS reads the
        // exchange's value, so its store comes after this one).
        p.urgent.store(false, std::memory_order_relaxed);
        collect(p);
    } else if (!p.inbox.looks_empty()) {
        collect(p);
    }
    while (!p.dying) {
        message* m = p.pending.pop();
        if (!m) break;
        take(p, m);
    }
    if (p.gate && !p.callbacks) [[unlikely]]  // a guard looks at a message of the queue
        trim_to_bound(p);
    // Keeps every safe point on the slow path until the last resume.
    if (p.suspended) p.urgent.store(true, std::memory_order_relaxed);
    if (p.queued >= p.queue_warning) [[unlikely]]
        warn_of_queue(p);
}

void drain_some(process& p) noexcept {
    if (p.urgent.load(std::memory_order_relaxed) || p.gate) return drain(p);
    // So many that it is worth a warning are counted at once.
    if (p.pending.empty() && !p.inbox.looks_empty() && collect(p) + p.queued >= p.queue_warning)
        return drain(p);
    for (unsigned n = 0; n < sorted_at_a_time && !p.dying; ++n) {
        message* m = p.pending.pop();
        if (!m) break;
        take(p, m);
    }
}

void drain_for_good(process& p, const exit_reason& why) noexcept {
    p.pending.append_reversed(p.inbox.close());
    if (p.gate) take_gate_down(p);
    if (p.reply) drop_reply(std::exchange(p.reply, nullptr));
    while (message* m = p.pop_queued()) take_dead(p, m, why);
    while (message* m = p.pending.pop()) take_dead(p, m, why);
    while (call_message* m = p.open_calls) {
        unregister_open_call(p, m);
        bounce_call(m, why);
    }
}

std::string in_words(const message& m, bool with_value) {
    std::string text(m.type->name);
    if (with_value && m.type->print) {
        std::ostringstream value;
        m.type->print(value, &m);
        if (value.view() != m.type->name.text()) text.append(" ").append(value.view());
    }
    return text;
}

process_details describe(process& p) {
    process_details d;
    d.pid = p.id;
    d.name = name_of(p);
    d.entry = std::string(p.entry());
    d.parent = p.parent.load(std::memory_order_relaxed);
    // A process that answers while it waits was woken to do so; it is waiting all the same.
    d.status = this_thread().current == &p && p.explaining_itself ? process_status::running
               : p.suspended                                      ? process_status::suspended
                                                                  : process_status::waiting;
    d.priority = p.level;
    d.trap_exit = p.trapping;
    for (link_entry* e = p.links; e; e = e->next_entry()) d.links.push_back(e->peer());
    for (monitor_entry* e = p.monitors; e; e = e->next_entry) d.monitors.push_back(e->payload.from);
    for (monitor_entry* e = p.watchers; e; e = e->next_watcher)
        d.monitored_by.push_back(e->payload.ref.owner);
    for (message* m = p.queue.front(); m; m = m->next) {
        if (m->type->kind == message_kind::timeout) continue;
        ++d.message_queue_len;
        d.messages.push_back(in_words(*m));
    }
    d.messages_dropped = messages_dropped(p);
    d.reductions = std::uint64_t{p.reductions} * 1000;
    d.stack_size = p.own_stack ? p.own_stack->size() : p.stack_bytes;
    d.owned = p.estate.size();
    return d;
}

}  // namespace heirloom::detail
