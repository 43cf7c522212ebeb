// Who runs, how it ends itself and others, and what holds an end back.
#include "heirloom/process.hpp"
#include "platform/inside.hpp"
#include "process/lifecycle.hpp"
#include "process/relations.hpp"
#include "process/signals.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom {

using namespace detail;

pid self() { return running_process("self").id; }
bool in_process() noexcept { return this_thread().current != nullptr; }
pid parent() { return running_process("parent").parent.load(std::memory_order_relaxed); }

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

shield::shield() noexcept {
    if (process* p = this_thread().current) ++p->shields;
}
shield::~shield() {
    if (process* p = this_thread().current) --p->shields;
}

}  // namespace heirloom
