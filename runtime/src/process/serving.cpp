// What a server asks of the process that runs it.
#include "deterministic/trace.hpp"
#include "heirloom/process.hpp"
#include "platform/inside.hpp"
#include "process/crash.hpp"
#include "process/lifecycle.hpp"
#include "process/mailbox_gate.hpp"
#include "process/safe_point.hpp"
#include "process/signals.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom::detail {

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
                               " was not started by spawn: a server hibernates by itself while it "
                               "is idle, and somebody outside waits for a runtime's run or invoke");
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
    if (p.here().seeded) [[unlikely]]
        trace_take(p, *m);
    if (m->type->kind == message_kind::call)
        register_open_call(p, static_cast<call_message*>(m));
    else
        count_out(p, *m);
    return m;
}

}  // namespace heirloom::detail
