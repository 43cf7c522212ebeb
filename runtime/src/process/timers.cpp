// Timers seen by processes: send_after and its kin, the one timer of a server, and what their end does to them.
#include "deterministic/trace.hpp"
#include "heirloom/timer.hpp"
#include "platform/check.hpp"
#include "platform/inside.hpp"
#include "process/lifecycle.hpp"
#include "process/signals.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom {
namespace detail {
namespace {

void destroy_timeout(message* m) noexcept { destroy_message<server_timeout_message>(m); }
constexpr message_type timeout_type{message_kind::timeout, &destroy_timeout, "timeout", nullptr};

timer_node* new_node() { return ::new (allocate_block(sizeof(timer_node))) timer_node; }
void delete_node(timer_node* node) noexcept {
    if (node->body) node->body->type->destroy(node->body);
    node->~timer_node();
    free_block(node, sizeof(timer_node));
}

enum class arming : std::uint8_t { done, is_earliest, target_ended };

/// Arms a timer, and puts it into its target's list if it has one. Both under one lock: a target that ends finds it armed, and
/// cancels it, or has closed its list before. Throws std::bad_alloc with nothing changed.
arming arm(timer_queue& queue, timer_node* node, std::int64_t when) {
    const auto armed = [&] { return queue.arm(*node, when) ? arming::is_earliest : arming::done; };
    if (node->kind != timer_kind::message_to_pid) return armed();
    process* p = resolve(node->target);
    if (!p) return arming::target_ended;
    std::lock_guard lock(p->side_lock);
    if (p->closed.load(std::memory_order_relaxed) || !p->lives_as(node->target))
        return arming::target_ended;
    const arming how = armed();
    // Expired or cancelled by now, it is not gone: who disposes of it takes it off the list first.
    node->prev = nullptr;
    node->next = p->timers;
    if (p->timers) p->timers->prev = node;
    p->timers = node;
    node->listed = true;
    return how;
}

void unlist_locked(process& p, timer_node* node) noexcept {
    if (!node->listed) return;
    if (node->prev)
        node->prev->next = node->next;
    else
        p.timers = node->next;
    if (node->next) node->next->prev = node->prev;
    node->listed = false;
}

void unlist(timer_node* node) noexcept {
    if (process* p = resolve(node->target)) {
        std::lock_guard lock(p->side_lock);
        unlist_locked(*p, node);
    }
}

worker& timer_home(const char* function) {
    thread_context& t = this_thread();
    if (t.role) return *t.role;
    runtime_core* core = runtime_core::current();
    if (!core) throw not_in_process(function);
    return *core->workers.front();
}

timer_queue* queue_of(const timer_ref& ref) noexcept {
    runtime_core* core = runtime_core::current();
    return core && ref && ref.worker < core->workers.size() ? &core->workers[ref.worker]->timers
                                                            : nullptr;
}

timer_ref start(timer_ref ref, time_point when, timer_node* node) {
    inside_scope inside;
    timer_queue* queue = queue_of(ref);
    node->ref = ref;
    queue->attach(ref, node);
    arming how;
    try {
        how = arm(*queue, node, nanoseconds_of(when));
    } catch (...) {
        queue->release(ref);
        delete_node(node);
        throw;
    }
    if (how == arming::target_ended) {
        queue->release(ref);
        delete_node(node);
        return ref;
    }
    // A sleeping worker must not sleep past it.
    thread_context& t = this_thread();
    if (how == arming::is_earliest && (!t.role || &t.role->timers != queue))
        runtime_core::current()->workers[ref.worker]->spot.unpark();
    return ref;
}

timer_node* make(message* m, const char* function) {
    message_ptr owner(m);
    if (!runtime_core::current()) throw not_in_process(function);
    timer_node* node = new_node();
    node->body = owner.release();
    return node;
}

}  // namespace

timer_ref reserve_timer_ref() {
    inside_scope inside;
    worker& w = timer_home("start_timer");
    return w.timers.reserve(w.index);
}

timer_ref start_reserved_timer(timer_ref ref, time_point when, pid to, message* m,
                               const char* function) {
    timer_node* node = make(m, function);
    node->kind = timer_kind::message_to_pid;
    node->target = to;
    return start(ref, when, node);
}
timer_ref start_reserved_timer(timer_ref ref, time_point when, atom to, message* m,
                               const char* function) {
    timer_node* node = make(m, function);
    node->kind = timer_kind::message_to_name;
    node->name = to;
    return start(ref, when, node);
}
timer_ref start_timer(time_point when, pid to, message* m, const char* function) {
    message_ptr owner(m);
    const timer_ref ref = reserve_timer_ref();
    return start_reserved_timer(ref, when, to, owner.release(), function);
}
timer_ref start_timer(time_point when, atom to, message* m, const char* function) {
    message_ptr owner(m);
    const timer_ref ref = reserve_timer_ref();
    return start_reserved_timer(ref, when, to, owner.release(), function);
}

void fire_timer(worker& w, const expired_timer& e) noexcept {
    timer_node* node = e.node;
    if (w.seeded)
        trace_timer(w.core, e.kind, e.target, e.kind == timer_kind::wake ? nullptr : node->body);
    switch (e.kind) {
    case timer_kind::wake:
        return wake_process(e.target);
    case timer_kind::server: {
        // The node is part of the message, which is the process's from here on.
        deliver(e.target, node->body);
        return;
    }
    case timer_kind::message_to_pid: {
        unlist(node);
        w.timers.release(node->ref);
        message* m = std::exchange(node->body, nullptr);
        const pid target = node->target;
        delete_node(node);
        deliver(target, m);
        return;
    }
    case timer_kind::message_to_name: {
        w.timers.release(node->ref);
        const pid target = w.core.names.find(node->name);
        message* m = std::exchange(node->body, nullptr);
        delete_node(node);
        deliver(target, m);
        return;
    }
    }
}

void drop_timers(worker& w) noexcept {
    expired_timer left[64];
    while (const std::size_t n = w.timers.expire(timer_queue::never, left, 64))
        for (std::size_t i = 0; i < n; ++i)
            if (left[i].kind == timer_kind::message_to_name) delete_node(left[i].node);
}

void cancel_timers_of(process& p) noexcept {
    timer_node* mine = nullptr;
    {
        std::lock_guard lock(p.side_lock);
        for (timer_node* node = p.timers; node;) {
            timer_node* following = node->next;
            // Not armed: its expiry or a cancel has it, and will take it off this list.
            if (node->queue && node->queue->cancel(*node)) {
                unlist_locked(p, node);
                node->next = mine;
                mine = node;
            }
            node = following;
        }
    }
    while (mine) {
        timer_node* next = mine->next;
        mine->queue->release(mine->ref);
        delete_node(mine);
        mine = next;
    }
}

// --- The timer of a server --------------------------------------------------------------------------
// Node and message are one block. Armed, it is the process's to cancel; expired, it is a message on its way, and stale if
// the process has disarmed or armed again meanwhile.

void set_server_timer(time_point deadline, std::uint64_t tag) {
    inside_scope inside;
    process& p = running_process("set_server_timer");
    disarm_server_timer(p);
    if (deadline == time_point::max()) return;
    auto* m = new_message<server_timeout_message>(timeout_type);
    m->word = tag;
    m->node.body = m;
    m->node.kind = timer_kind::server;
    m->node.target = p.id;
    try {
        p.more().server_timer = m;
        this_thread().role->timers.arm(m->node, nanoseconds_of(deadline));
    } catch (...) {
        if (p.extras) p.extras->server_timer = nullptr;
        m->type->destroy(m);
        throw;
    }
}

void disarm_server_timer(process& p) noexcept {
    if (!p.extras || !p.extras->server_timer) return;
    server_timeout_message* m = std::exchange(p.extras->server_timer, nullptr);
    if (m->node.queue->cancel(m->node)) m->type->destroy(m);
}

bool consume_server_timeout(process& p, server_timeout_message* m) noexcept {
    if (!p.extras || p.extras->server_timer != m) return false;
    p.extras->server_timer = nullptr;
    return true;
}

}  // namespace detail

std::optional<duration> cancel(const timer_ref& ref) noexcept {
    detail::inside_scope inside;
    using namespace detail;
    timer_queue* queue = queue_of(ref);
    timer_node* node = queue ? queue->cancel(ref) : nullptr;
    if (!node) return {};
    if (node->kind == timer_kind::message_to_pid) unlist(node);
    const std::int64_t left = node->when - runtime_core::current()->clock();
    delete_node(node);
    return duration(left > 0 ? left : 0);
}

std::optional<duration> read_timer(const timer_ref& ref) noexcept {
    detail::inside_scope inside;
    using namespace detail;
    timer_queue* queue = queue_of(ref);
    const auto when = queue ? queue->deadline(ref) : std::nullopt;
    if (!when) return {};
    const std::int64_t left = *when - runtime_core::current()->clock();
    return duration(left > 0 ? left : 0);
}

}  // namespace heirloom
