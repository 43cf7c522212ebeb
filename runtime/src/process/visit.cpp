// A visit (R17): whoever calls an idle server whose handlers never wait runs the handler itself, on its own stack, as that
// server: self() is the server's, and so is what an exception ends. No message, no switch: two locked instructions.
//
//   1  The visitor claims the server as a sender would, but with nothing to hand over. If the server does not wait, or something
//      is queued for it, there is no visit: the question goes the usual way, behind what came first.
//   2  The server is the thread's current process. It is shielded, so that it neither waits nor switches nor is killed half-way: the
//      stack stays the visitor's. The visitor is nested below it and owned by this thread; what comes for it waits in its mailbox.
//   3  The server is parked again, or put on the run queue if it has something to do: messages, a signal, its own wishes.
//   4  Work that threw has told the server to end. The visitor's call is queued with it before it can run, so that its end, in the
//      order of any end, says why.
#include "platform/inside.hpp"
#include "process/lifecycle.hpp"
#include "process/signals.hpp"
#include "process/throw_stack.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom::detail {
namespace {

constexpr std::int32_t visit_reductions = 2;

struct obituary {};
constexpr message_type obituary_type{message_kind::call,
                                     &destroy_message<typed_call<obituary>>,
                                     "visit",
                                     nullptr,
                                     &gut_message<typed_call<obituary>>,
                                     sizeof(typed_call<obituary>)};

/// The server, current on this thread and shielded; null if it is not to be visited now.
process* enter(pid server, const void* kind) noexcept {
    inside_scope inside;
    thread_context& t = inside.thread();
    process* p = t.current;
    if (!p || !t.role || t.pool_thread || t.role->seeded || p->is_held() ||
        t.exceptions->uncaught != 0 || p->urgent.load(std::memory_order_relaxed))
        return nullptr;
    if ((t.role->budget -= visit_reductions) <= 0) return nullptr;
    process* s = resolve(server);
    message* older = nullptr;
    if (!s || server.runtime_index() != p->id.runtime_index() ||
        !s->inbox.claim(s->generation, server, older))
        return nullptr;
    if (older || s->own_stack || s->has_news() || !s->queue.empty() || s->suspended ||
        s->body->visited_as() != kind) {
        s->pending.append_reversed(older);
        schedule_claimed(s);
        return nullptr;
    }
    ++s->shields;
    resume_process(t, s);
    return s;
}

void leave(process& s, process& visitor, bool more_to_do) noexcept {
    thread_context& t = this_thread();
    --s.shields;
    s.own_stack = nullptr;  // lent to it if the watchdog took this thread's role meanwhile
    resume_process(t, &visitor);
    if (more_to_do || s.dying || s.has_news() || !s.queue.empty()) return t.role->enqueue(&s);
    s.status.store(static_cast<std::uint8_t>(process_status::waiting), std::memory_order_relaxed);
    if (!s.inbox.park(false)) t.role->enqueue(&s);
}

}  // namespace

visit_end visit_server(pid server, const void* kind, bool (*work)(activity&, void*),
                       void* argument) {
    process* const visitor = this_thread().current;
    process* const s = enter(server, kind);
    if (!s) return {};
    bool more_to_do = true;
    bool failed = false;
    try {
        more_to_do = work(*s->body, argument);
    } catch (thrown_stack_probe&) {
        // Never entered; see run_body.
    } catch (...) {
        failed = true;
        s->body->end_for(reason_of_exception(*s));
    }
    inside_scope inside;
    inside.may_move();
    if (!failed) {
        leave(*s, *visitor, more_to_do);
        return {.visited = true};
    }
    resume_process(this_thread(), visitor);
    message_ptr owner;
    try {
        owner.reset(new_message<typed_call<obituary>>(obituary_type));
    } catch (...) {
        leave(*s, *visitor, true);  // it ends all the same, and its visitor is not told why
        throw;
    }
    auto* question = static_cast<call_message*>(owner.release());
    question->word = visitor->id.bits();
    question->server = visitor->waiting_for = s->id;
    const std::uint64_t ref = question->ref = begin_call();
    s->pending.append(question);
    leave(*s, *visitor, true);
    return {.visited = true, .failed = await_reply(ref, time_point::max())};
}

}  // namespace heirloom::detail
