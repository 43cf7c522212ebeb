#include "heirloom/detail/server_core.hpp"

#include "heirloom/detail/faults.hpp"
#include "heirloom/errors.hpp"
#include "heirloom/gen_server.hpp"
#include "heirloom/log.hpp"
#include "heirloom/names.hpp"
#include "heirloom/receive.hpp"
#include "sys_state.hpp"

#include <cstdlib>
#include <exception>
#include <new>
#include <ostream>
#include <sstream>
#include <typeinfo>

#include <cxxabi.h>

namespace heirloom::detail {

namespace {
std::string demangled(const std::type_info& type) {
    int status = 0;
    char* text = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
    std::string name = status == 0 ? text : type.name();
    std::free(text);
    return name;
}
}  // namespace

void print_request(std::ostream& out, const message* m) { out << m->type->name; }

// --- The loop ---------------------------------------------------------------------------------------------

server_core::~server_core() = default;

server_extras& server_core::extras() {
    if (extras_ == nullptr) extras_ = std::make_unique<server_extras>();
    return *extras_;
}

void server_core::drop_extras() noexcept {
    if (extras_->sys == nullptr && !extras_->name && (attention_ & (idle_asked | idle_armed)) == 0)
        extras_.reset();
}

disposition server_core::run() {
    for (;;) {
        if (attention_ != 0 && attend()) return disposition::finished;
        message* m = next();
        if (m == nullptr) {
            if ((attention_ & idle_asked) == 0 || arm_idle()) return disposition::idle;
            idle_timeout_passed();  // a limit of 0, and nothing is queued
            continue;
        }
        handle(m);
    }
}

// What a callback asked for. Returns whether the server ends.
bool server_core::attend() {
    if ((attention_ & dropped_asked) != 0) {
        attention_ &= static_cast<std::uint8_t>(~dropped_asked);
        for (const alias_ref& asker : std::exchange(sys().dropped, {}))
            send_response_failed(asker, reason::no_reply);
    }
    if ((attention_ & stop_asked) == 0 && (attention_ & continue_asked) != 0) {
        // A continuation may ask for another one, which runs after those that wait already.
        while (extras_->work != nullptr && (attention_ & stop_asked) == 0) {
            auto now = std::move(extras_->work);
            extras_->work = std::move(now->next);
            (*now)();
            continued();
        }
        if (extras_->work == nullptr) {
            attention_ &= static_cast<std::uint8_t>(~continue_asked);
            drop_extras();
        }
    }
    if ((attention_ & stop_asked) == 0) return false;
    before_stop(why_);
    return true;
}

message* server_core::next() {
    if ((attention_ & (suspend_asked | replay_asked)) == replay_asked) [[unlikely]] {
        if (message* m = replayed()) return m;
        if (message* m = has_sys() ? sys().set_aside.pop() : nullptr) return m;
        attention_ &= static_cast<std::uint8_t>(~replay_asked);
    }
    return next_message();
}

void server_core::handle(message* m) {
    const request_type* request = as_request(m);
    if (attention_ != 0) [[unlikely]] {
        if (m->type->kind == message_kind::timeout) return on_timeout(m);
        const bool system = request != nullptr && request->system;
        if (suspended() && !system) {
            // The parent's exit ends a suspended server all the same.
            const bool from_parent =
                m->type == &user_type<exit_signal> && parent_ &&
                static_cast<typed_message<exit_signal>*>(m)->payload.from == parent_;
            if (!from_parent) return sys().set_aside.push(m);
        }
        if (!system && (attention_ & (idle_asked | idle_armed)) != 0) {
            if ((attention_ & idle_armed) != 0) set_server_timer(time_point::max(), 0);
            attention_ &= static_cast<std::uint8_t>(~(idle_asked | idle_armed));
        }
        if ((attention_ & observe_asked) != 0 && !system) return handle_observed(m);
    }
    if (request != nullptr) [[likely]] {
        if (request->server == identity_ || request->server == nullptr) [[likely]] {
            if (!request->system) last_ = request;
            return request->handle(*this, m);
        }
        return wrong_server(m, *request);
    }
    handle_info(m);
}

void server_core::handle_info(message* m) {
    last_ = m->type;
    if (m->type->kind == message_kind::timeout) return on_timeout(m);
    if (m->type == &user_type<exit_signal>) {
        const auto& signal = static_cast<typed_message<exit_signal>*>(m)->payload;
        // A server that nobody is linked to has no parent; a runtime that shuts down tells it in its spawner's name.
        if (parent_ ? signal.from == parent_
                    : signal.from == heirloom::parent() && signal.reason.is("shutdown"_a)) {
            message_ptr owner(m);
            return stop_after_callback(signal.reason);
        }
    }
    if (m->type->kind == message_kind::call)
        return fail_call(static_cast<call_message*>(m), "not_a_request"_a);
    info(m);
}

void server_core::handle_observed(message* m) {
    const std::string_view name = m->type->name.text();
    const pid client = m->type->kind == message_kind::call ? pid::from_bits(m->word) : pid();
    sys().event(sys_event_kind::in, name, client);
    const bool call = m->type->kind == message_kind::call;
    const request_type* request = as_request(m);
    if (request != nullptr && (request->server == identity_ || request->server == nullptr)) {
        last_ = request;
        request->handle(*this, m);
    } else if (request != nullptr) {
        wrong_server(m, *request);
    } else {
        handle_info(m);
    }
    if (has_sys())
        sys().event(call ? sys_event_kind::handled_call : sys_event_kind::handled, name, client);
}

void server_core::on_timeout(message* m) {
    const bool current = (attention_ & idle_armed) != 0 && m->word == idle_tag_;
    m->type->destroy(m);
    if (!current) return;
    attention_ &= static_cast<std::uint8_t>(~idle_armed);
    if (suspended()) {  // it passed; asked for again when resumed
        attention_ |= idle_asked;
        return;
    }
    last_ = &user_type<heirloom::idle_timeout>;
    idle_timeout_passed();
}

// Returns whether the server may rest; not for a limit of 0, which has passed already.
bool server_core::arm_idle() {
    if (suspended()) return true;
    attention_ &= static_cast<std::uint8_t>(~idle_asked);
    const duration limit = extras_->idle_limit;
    if (limit <= duration::zero()) return false;
    attention_ |= idle_armed;
    set_server_timer(deadline_after(limit, "set_idle_timeout"), ++idle_tag_);
    return true;
}

// --- What goes wrong --------------------------------------------------------------------------------------

void server_core::wrong_server(message* m, const request_type& type) noexcept {
    // Somebody vouched for a pid that runs something else.
    log({.level = log_level::warning,
         .event = "wrong_server",
         .about = heirloom::self(),
         .text = "a " + std::string(identity_->name) + " got a " + std::string(type.name) +
                 " meant for a " + std::string(type.server->name)});
    if (type.kind == message_kind::call)
        fail_call(static_cast<call_message*>(m), "wrong_server"_a);
    else
        m->type->destroy(m);
}

void server_core::unexpected(message* m) noexcept {
    message_ptr owner(m);
    log({.level = log_level::warning,
         .event = "unexpected_message",
         .about = heirloom::self(),
         .text = std::string(identity_->name) + " " + to_string(heirloom::self()) + " got a " +
                 std::string(m->type->name) + " that it has no handle_info for"});
}

exit_reason server_core::on_exit(const exit_reason& given) {
    // The loop ends with `finished` when a callback asked to stop; the reason is in why_ then.
    gone_ = true;
    const exit_reason why =
        (attention_ & stop_asked) != 0 && given == reason::normal ? why_ : given;
    // Before terminate, which may spoil it.
    const std::string state = why.is_orderly() ? std::string() : describe();
    if (made_ && !refused_) {
        if (fault_strikes(fault::crash_terminate)) throw injected_fault("crash_terminate");
        terminate(why);
    }
    if (!why.is_orderly()) {
        const message_type* last = starting_ ? nullptr : last_;
        const pid client = last != nullptr ? client_of_open_call(last) : pid();
        log_event event{.level = log_level::error,
                        .event = "server_terminated",
                        .about = heirloom::self(),
                        .text = "server " + std::string(identity_->name) + " " +
                                to_string(heirloom::self()) + " ends: " + to_string(why) +
                                "; last message: " +
                                (last != nullptr ? std::string(last->name) : std::string("none"))};
        if (client) event.text += " from " + to_string(client);
        if (!state.empty()) event.text += "; state: " + state;
        event.stack = why.stack();
        log(std::move(event));
    }
    return why;
}

exit_reason caught_reason() {
    try {
        throw;
    } catch (const kill_unwind&) {
        throw;
    } catch (const exit_unwind& e) {
        return e.why;
    } catch (const call_failed& e) {
        return e.reason();
    } catch (const std::exception& e) {
        return exit_reason::crash(demangled(typeid(e)), e.what());
    } catch (...) {
        return exit_reason::crash(demangled(*abi::__cxa_current_exception_type()), "");
    }
}

// --- Verbs ------------------------------------------------------------------------------------------------

server_core& running_server(const char* function) {
    if (!in_process()) throw not_in_process(function);
    if (auto* core = dynamic_cast<server_core*>(current_activity())) return *core;
    throw bad_argument(function, "the running process is no server");
}

void server_core::stop_after_callback(exit_reason why) noexcept {
    if (stopping()) return;
    why_ = std::move(why);
    attention_ |= stop_asked;
}

void server_core::continue_after_callback(std::unique_ptr<continuation> work) {
    auto* last = &extras().work;
    while (*last != nullptr) last = &(*last)->next;
    *last = std::move(work);
    attention_ |= continue_asked;
}

void server_core::set_idle_timeout(duration limit) {
    if (limit < duration::zero()) throw bad_argument("set_idle_timeout", "a negative limit");
    if (limit == forever) {
        attention_ &= static_cast<std::uint8_t>(~idle_asked);
    } else {
        extras().idle_limit = limit;
        attention_ |= idle_asked;
    }
}

// --- Starting, in the new process ---------------------------------------------------------------------------

bool server_core::enter(call_message* start, const start_common& common) {
    parent_ = common.parent;
    starting_ = true;
    common_ = &common;
    const atom name = common.name.name;
    const auto& keeper = common.name.keeper;
    const pid me = heirloom::self();
    pid holder = me;
    if (name && !try_register_name(name, me)) holder = whereis(name);
    if (holder == me && keeper != nullptr) {
        holder = keeper->take(me);
        if (holder == me) extras().name.emplace(keeper, me);
    }
    if (holder == me) {
        if (fault_strikes(fault::crash_init)) throw injected_fault("crash_init");
        return true;
    }
    if (name && keeper != nullptr) unregister_name(name);
    answer_call(start, new_reply<start_ack>(start_ack{start_word::already_started, holder}));
    stop_after_callback(reason::normal);
    return false;
}

void server_core::entered(call_message* start) {
    starting_ = false;
    last_ = nullptr;
    // A constructor that asked to stop: the start stays open, so the starter hears the reason when the process has
    // ended and its name is free.
    if (!stopping()) answer_call(start, new_reply<start_ack>(start_ack{start_word::started, {}}));
}

void server_core::ignored(call_message* start, const start_name& name) {
    starting_ = false;
    last_ = nullptr;
    // Free before the starter goes on.
    if (name.name) unregister_name(name.name);
    if (extras_ != nullptr) extras_->name.reset();
    answer_call(start, new_reply<start_ack>(start_ack{start_word::ignored, {}}));
    stop_after_callback(reason::normal);
}

// --- Starting, in the starter -------------------------------------------------------------------------------

start_end start_core(server_core* core, call_message* first, const start_how& how) {
    using kind = start_end::kind;
    const std::uint64_t ref = begin_call();
    first->word = self().bits();
    first->ref = ref;
    spawned_ids ids;
    try {
        ids = spawn_activity(how.spawn != nullptr ? *how.spawn : spawn_options{}, core,
                             {.link = how.link,
                              .monitor = how.monitor,
                              .first = first,
                              .system = false,
                              .entry = &core->identity().name});
    } catch (const limit_reached&) {
        end_call();
        return {kind::failed, {}, {}, reason::system_limit};
    } catch (const std::bad_alloc&) {
        end_call();
        return {kind::failed, {}, {}, reason::system_limit};
    }
    if (how.watch != nullptr) how.watch->child = ids.process;
    const time_point deadline =
        how.limit == forever ? time_point::max() : deadline_after(how.limit, "start");
    message_ptr owner(await_reply(ref, deadline, how.watch));
    auto give_up = [&] {
        if (how.monitor) demonitor(ids.monitor, flush);
    };
    if (owner == nullptr) {
        if (how.link) unlink(ids.process);
        const monitor_ref gone = how.monitor ? ids.monitor : monitor(ids.process);
        exit(ids.process, reason::kill);
        receive(when(gone, [](const down&) {}));
        return {kind::timed_out, ids.process, {}, reason::timeout};
    }
    auto* reply = static_cast<reply_message*>(owner.get());
    if (reply->failed) {
        give_up();
        return {
            kind::failed, ids.process, {}, std::move(static_cast<failed_reply*>(reply)->payload)};
    }
    auto& ack = static_cast<typed_reply<start_ack>*>(reply)->payload;
    switch (ack.word) {
    case start_word::started:
        return {kind::started, ids.process, ids.monitor, {}};
    case start_word::ignored:
    case start_word::already_started: {
        // It ends at once; whoever asked for a monitor finds it gone.
        if (how.monitor) receive(when(ids.monitor, [](const down&) {}));
        if (ack.word == start_word::ignored) return {kind::ignored, ids.process, {}, "ignore"_a};
        // OTP: {already_started, Pid}.
        return {
            kind::already_started,
            ack.holder,
            {},
            exit_reason("already_started"_a, exit_reason::of(ack.holder, to_string(ack.holder)))};
    }
    }
    return {kind::failed, ids.process, {}, reason::abandoned};
}

start_error to_start_error(start_end end) {
    using kind = start_end::kind;
    start_error e;
    e.reason = std::move(end.reason);
    e.process = end.process;
    switch (end.how) {
    case kind::ignored:
        e.kind = start_failure::ignored;
        break;
    case kind::already_started:
        e.kind = start_failure::already_started;
        break;
    case kind::timed_out:
        e.kind = start_failure::timed_out;
        break;
    case kind::started:
    case kind::failed:
        e.kind = start_failure::failed;
        break;
    }
    return e;
}

// --- Calls --------------------------------------------------------------------------------------------------

reply_message* ask(pid server, call_message* request, duration limit, const char* function) {
    if (limit < duration::zero()) {
        request->type->destroy(request);
        throw bad_argument(function, "a negative limit");
    }
    reply_message* got = call_and_wait(server, request, limit);
    if (got == nullptr || !got->failed) [[likely]]
        return got;
    // A loop around a call that fails at once still lets others run.
    message_ptr owner(got);
    safe_point(100);
    owner.release();
    return got;
}

void raise_call_failed(exit_reason why, const callee& server, std::string_view request) {
    throw call_failed(std::move(why), server.process, std::string(request), server.name.text());
}

// --- stop ---------------------------------------------------------------------------------------------------

namespace {
struct stop_request {
    exit_reason why;
};
// Never answered: the asker hears the reason the server ended with, when it has ended.
void handle_stop(server_core& core, message* m) {
    core.stop_after_callback(static_cast<typed_call<stop_request>*>(m)->payload.why);
}
constexpr request_type stop_type{call_base<stop_request>("stop"), nullptr, &handle_stop, true};
}  // namespace

void stop_process(const callee& who, const exit_reason& why, duration limit) {
    const pid whom = who.process;
    if (whom && whom == self()) throw bad_argument("stop", "a server stops itself by stop(reason)");
    auto* request = new_message<typed_call<stop_request>>(stop_type, stop_request{why});
    message_ptr owner(ask(whom, request, limit, "stop"));
    if (owner == nullptr) raise_call_failed(reason::timeout, who, "stop");
    auto* reply = static_cast<reply_message*>(owner.get());
    const exit_reason& end = static_cast<failed_reply*>(reply)->payload;
    if (reply->failed && end == why && whom) return;
    raise_call_failed(reply->failed ? end : reason::no_reply, who, "stop");
}

// --- Responses through an alias -------------------------------------------------------------------------------

bool deliver_through(const reference& alias, message* m) noexcept { return deliver(alias, m); }

void send_response_failed(const alias_ref& to, exit_reason why) noexcept {
    try {
        deliver(to, new_user_message<response_failed>(response_failed{to, std::move(why)}));
    } catch (const std::bad_alloc&) {
        // Nothing left to say it with; the asker's own limit ends its wait.
    }
}

void drop_response(const alias_ref& to) noexcept {
    auto* core = in_process() ? dynamic_cast<server_core*>(current_activity()) : nullptr;
    if (core == nullptr || !core->leaving(to)) send_response_failed(to, reason::no_reply);
}

bool server_core::leaving(const alias_ref& dropped) noexcept {
    if (gone_) return true;
    if (std::uncaught_exceptions() == 0) return false;
    try {
        // If the handler survives its exception, the loop tells the asker after all.
        sys().dropped.push_back(dropped);
        attention_ |= dropped_asked;
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

}  // namespace heirloom::detail
