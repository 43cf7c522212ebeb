// Calls: one question, one answer, waited for alone.
//
//   1  The caller takes a number (ref), which makes every reply with another number a dropped one.
//   2  The request goes to the server like any message, and names caller and ref. If the server waits, the caller's
//      worker goes straight to it, and the caller's park is deferred: until the server's turn is over the caller counts as
//      running, so that an answer given on this worker finds it in `deferred` and needs no locked instruction.
//   3  Taken out by the server, the call is open: in the server's list until answered, so that its end can tell the caller.
//   4  The answer is a message with the ref. It wakes a caller that waits quietly; other messages do not.
//   5  An answer by another process than the server carries a `done` message, which whoever receives or drops the answer
//      sends to the server, so that the list of open calls does not grow.
#include "deterministic/trace.hpp"
#include "platform/check.hpp"
#include "platform/inside.hpp"
#include "process/lifecycle.hpp"
#include "process/mailbox_gate.hpp"
#include "process/signals.hpp"
#include "scheduler/outside.hpp"
#include "scheduler/runtime_core.hpp"

#include <exception>

namespace heirloom::detail {
namespace {

/// Gives the answer to the caller whose park this worker has deferred; false if that is not this caller.
bool answer_deferred(pid caller, std::uint64_t ref, reply_message* answer) noexcept {
    worker* w = this_thread().role;
    if (!w) return false;
    process* p = w->deferred;
    if (!p || p->id != caller || p->awaited != ref || p->reply) return false;
    w->deferred = nullptr;
    p->reply = answer;
    w->hand_off(p);
    return true;
}

void send_answer(pid caller, std::uint64_t ref, reply_message* answer) noexcept {
    answer->word = ref;
    if (!answer->done && answer_deferred(caller, ref, answer)) return;
    message* done = answer->done;
    const pid server = answer->server;
    thread_context& t = this_thread();
    const outside_scope online(t);
    if (!t.role || t.role->seeded) [[unlikely]]
        trace_send(t, caller, *answer);
    process* p = resolve(caller);
    const auto outcome = p ? p->inbox.push(p->generation, caller, answer, true)
                           : push_outcome{push_outcome::refused};
    if (outcome.what == push_outcome::refused) {
        if (done) deliver(server, done);
        answer->done = nullptr;
        answer->type->destroy(answer);
    } else if (outcome.what == push_outcome::claimed) {
        p->pending.append_reversed(outcome.older);
        p->pending.append(answer);
        schedule_claimed(p);
    }
}

/// Waits for p.reply. Null: the deadline passed.
reply_message* wait_for_reply(process& p, time_point until, call_interceptor* interceptor) {
    const std::int64_t deadline = nanoseconds_of(until);
    message** seen = p.queue.begin_link();
    for (;;) {
        const bool was_empty = p.queue.empty();
        const auto trimmed = trims(p);
        drain(p);
        obey_signals(p);
        if (p.reply) break;
        if (interceptor) {
            if (was_empty || trims(p) != trimmed) seen = p.queue.begin_link();
            while (message* m = *seen) {
                if (m->type->kind == message_kind::call) {
                    // Open while it is looked at, so that the interceptor may answer it.
                    p.take_queued(seen);
                    register_open_call(p, static_cast<call_message*>(m));
                    if (interceptor->intercept(m)) continue;
                    unregister_open_call(p, static_cast<call_message*>(m));
                    p.queue.insert(seen, m);
                    ++p.queued;
                } else if (interceptor->intercept(m)) {
                    HEIRLOOM_CHECK(false, "await_reply: an interceptor may consume calls only");
                }
                seen = &(*seen)->next;
            }
            if (p.reply) break;  // the interceptor may have reached a safe point
        }
        if (deadline != timer_queue::never && runtime_core::current()->clock() >= deadline) break;
        refuse_wait(p, "call");
        wait_once(p, interceptor == nullptr, deadline);
    }
    return std::exchange(p.reply, nullptr);
}

struct call_in_progress {
    process& p;
    ~call_in_progress() { end_call(); }
};

}  // namespace

std::uint64_t begin_call() {
    inside_scope inside;
    process& p = running_process("call");
    if (p.reply) drop_reply(std::exchange(p.reply, nullptr));
    return p.awaited = ++p.next_ref;
}

void end_call() noexcept {
    inside_scope inside;
    process& p = *this_thread().current;
    p.awaited = 0;
    p.waiting_for = pid();
    if (p.reply) drop_reply(std::exchange(p.reply, nullptr));
}

reply_message* await_reply(std::uint64_t ref, time_point deadline, call_interceptor* interceptor) {
    inside_scope inside;
    inside.may_move();
    process& p = running_process("call");
    HEIRLOOM_CHECK(p.awaited == ref, "await_reply: not the call in progress");
    call_in_progress scope{p};
    return wait_for_reply(p, deadline, interceptor);
}

reply_message* poll_reply(std::uint64_t ref) {
    inside_scope inside;
    inside.may_move();
    process& p = running_process("call");
    if (p.awaited != ref) return nullptr;
    drain(p);
    obey_signals(p);
    return std::exchange(p.reply, nullptr);
}

reply_message* call_and_wait(pid server, call_message* request, duration limit) {
    message_ptr owner(request);
    inside_scope inside;
    inside.may_move();
    thread_context* t = &inside.thread();
    process* p = t->current;
    if (!p) throw not_in_process("call");
    if (limit < duration::zero())
        throw bad_argument("call",
                           "a time of " + std::to_string(limit.count()) + " ns is negative");
    if (p->shields | p->callbacks | p->in_exit | p->dying) {
        obey_signals(*p);
        refuse_wait(*p, "call");
    }
    if (t->pool_thread) refuse_wait(*p, "call");
    if (p->urgent.load(std::memory_order_relaxed)) {
        take_signals(*p);
        t = &this_thread();  // a suspended process may have come back elsewhere
    }
    request->word = p->id.bits();
    request->ref = begin_call();
    request->server = p->waiting_for = server;
    const bool to_itself = server == p->id;  // would wait for ever: told at once, as in OTP
    process* s = to_itself ? nullptr : resolve(server);
    call_in_progress scope{*p};
    if (t->role->seeded) [[unlikely]]
        trace_send(*t, server, *request);
    const auto outcome = s ? s->inbox.push(s->generation, server, request, false)
                           : push_outcome{push_outcome::refused};
    if (outcome.what == push_outcome::refused) {
        request->word = p->id.bits();
        auto* bad = new_message<failed_reply>(reply_type<exit_reason>,
                                              to_itself ? exit_reason("calling_self"_a)
                                                        : reason::no_process);
        bad->failed = true;
        bad->block_bytes = sizeof(failed_reply);
        bad->server = server;
        return bad;
    }
    owner.release();
    worker* w = t->role;
    if (outcome.what == push_outcome::claimed) {
        s->pending.append_reversed(outcome.older);
        s->pending.append(request);
        if (&w->core == runtime_core::find(server.runtime_index()) && !w->core.is_deterministic() &&
            !w->deferred && limit > duration::zero() && --w->budget > 0) {
            // Straight to the server and back.
            timer_node timer;
            timer.kind = timer_kind::wake;
            timer.target = p->id;
            p->wait_timer = limit == forever ? nullptr : &timer;
            p->waits_quietly = true;
            w->deferred_limit = limit == forever ? timer_queue::never : limit.count();
            stack* mine = w->running;
            p->own_stack = mine;
            stack* target;
            if (s->own_stack) {
                resume_process(*t, s);
                target = s->own_stack;
            } else {
                set_current(*t, nullptr);
                w->direct = s;
                target = w->take_spare();
            }
            announce_quiescent(*w->quiescence);
            w->deferred = p;
            const departure d = switch_context({t, mine, target, p, farewell::nothing}, &base_loop);
            d.thread->role->arrive(d);
            p->wait_timer = nullptr;
            if (timer.queue) timer.queue->cancel(timer);
            if (p->urgent.load(std::memory_order_relaxed)) take_signals(*p);
            if (p->reply) return std::exchange(p->reply, nullptr);
            drain(*p);
            obey_signals(*p);
            if (p->reply) return std::exchange(p->reply, nullptr);
            // Woken for another reason, or the limit has passed.
            if (timer.state == timer_state::out && timer.queue &&
                runtime_core::current()->clock() >= timer.when)
                return nullptr;
            return wait_for_reply(*p,
                                  limit == forever || !timer.queue
                                      ? deadline_after(limit, "call")
                                      : time_point(duration(timer.when)),
                                  nullptr);
        }
        schedule_claimed(s);
    }
    return wait_for_reply(*p, deadline_after(limit, "call"), nullptr);
}

// --- The server's side ------------------------------------------------------------------------------

void answer_call(call_message* request, reply_message* answer) noexcept {
    inside_scope inside;
    process& p = *this_thread().current;
    unregister_open_call(p, request);
    const pid caller = pid::from_bits(request->word);
    const std::uint64_t ref = request->ref;
    request->type->destroy(request);
    send_answer(caller, ref, answer);
}

void fail_call(call_message* request, exit_reason why) noexcept {
    inside_scope inside;
    unregister_open_call(*this_thread().current, request);
    bounce_call(request, why);
}

pid client_of_open_call(const message_type* type) noexcept {
    const call_message* latest = this_thread().current->open_calls;
    return latest != nullptr && latest->type == type ? pid::from_bits(latest->word) : pid();
}

void settle_dropped_calls(process& p) noexcept {
    p.dropped_calls = false;
    for (call_message* m = p.open_calls; m;) {
        call_message* next = m->next_open;
        if (!m->server) {
            unregister_open_call(p, m);
            m->server = p.id;
            bounce_call(m, reason::no_reply);
        }
        m = next;
    }
}

open_call::open_call(call_message* m)
    : server_(m->server), caller_(pid::from_bits(m->word)), ref_(m->ref) {
    auto* done = new_message<call_done_message>(call_done_type);
    done->open = m;
    done_ = done;
    try {
        bad_news_ = new_message<failed_reply>(reply_type<exit_reason>, reason::no_reply);
    } catch (...) {
        done->type->destroy(done);
        throw;
    }
    bad_news_->failed = true;
    request_ = m;
}

open_call::open_call(open_call&& other) noexcept
    : request_(std::exchange(other.request_, nullptr)),
      bad_news_(std::exchange(other.bad_news_, nullptr)),
      done_(std::exchange(other.done_, nullptr)),
      server_(other.server_),
      caller_(other.caller_),
      ref_(other.ref_) {}

open_call& open_call::operator=(open_call&& other) noexcept {
    if (this != &other) {
        open_call dropped(std::move(*this));
        request_ = std::exchange(other.request_, nullptr);
        bad_news_ = std::exchange(other.bad_news_, nullptr);
        done_ = std::exchange(other.done_, nullptr);
        server_ = other.server_;
        caller_ = other.caller_;
        ref_ = other.ref_;
    }
    return *this;
}

void open_call::settle(reply_message* with) noexcept {
    inside_scope inside;
    thread_context& t = this_thread();
    if (t.current && t.current->id == server_) {
        // The server itself: no need to be told.
        unregister_open_call(*t.current, request_);
        request_->type->destroy(request_);
        done_->type->destroy(done_);
    } else {
        with->done = done_;
        with->server = server_;
    }
    if (with != bad_news_) bad_news_->type->destroy(bad_news_);
    request_ = nullptr;
    bad_news_ = nullptr;
    done_ = nullptr;
    send_answer(caller_, ref_, with);
}

void open_call::answer(reply_message* answer) noexcept {
    HEIRLOOM_CHECK(request_, "open_call: answered twice");
    settle(answer);
}

void open_call::fail(exit_reason why) noexcept {
    HEIRLOOM_CHECK(request_, "open_call: answered twice");
    bad_news_->payload = std::move(why);
    settle(bad_news_);
}

open_call::~open_call() {
    if (!request_) return;
    thread_context& t = this_thread();
    process* p = t.current;
    if (p && p->id == server_ && (p->in_exit || p->dying || t.exceptions->uncaught > 0)) {
        // The server is on its way out, it seems: its end will tell the caller why. If it survives, next_message does.
        if (!p->in_exit) {
            request_->server = pid();
            p->dropped_calls = true;
        }
        bad_news_->type->destroy(bad_news_);
        done_->type->destroy(done_);
        return;
    }
    fail(reason::no_reply);
}

}  // namespace heirloom::detail
