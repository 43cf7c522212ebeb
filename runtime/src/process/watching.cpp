// Links, monitors and aliases, as verbs of the running process.
#include "deterministic/trace.hpp"
#include "heirloom/names.hpp"
#include "heirloom/process.hpp"
#include "platform/inside.hpp"
#include "process/lifecycle.hpp"
#include "process/relations.hpp"
#include "process/signals.hpp"
#include "scheduler/outside.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom {

using namespace detail;

void link(pid target) {
    inside_scope scope;
    scope.may_move();
    process& p = running_process("link");
    safe_point();
    if (target == p.id) return;
    drain(p);
    obey_signals(p);
    if (find_link(p, target)) return;
    link_entry* mine = new_link_entry(target);
    link_entry* theirs;
    try {
        theirs = new_link_entry(p.id);
    } catch (...) {
        mine->type->destroy(mine);
        throw;
    }
    mine->mine = theirs->theirs = ++p.next_ref;
    if (deliver(target, theirs)) return add_link(p, mine);
    mine->type->destroy(mine);
    drain(p);  // its own link and end may have come in meanwhile
    if (!p.trapping) {
        obey_signals(p);
        throw no_such_process("link", to_string(target));
    }
    auto* m =
        new_message<typed_message<exit_signal>>(exit_type, exit_signal{target, reason::no_process});
    deliver(p.id, m);
}

namespace {

void end_known_link(process& p, pid target) noexcept {
    link_entry* e = find_link(p, target);
    if (!e) return;
    remove_link(p, e);
    e->type = &unlink_type;
    e->word = p.id.bits();
    deliver(target, e);
}

}  // namespace

void unlink(pid target) noexcept {
    inside_scope scope;
    process* p = this_thread().current;
    if (!p) return;
    // First, so that an exit signal of it which has come and was not taken yet counts no more (as in OTP); then what the other
    // side's link() has sent.
    end_known_link(*p, target);
    drain(*p);
    end_known_link(*p, target);
}

monitor_ref monitor(pid target, alias_mode alias) {
    inside_scope scope;
    scope.may_move();
    process& p = running_process("monitor");
    safe_point();
    if (target == p.id) {
        const monitor_ref ref{{p.id, ++p.next_ref}};
        p.mark_queue(ref.id);
        if (alias != alias_mode::none) p.more().aliases.emplace(ref.id, alias);
        return ref;
    }
    const std::uint64_t id = start_monitor(p, target, alias);
    return monitor_ref{{p.id, id}};
}

namespace detail {

std::uint64_t watch_quietly(process& p, pid target) {
    return start_monitor(p, target, alias_mode::none);
}

std::uint64_t start_monitor(process& p, pid target, alias_mode alias) {
    monitor_entry* e = new_monitor_entry(p, target, alias);
    const std::uint64_t id = e->payload.ref.id;
    add_monitor(p, e);
    thread_context& thread = this_thread();
    const outside_scope online(thread);
    if (thread.role && thread.role->seeded) trace_send(thread, target, *e);
    process* t = resolve(target);
    const auto outcome =
        t ? t->inbox.push(t->generation, target, e, true) : push_outcome{push_outcome::refused};
    if (outcome.what == push_outcome::claimed) {
        t->pending.append_reversed(outcome.older);
        t->pending.append(e);
        schedule_claimed(t);
    } else if (outcome.what == push_outcome::refused) {
        e->payload.reason = reason::no_process;
        e->type = &down_type;
        deliver(p.id, e);
    }
    return id;
}

}  // namespace detail

monitor_ref monitor(atom name, alias_mode alias) {
    inside_scope scope;
    scope.may_move();
    process& p = running_process("monitor");
    const pid target = whereis(name);
    const monitor_ref ref = monitor(target, alias);
    if (monitor_entry* e = find_monitor(p, ref.id)) e->payload.name = name;
    return ref;
}

bool demonitor(const monitor_ref& ref, demonitor_mode mode) noexcept {
    inside_scope scope;
    process* p = this_thread().current;
    if (!p || ref.owner != p->id) return false;
    drain(*p);
    bool there = false;
    auto& extras = p->extras;
    if (extras) {
        auto found = extras->aliases.find(ref.id);
        if (found != extras->aliases.end() && found->second != alias_mode::explicit_unalias)
            extras->aliases.erase(found);
    }
    if (monitor_entry* e = find_monitor(*p, ref.id)) {
        there = true;
        remove_monitor(*p, e);
        // Flags first: after an accepted push the record is the target's.
        const auto flags = e->demonitor.word;
        e->demonitor.word = flags | monitor_entry::given_up;
        deliver(e->payload.from, &e->demonitor);
    }
    // Not in a guard: a receive is walking the queue, and may be looking at this very message.
    if (mode == flush && p->callbacks == 0) {
        for (message** link = p->queue.begin_link(); *link; link = &(*link)->next) {
            message* m = *link;
            if (m->type != &user_type<down> ||
                static_cast<typed_message<down>*>(m)->payload.ref != ref)
                continue;
            p->take_queued(link);
            m->type->destroy(m);
            break;
        }
    }
    return there;
}

alias_ref alias(alias_mode ends) {
    process& p = running_process("alias");
    if (ends != alias_mode::explicit_unalias && ends != alias_mode::reply_demonitor)
        throw bad_argument("alias",
                           "it has no monitor: it ends by unalias, or with its first message");
    const alias_ref ref{detail::reference{p.id, ++p.next_ref}};
    p.more().aliases.emplace(ref.id, ends);
    return ref;
}

bool unalias(const alias_ref& ref) noexcept {
    inside_scope scope;
    process* p = this_thread().current;
    if (!p || ref.owner != p->id) return false;
    drain(*p);
    return drop_alias(*p, ref.id);
}

}  // namespace heirloom
