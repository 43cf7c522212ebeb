// Signals that are answered: process_info, suspend and resume.
#include "heirloom/process.hpp"
#include "platform/inside.hpp"
#include "process/lifecycle.hpp"
#include "process/signals.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom {

using namespace detail;

namespace detail {
namespace {

struct nothing {};
constexpr message_type signal_call_type(message_kind kind, const type_label& name) {
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

}  // namespace heirloom
