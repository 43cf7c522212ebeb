// The free functions that act on the running process.
#include "deterministic/drive.hpp"
#include "deterministic/trace.hpp"
#include "heirloom/blocking.hpp"
#include "heirloom/names.hpp"
#include "heirloom/process.hpp"
#include "heirloom/receive.hpp"
#include "heirloom/send.hpp"
#include "heirloom/timer.hpp"
#include "platform/check.hpp"
#include "platform/inside.hpp"
#include "process/crash.hpp"
#include "process/lifecycle.hpp"
#include "process/relations.hpp"
#include "process/signals.hpp"
#include "scheduler/reclamation.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom {

using namespace detail;

namespace {

/// A place where a process may switch, migrate or be killed (R1): whether there is reason to.
inline bool is_due(thread_context& t, process& p, unsigned reductions) noexcept {
    const std::int32_t budget = t.role->budget -= static_cast<std::int32_t>(reductions);
    return (budget <= 0) | p.urgent.load(std::memory_order_relaxed) | p.dying;
}
void take_turn(process& p) {
    if (p.urgent.load(std::memory_order_relaxed) | p.dying) take_signals(p);
    worker& w = *this_thread().role;  // a suspended process may have come back elsewhere
    if (w.budget > 0) return;
    if (w.seeded && !seeded_safe_point(w.core, p)) return;
    yield();
}
inline void safe_point_of(inside_scope& scope, process& p, unsigned reductions) {
    if (!is_due(scope.thread(), p, reductions)) return;
    scope.may_move();
    take_turn(p);
}

bool may_switch(const thread_context& t, const process& p) noexcept {
    return t.role && !(p.shields | p.callbacks | p.in_exit);
}

}  // namespace

// --- Identity --------------------------------------------------------------------------------------

pid self() { return running_process("self").id; }
bool in_process() noexcept { return this_thread().current != nullptr; }
pid parent() { return running_process("parent").parent; }

// --- Ending ----------------------------------------------------------------------------------------

void exit(exit_reason why) {
    running_process("exit");
    throw exit_unwind{std::move(why)};
}

void exit(pid target, exit_reason why) {
    inside_scope scope;
    scope.may_move();
    process& p = running_process("exit");
    auto* m = new_message<typed_message<exit_signal>>(exit_type, exit_signal{p.id, std::move(why)});
    deliver(target, m);
    if (target == p.id) drain(p);
    obey_signals(p);
    safe_point();
}

bool trap_exit(bool on) {
    inside_scope scope;
    scope.may_move();
    process& p = running_process("trap_exit");
    // What has reached us counts by the old setting.
    drain(p);
    obey_signals(p);
    p.trapping_hint.store(on, std::memory_order_relaxed);
    return std::exchange(p.trapping, on);
}

bool is_alive(pid target) noexcept {
    process* p = resolve(target);
    return p && p->lives_as(target) &&
           p->status.load(std::memory_order_acquire) !=
               static_cast<std::uint8_t>(process_status::exiting);
}

// --- Links and monitors ----------------------------------------------------------------------------

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

void unlink(pid target) noexcept {
    inside_scope scope;
    process* p = this_thread().current;
    if (!p) return;
    drain(*p);
    link_entry* e = find_link(*p, target);
    if (!e) return;
    remove_link(*p, e);
    e->type = &unlink_type;
    e->word = p->id.bits();
    deliver(target, e);
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
    if (alias != alias_mode::none) p.more().aliases.emplace(id, alias);
    add_monitor(p, e);
    if (thread_context& thread = this_thread(); thread.role && thread.role->seeded)
        trace_send(thread, target, *e);
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
        else if (found != extras->aliases.end() && mode == flush)
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
    if (mode == flush) {
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

alias_ref alias() {
    process& p = running_process("alias");
    const alias_ref ref{detail::reference{p.id, ++p.next_ref}};
    p.more().aliases.emplace(ref.id, alias_mode::explicit_unalias);
    return ref;
}

bool unalias(const alias_ref& ref) noexcept {
    inside_scope scope;
    process* p = this_thread().current;
    if (!p || ref.owner != p->id) return false;
    drain(*p);
    return drop_alias(*p, ref.id);
}

// --- Time ------------------------------------------------------------------------------------------

runtime_clock::time_point runtime_clock::now() noexcept {
    runtime_core* core = runtime_core::current();
    if (!core) return time_point(std::chrono::steady_clock::now().time_since_epoch());
    return time_point(duration(core->clock()));
}

namespace detail {

std::chrono::system_clock::time_point wall_clock_now() noexcept {
    runtime_core* core = runtime_core::current();
    if (!core || !core->is_deterministic()) return std::chrono::system_clock::now();
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(duration(core->clock())));
}

time_point deadline_after(duration limit, const char* function) {
    if (limit < duration::zero())
        throw bad_argument(function,
                           "a time of " + std::to_string(limit.count()) + " ns is negative");
    const time_point now = runtime_clock::now();
    return limit >= time_point::max() - now ? time_point::max() : now + limit;
}

}  // namespace detail

void yield() {
    inside_scope scope;
    scope.may_move();
    process* p = scope.thread().current;
    if (!p) throw not_in_process("yield");
    if (!may_switch(scope.thread(), *p)) return;
    take_signals(*p);
    thread_context& t = this_thread();
    worker& w = *t.role;
    w.budget = slice;
    if (p->level > priority::normal) {
        // This one is not in any queue yet when its successor is picked.
        const bool others =
            w.seeded ? ready_holds(w.core, p->level) : w.core.levels.holds(p->level);
        if (!others) return w.run_timers(w.read_clock());
    }
    leave_running(t, *p, farewell::requeue);
    take_signals(*p);
}

void sleep(duration limit) {
    inside_scope scope;
    scope.may_move();
    process& p = running_process("sleep");
    if (p.shields || p.in_exit || (p.dying && this_thread().exceptions->uncaught > 0)) return;
    refuse_wait(p, "sleep");
    const std::int64_t until = nanoseconds_of(deadline_after(limit, "sleep"));
    take_signals(p);
    do {
        drain(p);
        obey_signals(p);
        wait_once(p, true, until);
        drain(p);
        obey_signals(p);
    } while (runtime_core::current()->clock() < until);
}

priority set_priority(priority level) {
    process& p = running_process("set_priority");
    if (level != priority::normal) p.home->core.levels.use();
    return std::exchange(p.level, level);
}

// --- Shield ----------------------------------------------------------------------------------------

shield::shield() noexcept {
    if (process* p = this_thread().current) ++p->shields;
}
shield::~shield() {
    if (process* p = this_thread().current) --p->shields;
}

// --- Asking and stopping others ----------------------------------------------------------------------

namespace detail {
namespace {

struct nothing {};
constexpr message_type signal_call_type(message_kind kind, std::string_view name) {
    return {kind,    &destroy_message<typed_call<nothing>>, name,
            nullptr, &gut_message<typed_call<nothing>>,     sizeof(typed_call<nothing>)};
}
constexpr message_type inspect_type = signal_call_type(message_kind::inspect, "process_info");
constexpr message_type suspend_type = signal_call_type(message_kind::suspend, "suspend");
constexpr message_type resume_type = signal_call_type(message_kind::resume, "resume");

/// Sends a signal that is answered, and waits for the answer; null if the target has ended.
reply_message* ask(const message_type& type, pid target, const char* function) {
    process& p = running_process(function);
    refuse_wait_if_held(p, function);
    const std::uint64_t ref = begin_call();
    auto* m = new_message<typed_call<nothing>>(type);
    m->word = p.id.bits();
    m->ref = ref;
    m->server = p.waiting_for = target;
    if (!deliver(target, m)) {  // dead: refused, and destroyed
        end_call();
        return nullptr;
    }
    return await_reply(ref, time_point::max());
}

}  // namespace
}  // namespace detail

std::optional<process_details> process_info(pid target) {
    inside_scope scope;
    scope.may_move();
    process& p = running_process("process_info");
    safe_point();
    if (target == p.id) {
        drain(p);
        obey_signals(p);
        p.explaining_itself = true;
        auto details = describe(p);
        p.explaining_itself = false;
        return details;
    }
    reply_message* r = ask(inspect_type, target, "process_info");
    if (!r) return {};
    message_ptr owner(r);
    if (r->failed) return {};
    return std::move(static_cast<typed_reply<process_details>*>(r)->payload);
}

void suspend(pid target) {
    inside_scope scope;
    scope.may_move();
    process& p = running_process("suspend");
    if (target == p.id) throw bad_argument("suspend", "a process cannot suspend itself");
    reply_message* r = ask(suspend_type, target, "suspend");
    message_ptr owner(r);
    if (!r || r->failed) throw no_such_process("suspend", to_string(target));
}

void resume(pid target) {
    inside_scope scope;
    scope.may_move();
    running_process("resume");
    reply_message* r = ask(resume_type, target, "resume");
    message_ptr owner(r);
    if (!r || r->failed) throw no_such_process("resume", to_string(target));
    if (!static_cast<typed_reply<bool>*>(r)->payload)
        throw bad_argument("resume", to_string(target) + " was not suspended by this process");
}

// --- Names -----------------------------------------------------------------------------------------

namespace detail {

bool try_register_name(atom name, pid who) {
    runtime_core* core = runtime_core::find(who.runtime_index());
    process* p = resolve(who);
    if (!core || !p) return false;
    // Under this lock the exit reads which name to free, after it has said that it is exiting.
    std::lock_guard lock(p->side_lock);
    if (p->closed.load(std::memory_order_relaxed) || !p->lives_as(who) || p->name) return false;
    if (core->names.insert(name, who) == name_table::outcome::taken) return false;
    p->name = name;
    return true;
}

}  // namespace detail

void register_name(atom name, pid who) {
    if (!name) throw bad_argument("register_name", "the name is empty");
    if (try_register_name(name, who)) return;
    process* p = resolve(who);
    std::string text = "\"" + std::string(name.text()) + "\" cannot name " + to_string(who) + ": ";
    if (!p || !is_alive(who)) throw bad_argument("register_name", text + "it is not alive");
    if (p->name)
        throw bad_argument("register_name",
                           text + "it is \"" + std::string(p->name.text()) + "\" already");
    throw bad_argument("register_name", text + "the name is taken by " + to_string(whereis(name)));
}

void unregister_name(atom name) {
    runtime_core* core = runtime_core::current();
    if (!core) throw not_in_process("unregister_name");
    const pid holder = core->names.erase(name);
    if (!holder)
        throw bad_argument("unregister_name", "nobody is \"" + std::string(name.text()) + "\"");
    process* p = resolve(holder);
    std::lock_guard lock(p->side_lock);
    if (p->lives_as(holder) && p->name == name) p->name = atom();
}

pid whereis(atom name) noexcept {
    runtime_core* core = runtime_core::current();
    return core ? core->names.find(name) : pid{};
}

std::vector<atom> registered() {
    runtime_core* core = runtime_core::current();
    return core ? core->names.all() : std::vector<atom>{};
}

std::vector<pid> processes() {
    runtime_core* core = runtime_core::current();
    return core ? list_processes(*core, false) : std::vector<pid>{};
}

// --- Sending ---------------------------------------------------------------------------------------

namespace detail {
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

enum class room : std::uint8_t { yes, no, dead };
/// Counts a user message into a bounded mailbox.
room reserve_room(process& p, pid to, message& m) noexcept {
    const std::uint32_t bound = p.mailbox_bound.load(std::memory_order_relaxed);
    if (bound == 0) return room::yes;
    std::uint64_t counted = p.bounded.load(std::memory_order_relaxed);
    do {
        if ((counted >> 32) != to.generation() || !p.lives_as(to)) return room::dead;
        if (static_cast<std::uint32_t>(counted) >= bound) return room::no;
    } while (!p.bounded.compare_exchange_weak(counted, counted + 1, std::memory_order_relaxed));
    m.word |= counted_in;
    return room::yes;
}

}  // namespace

namespace {

/// Gives a message that claimed its receiver to it, and makes it runnable.
inline void hand_over(thread_context& t, process* p, message* m, message* older) noexcept {
    if (m->type->kind == message_kind::user && m->word == 0 && !older && p->pending.empty()) {
        // Nothing came before it: it needs no sorting.
        p->append_queued(m);
    } else {
        p->pending.append_reversed(older);
        p->pending.append(m);
        if (is_urgent(m->type->kind)) p->urgent.store(true, std::memory_order_relaxed);
    }
    if (t.role && t.role->core.index == p->id.runtime_index())
        t.role->hand_off(p);
    else
        runtime_core::find(p->id.runtime_index())->inject(p);
}

inline bool post(thread_context& t, process* p, pid to, message* m) noexcept {
    const message_kind kind = m->type->kind;
    if (!t.role || t.role->seeded) [[unlikely]]
        trace_send(t, to, *m);
    const auto outcome = p ? p->inbox.push(p->generation, to, m, wakes_quiet(kind))
                           : push_outcome{push_outcome::refused};
    if (outcome.what == push_outcome::claimed) {
        hand_over(t, p, m, outcome.older);
    } else if (outcome.what == push_outcome::refused) {
        m->type->destroy(m);
        return false;
    } else if (is_urgent(kind)) {
        // release: after the push; see drain().
        p->urgent.store(true, std::memory_order_release);
    }
    return true;
}

}  // namespace

bool deliver(pid to, message* m) noexcept {
    inside_scope scope;
    return post(scope.thread(), resolve(to), to, m);
}

bool deliver(const reference& alias, message* m) noexcept {
    m->word = alias.id;
    return deliver(alias.owner, m);
}

bool try_send_message(pid to, message* m) noexcept {
    inside_scope scope;
    process* p = resolve(to);
    if (p && reserve_room(*p, to, *m) == room::no) {
        m->type->destroy(m);
        return false;
    }
    return deliver(to, m);
}

void send_bounded(process& target, pid to, message* m) {
    message_ptr owner(m);
    for (;;) {
        switch (reserve_room(target, to, *m)) {
        case room::yes:
            deliver(to, owner.release());
            return;
        case room::dead:
            return;
        case room::no:
            break;
        }
        if (target.when_full.load(std::memory_order_relaxed) == mailbox_policy::drop_newest) {
            target.bounded_dropped.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        if (target.when_full.load(std::memory_order_relaxed) == mailbox_policy::refuse)
            throw limit_reached(
                "mailbox",
                "heirloom: send: the mailbox of " + to_string(to) + " holds " +
                    std::to_string(target.mailbox_bound.load(std::memory_order_relaxed)) +
                    " messages, its bound");
        refuse_wait(running_process("send"), "send");
        sleep(std::chrono::microseconds(50));
    }
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
    if (target && target->mailbox_bound.load(std::memory_order_relaxed) != 0) {
        scope.may_move();
        return send_bounded(*target, to, m);
    }
    post(t, target, to, m);
    if (may_switch(t, *p) && is_due(t, *p, 4)) {
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

// --- Receiving -------------------------------------------------------------------------------------

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
    thread_context* t = nullptr;
    for (;;) {
        if (p.has_news()) {
            drain(p);
            if (p.suspended | p.dying) {
                obey_signals(p);
                t = nullptr;
            }
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

// --- Safe points and callbacks ---------------------------------------------------------------------

void safe_point(unsigned reductions) {
    inside_scope scope;
    process* p = scope.thread().current;
    if (p && may_switch(scope.thread(), *p)) safe_point_of(scope, *p, reductions);
}

callback_scope::callback_scope() noexcept {
    if (process* p = this_thread().current) ++p->callbacks;
}
callback_scope::~callback_scope() {
    if (process* p = this_thread().current) --p->callbacks;
}

bool in_callback() noexcept {
    process* p = this_thread().current;
    return p && p->callbacks != 0;
}

void refuse_in_callback(const char* function) {
    if (in_callback()) throw in_table_callback(function);
}

namespace {

// The whole of an entry, for whatever the short way does not see to.
[[gnu::noinline]] verb_entry enter_verb_slowly(unsigned reductions) {
    thread_context* t = &this_thread();
    process* p = t->current;
    const std::uint64_t self = p ? p->id.bits() : 0;
    const bool nested = t->inside.load(std::memory_order_relaxed);
    if (p && !nested) {
        set_inside(*t);
        if (t->revoked.load(inside_order)) {
            rejoin();
            t = &this_thread();
        }
    }
    if (!t->role) {  // a plain thread, or one of the blocking pool
        if (p && !nested) clear_inside(*t);
        hold_reclamation(*t);
        return {self, nullptr};
    }
    if (nested || !p) return {self, nullptr};
    if (reductions != 0 && may_switch(*t, *p) && is_due(*t, *p, reductions)) {
        try {
            take_turn(*p);
        } catch (...) {
            clear_inside(this_thread());
            throw;
        }
        t = &this_thread();
    }
    return {self, &t->inside};
}

[[gnu::noinline, gnu::cold]] verb_entry enter_write_slowly(const char* verb, unsigned reductions) {
    refuse_in_callback(verb);
    return enter_verb_slowly(reductions);
}

// The short way, of a process on a worker that is in no other verb and has budget left: no call, no stack frame.
[[gnu::always_inline]] inline bool enter_verb_quickly(unsigned reductions, verb_entry& entry) {
    thread_context* t = known_thread();
    if (!t || !t->current || t->inside.load(std::memory_order_relaxed)) [[unlikely]]
        return false;
    process& p = *t->current;
    if (p.callbacks) [[unlikely]]  // a guard's: no table verb has us inside
        return false;
    set_inside(*t);
    if (t->revoked.load(inside_order) || !t->role) [[unlikely]] {
        clear_inside(*t);
        return false;
    }
    if (reductions == 0) {
        --t->role->budget;  // no safe point, but work
    } else if (is_due(*t, p, reductions)) [[unlikely]] {
        // Whether it may switch is asked only when there is reason to.
        clear_inside(*t);
        return false;
    }
    entry = {p.id.bits(), &t->inside};
    return true;
}

}  // namespace

verb_entry enter_read() {
    verb_entry entry;
    if (enter_verb_quickly(1, entry)) [[likely]]
        return entry;
    return enter_verb_slowly(1);
}

verb_entry enter_write(const char* verb) {
    verb_entry entry;
    if (enter_verb_quickly(2, entry)) [[likely]]
        return entry;
    return enter_write_slowly(verb, 2);
}

verb_entry enter_quietly(const char* verb) {
    verb_entry entry;
    if (enter_verb_quickly(0, entry)) [[likely]]
        return entry;
    return enter_write_slowly(verb, 0);
}

void leave_nested_or_foreign_verb() noexcept {
    thread_context& t = this_thread();
    if (!t.role) release_reclamation(t);
}

std::uint64_t current_pid_bits() noexcept {
    process* p = this_thread().current;
    return p ? p->id.bits() : 0;
}

int current_runtime_index() noexcept {
    runtime_core* core = runtime_core::current();
    return core ? static_cast<int>(core->index) : -1;
}

// --- Estates ---------------------------------------------------------------------------------------

bool adopt(pid owner, estate_item& item) noexcept {
    process* p = resolve(owner);
    if (!p) return false;
    std::lock_guard lock(p->side_lock);
    if (p->closed.load(std::memory_order_relaxed) || !p->lives_as(owner)) return false;
    p->estate.add(item);
    return true;
}

bool disown(pid owner, estate_item& item) noexcept {
    process* p = resolve(owner);
    if (!p) return false;
    std::lock_guard lock(p->side_lock);
    return !p->closed.load(std::memory_order_relaxed) && p->lives_as(owner) &&
           p->estate.remove(item);
}

// --- Servers ---------------------------------------------------------------------------------------

activity::~activity() = default;

activity* current_activity() noexcept {
    process* p = this_thread().current;
    return p ? p->body : nullptr;
}

spawned_ids spawn_activity(const spawn_options& options, activity* what,
                           const spawn_request& request) {
    inside_scope scope;
    thread_context& t = scope.thread();
    process* p = t.current;
    if (!p || !t.role) {
        delete what;
        if (request.first) request.first->type->destroy(request.first);
        throw not_in_process("spawn");
    }
    const spawned_ids ids = give_birth(t.role->core, {&options, what, request, p, t.role});
    if (may_switch(t, *p)) safe_point_of(scope, *p, 8);
    return ids;
}

bool mailbox_holds_message() {
    inside_scope scope;
    scope.may_move();
    process& p = running_process("hibernate");
    drain(p);
    obey_signals(p);
    return !p.queue.empty();
}

void hibernate_as(std::unique_ptr<activity> next) {
    process& p = running_process("hibernate");
    if (!dynamic_cast<plain_activity*>(p.body))
        throw bad_argument("hibernate",
                           to_string(p.id) +
                               " is a server; it hibernates by itself while it is idle");
    refuse_wait_if_held(p, "hibernate");
    throw hibernation{std::move(next)};
}

message* next_message() {
    inside_scope scope;
    scope.may_move();
    safe_point();
    process& p = *this_thread().current;
    if (p.dropped_calls) settle_dropped_calls(p);
    if (p.urgent.load(std::memory_order_relaxed) || p.queue.empty()) drain(p);
    obey_signals(p);
    message* m = p.pop_queued();
    if (!m) return nullptr;
    if (p.home->seeded) [[unlikely]]
        trace_take(p, *m);
    if (m->type->kind == message_kind::call)
        register_open_call(p, static_cast<call_message*>(m));
    else
        count_out(p, *m);
    return m;
}

void unget_message(message* m) noexcept {
    inside_scope scope;
    process& p = *this_thread().current;
    if (m->type->kind == message_kind::call)
        unregister_open_call(p, static_cast<call_message*>(m));
    else if (m->type->kind == message_kind::user && (m->word & counted_in))
        p.bounded.fetch_add(1, std::memory_order_relaxed);
    p.queue.push_front(m);
    ++p.queued;
}

}  // namespace detail
}  // namespace heirloom
