#include "child_control.hpp"

#include "heirloom/errors.hpp"
#include "heirloom/log.hpp"
#include "heirloom/monitor.hpp"
#include "heirloom/names.hpp"
#include "heirloom/process.hpp"
#include "heirloom/receive.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <utility>

namespace heirloom::detail {

namespace {

/// Answers what must be answered while a child starts: its own calls, which could only be served after it has
/// started, and the exit of our own parent.
class deadlock_watch final : public start_watch {
public:
    bool intercept(message* m) override {
        if (m->type->kind == message_kind::call) {
            if (!child || m->word != child.bits()) return false;
            fail_call(static_cast<call_message*>(m),
                      exit_reason("would_deadlock"_a,
                                  exit_reason::of(
                                      child, "child " + to_string(child) + " called supervisor " +
                                                 to_string(self()) + " while being started")));
            return true;
        }
        if (m->type != &user_type<exit_signal>) return false;
        auto& core = running_server("supervisor");
        const auto& signal = static_cast<typed_message<exit_signal>*>(m)->payload;
        if (!core.parent() || signal.from != core.parent()) return false;
        // It stays in the mailbox, where it finds us ending already.
        core.stop_after_callback(signal.reason);
        if (child) exit(child, reason::kill);
        return false;
    }
};

// Reports are written while a client waits for the new incarnation: one allocation a text, no streams.
std::string joined(std::initializer_list<std::string_view> parts) {
    std::size_t size = 0;
    for (std::string_view part : parts) size += part.size();
    std::string text;
    text.reserve(size);
    for (std::string_view part : parts) text.append(part);
    return text;
}

std::string seconds(duration d) {
    char text[40];
    char* const end =
        std::to_chars(text, text + sizeof text, std::chrono::duration<double>(d).count()).ptr;
    return std::string(text, end) + " s";
}

}  // namespace

std::string name_of_child(const child_data& spec, pid process) {
    const bool typed = spec.identity != nullptr && spec.identity->name.text() != spec.id;
    const std::string who = process ? to_string(process) : std::string();
    return joined({"child", spec.id.empty() ? "" : " ", spec.id, typed ? " (" : "",
                   typed ? spec.identity->name.text() : "", typed ? ")" : "", process ? " " : "",
                   who});
}

exit_reason failed_to_start(const std::string& id, const exit_reason& why) {
    return exit_reason("shutdown"_a, exit_reason("failed_to_start_child"_a,
                                                 exit_reason::of(failed_child{id, why},
                                                                 id + ": " + to_string(why))));
}

duration next_wait(const child_data& spec, duration& last) {
    if (!spec.more || spec.more->delay.initial <= duration::zero()) return {};
    const back_off& d = spec.more->delay;
    const auto times = [](duration t, double factor) {
        return static_cast<double>(t.count()) * factor;
    };
    const auto whole = [](double ns) { return duration(static_cast<duration::rep>(ns)); };
    if (last == duration::zero())
        last = d.initial;
    else
        last =
            times(last, d.factor) >= times(d.maximum, 1) ? d.maximum : whole(times(last, d.factor));
    const double share = static_cast<double>(random_bits() >> 11) * 0x1p-53 * d.jitter;
    const duration more = whole(times(last, share));
    return more < forever - last ? last + more : forever;
}

bool kills_at_once(const child_data& spec) noexcept {
    return spec.shutdown.how == child_data::ending::way::brutal;
}

duration shutdown_limit(const child_data& spec) noexcept {
    switch (spec.shutdown.how) {
    case child_data::ending::way::by_type:
        return spec.type == child_type::supervisor ? forever : duration(std::chrono::seconds(5));
    case child_data::ending::way::in_time:
        return spec.shutdown.limit;
    case child_data::ending::way::brutal:
        break;
    }
    return duration::zero();
}

std::string fault_of(const child_spec& spec, auto_shutdown_mode mode, bool one_of_many) {
    if (spec.data() == nullptr) return "a child_spec that was moved from";
    const child_data& data = *spec.data();
    auto fault = [&](std::string_view field, const std::string& what) {
        return "child \"" + data.id + "\": " + std::string(field) + ": " + what;
    };
    if (data.is_template() && !one_of_many)
        return fault("start", "a child_template is for simple_one_for_one");
    if (data.restart > temporary) return fault("restart", "no such restart type");
    if (data.type > child_type::supervisor) return fault("type", "no such child type");
    if (const duration limit = shutdown_limit(data); limit < duration::zero())
        return fault("shutdown", std::to_string(limit.count()) + " ns is negative");
    if (data.significant && mode == auto_shutdown_mode::never)
        return fault("significant", "the supervisor's auto_shutdown is never");
    if (data.significant && data.restart == permanent)
        return fault("significant", "a permanent child always comes back");
    if (data.more) {
        const back_off& d = data.more->delay;
        if (d.initial < duration::zero()) return fault("delay.initial", "negative");
        if (!(d.factor >= 1.0)) return fault("delay.factor", "less than 1");
        if (d.maximum < d.initial) return fault("delay.maximum", "less than delay.initial");
        if (!(d.jitter >= 0.0 && d.jitter <= 1.0))
            return fault("delay.jitter", "not between 0 and 1");
        if (d.reset_after < duration::zero()) return fault("delay.reset_after", "negative");
        if (data.more->budget) {
            if (data.more->budget->restarts < 0) return fault("budget.restarts", "negative");
            if (data.more->budget->within <= duration::zero())
                return fault("budget.within", "not above 0");
        }
    }
    return {};
}

child_control::child_control(duration grace, bool report_progress)
    : grace_(grace), report_progress_(report_progress) {
    const atom given = running_server("supervisor").given_name();
    named_ = std::make_shared<const std::string>(given ? std::string(given.text())
                                                       : "supervisor " + to_string(self()));
}

child_start child_control::start(const child_data_ptr& spec, const restart_history& past) {
    deadlock_watch watch;
    watch.past = past;
    child_start result{};
    start_end end{start_end::kind::failed, {}, {}, {}};
    try {
        end = spec->start(spec, &watch, result.info);
    } catch (...) {
        starting_ = watch.child;
        end.reason = caught_reason();  // goes on if we are killed
        starting_ = {};
    }
    result.process = end.process;
    result.reason = std::move(end.reason);
    switch (end.how) {
    case start_end::kind::started:
        result.how = child_start::kind::started;
        if (report_progress_) report_progress(*spec, result.process);
        break;
    case start_end::kind::ignored:
        result.how = child_start::kind::ignored;
        result.process = {};
        break;
    case start_end::kind::already_started:
        result.how = child_start::kind::already_started;
        break;
    case start_end::kind::failed:
    case start_end::kind::timed_out:
        result.how = child_start::kind::failed;
        outlive_orphans(*spec, result.process);  // a supervisor that was killed while it started
        break;
    }
    return result;
}

void child_control::outlive_orphans(const child_data& spec, pid supervisor) {
    if (spec.type != child_type::supervisor) return;
    // Sent before its end was; seen by the loop, or still queued if it was we who ended it.
    while (auto o = receive(when([&](const orphans& m) { return m.supervisor == supervisor; },
                                 [](orphans m) { return std::optional<orphans>(std::move(m)); }),
                            after(duration::zero(), [] { return std::optional<orphans>(); })))
        note(*std::move(o));
    const auto found = std::find_if(orphans_.begin(), orphans_.end(),
                                    [&](const orphans& o) { return o.supervisor == supervisor; });
    if (found == orphans_.end()) return;
    const std::vector<pid> left = std::move(found->left);
    orphans_.erase(found);
    const time_point limit = deadline_after(grace_, "grace");
    for (const pid p : left) {
        const monitor_ref watch = monitor(p);
        const duration rest = std::max(duration::zero(), limit - runtime_clock::now());
        receive(when(watch, [](const down&) {}), after(rest, [&] { demonitor(watch, flush); }));
    }
}

child_control::ending child_control::begin_end(const child_data& spec, pid process) {
    // A monitor, because a child may have unlinked itself; unlinked, so that only the monitor speaks from now on.
    const bool brutal = kills_at_once(spec);
    ending e{process, monitor(process), time_point::max(), brutal, brutal};
    unlink(process);
    exit(process, brutal ? reason::kill : reason::shutdown);
    return e;
}

duration child_control::first_limit(const child_data& spec) const noexcept {
    return kills_at_once(spec) ? grace_ : shutdown_limit(spec);
}

bool child_control::insist(const child_data& spec, ending& e) {
    if (!e.killed) {
        e.killed = true;
        e.limit = deadline_after(grace_, "grace");
        exit(e.process, reason::kill);
        return true;
    }
    // It computes, or sits in a system call, and cannot be ended. Its name and tables stay with it.
    demonitor(e.watch, flush);
    report_held(spec, e.process);
    return false;
}

exit_reason child_control::finish_end(const child_data& spec, ending e) {
    std::optional<exit_reason> why;
    duration left = first_limit(spec);
    do {
        why = receive(
            when(e.watch, [](const down& d) { return std::optional<exit_reason>(d.reason); }),
            after(left, [] { return std::optional<exit_reason>(); }));
        left = grace_;
    } while (!why && insist(spec, e));
    if (!why) return "held"_a;
    if (*why == reason::no_process) {
        // It was dead before we looked; its exit signal, which is queued, says how it died.
        auto theirs = [&](const exit_signal& s) { return s.from == e.process; };
        why = receive(when(theirs, [](const exit_signal& s) { return s.reason; }),
                      after(duration::zero(), [] { return reason::no_process; }));
    }
    report_ended(spec, e, *why);
    outlive_orphans(spec, e.process);
    return *why;
}

void child_control::report_ended(const child_data& spec, const ending& e,
                                 const exit_reason& why) const {
    if (why == (e.by_request ? reason::killed : reason::shutdown)) return;
    if (spec.restart == permanent || !why.is_orderly())
        report_shutdown(spec, e.process, why, e.killed);
}

exit_reason child_control::end(const child_data& spec, pid process) {
    return finish_end(spec, begin_end(spec, process));
}

// --- Reports ------------------------------------------------------------------------------------------------

namespace {
log_event event_of(log_level level, std::string_view event, pid process, std::string text,
                   const std::string& supervisor, const child_data& spec, const exit_reason* why) {
    log_event e{.level = level, .event = event, .about = process, .text = std::move(text)};
    e.fields.reserve(3);
    e.fields.emplace_back("supervisor", supervisor);
    e.fields.emplace_back("child", spec.id);
    if (why != nullptr) {
        e.fields.emplace_back("reason", to_string(*why));
        e.stack = why->stack();
    }
    return e;
}
}  // namespace

void child_control::report(log_level level, std::string_view event, pid process, std::string text,
                           const child_data& spec, const exit_reason* why) const {
    log(event_of(level, event, process, std::move(text), *named_, spec, why));
}

void child_control::report_restart(const child_data& spec, const restart_cause& cause,
                                   const restart_window& window) const {
    // Put in words elsewhere: a client waits for the new incarnation.
    log_later([supervisor = named_, child = spec.shared_from_this(), cause,
               counted = window.counted(), allowed = window.allowed(), within = window.within()] {
        const bool tells_end = !cause.reported && cause.failed_starts == 0;
        const std::string count = joined({"; restart ", std::to_string(counted), " of ",
                                          std::to_string(allowed), " in ", seconds(within)});
        const std::string why = to_string(cause.why);
        if (tells_end)
            return event_of(log_level::error, "child_terminated", cause.process,
                            joined({*supervisor, ": ", name_of_child(*child, cause.process),
                                    " ended: ", why, count}),
                            *supervisor, *child, &cause.why);
        // The process that ended is an old story: what is named is the attempt.
        const std::string attempt =
            cause.failed_starts == 0
                ? joined({" is started again after its back-off; it ended: ", why})
                : joined({" is started again, attempt ", std::to_string(cause.failed_starts + 1),
                          "; the last one failed: ", why});
        return event_of(log_level::warning, "child_restart", {},
                        joined({*supervisor, ": ", name_of_child(*child, {}), attempt, count}),
                        *supervisor, *child, &cause.why);
    });
}

void child_control::report_delay(const child_data& spec, restart_cause& cause,
                                 duration wait) const {
    cause.reported = true;
    report_end(spec, cause.process, cause.why, joined({"restart in ", seconds(wait)}));
}

void child_control::report_end(const child_data& spec, pid old, const exit_reason& why,
                               std::string_view what_now) const {
    report(log_level::error, "child_terminated", old,
           joined({*named_, ": ", name_of_child(spec, old), " ended: ", to_string(why), "; ",
                   what_now}),
           spec, &why);
}

void child_control::report_start_error(const child_data& spec, const exit_reason& why) const {
    report(
        log_level::error, "start_error", {},
        joined({*named_, ": ", name_of_child(spec, {}), " could not be started: ", to_string(why)}),
        spec, &why);
}

void child_control::report_giving_up(const child_data& spec, const exit_reason& why,
                                     const restart_window& window) const {
    report(log_level::error, "shutdown", self(),
           joined({*named_, ": gives up: more than ", std::to_string(window.allowed()),
                   " restarts in ", seconds(window.within()),
                   " (reached_max_restart_intensity); last: ", name_of_child(spec, {}), ", ",
                   to_string(why)}),
           spec, &why);
}

void child_control::report_budget(const child_data& spec, const exit_reason& why,
                                  const restart_window& window) const {
    report(log_level::error, "budget_used_up", {},
           joined({*named_, ": ", name_of_child(spec, {}), " stays stopped: more than its own ",
                   std::to_string(window.allowed()), " restarts in ", seconds(window.within()),
                   "; last: ", to_string(why)}),
           spec, &why);
}

void child_control::report_progress(const child_data& spec, pid process) const {
    report(log_level::info, "progress", process,
           joined({*named_, ": started ", name_of_child(spec, process)}), spec, nullptr);
}

void child_control::report_held(const child_data& spec, pid process) const {
    report(
        log_level::error, "child_held", process,
        joined({*named_, ": ", name_of_child(spec, process), " was killed and has not ended after ",
                seconds(grace_), "; going on without it"}),
        spec, nullptr);
}

void child_control::report_shutdown(const child_data& spec, pid process, const exit_reason& why,
                                    bool killed) const {
    const bool in_time = !killed || why != reason::killed;
    report(log_level::error, "shutdown_error", process,
           joined({*named_, ": ", name_of_child(spec, process),
                   in_time ? " ended while being stopped: "
                           : " had to be killed, it did not end within ",
                   in_time ? to_string(why) : seconds(shutdown_limit(spec))}),
           spec, &why);
}

}  // namespace heirloom::detail
