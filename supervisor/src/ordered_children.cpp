#include "ordered_children.hpp"

#include "heirloom/errors.hpp"
#include "heirloom/process.hpp"
#include "heirloom/timer.hpp"

#include <algorithm>
#include <utility>

namespace heirloom::detail {

ordered_children::ordered_children(supervisor::init_result what)
    : supervision(what.intensity, what.auto_shutdown, what.grace, what.report_progress),
      strategy_(what.strategy),
      initial_(std::move(what.children)) {}

ordered_children::~ordered_children() {
    tell_who_is_left();
    while (first_ != nullptr) delete std::exchange(first_, first_->next);
}

// --- The list and its indexes -------------------------------------------------------------------------------

ordered_children::child* ordered_children::find_child(const std::string& id) {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
}

// OTP: these supervisors know their children by id alone.
ordered_children::child* ordered_children::find_child(const child_key& which) {
    const std::string* id = std::get_if<std::string>(&which);
    return id != nullptr ? find_child(*id) : nullptr;
}

ordered_children::child* ordered_children::append(child_data_ptr spec) {
    auto owner = std::make_unique<child>();
    owner->spec = std::move(spec);
    owner->serial = ++next_serial_;
    if (owner->spec->more && owner->spec->more->budget)
        owner->budget = std::make_unique<restart_window>(*owner->spec->more->budget);
    by_id_.emplace(owner->spec->id, owner.get());
    child* c = owner.release();
    c->prev = last_;
    (last_ != nullptr ? last_->next : first_) = c;
    last_ = c;
    ++specs_;
    supervisors_ += c->spec->type == child_type::supervisor;
    return c;
}

void ordered_children::forget(child& c) {
    set_stopped(c);
    by_id_.erase(c.spec->id);
    (c.prev != nullptr ? c.prev->next : first_) = c.next;
    (c.next != nullptr ? c.next->prev : last_) = c.prev;
    --specs_;
    supervisors_ -= c.spec->type == child_type::supervisor;
    delete &c;
}

void ordered_children::set_running(child& c, pid process) {
    set_stopped(c);
    c.process = process;
    c.status = child_status::running;
    c.started_at = runtime_clock::now();
    c.last.reported = false;
    c.last.failed_starts = 0;
    by_pid_.emplace(process.bits(), &c);
    ++active_;
    significant_ += c.spec->significant;
}

std::vector<pid> ordered_children::running_now() const {
    std::vector<pid> all;
    for (const child* c = first_; c != nullptr; c = c->next)
        if (c->status == child_status::running) all.push_back(c->process);
    return all;
}

void ordered_children::set_stopped(child& c) {
    if (c.status == child_status::running) {
        by_pid_.erase(c.process.bits());
        --active_;
        if (runtime_clock::now() - c.started_at >= window_.within()) c.in_a_row = 0;
        significant_ -= c.spec->significant;
    } else if (c.status == child_status::restarting) {
        pending_.erase(c.serial);
        significant_ -= c.spec->significant;
    }
    c.process = {};
    c.status = child_status::stopped;
}

// By a message to ourselves, so that requests are served between two attempts.
void ordered_children::set_restarting(child& c, duration wait) {
    set_stopped(c);
    c.status = child_status::restarting;
    significant_ += c.spec->significant;
    c.serial = ++next_serial_;
    pending_.emplace(c.serial, &c);
    if (wait > duration::zero())
        send_after(wait, self(), retry_child{c.serial});
    else
        deliver(self(), new_user_message<retry_child>(retry_child{c.serial}));
}

// --- One child ----------------------------------------------------------------------------------------------

child_start ordered_children::start_one(child& c) {
    child_start s = control_.start(c.spec, {c.restarts, c.in_a_row, c.last.why});
    if (s.how == child_start::kind::started)
        set_running(c, s.process);
    else
        set_stopped(c);
    return s;
}

void ordered_children::end_one(child& c) {
    if (c.status == child_status::running) {
        const pid process = c.process;
        set_stopped(c);  // first: whatever comes of it from now on is nobody's
        control_.end(*c.spec, process);
    } else {
        set_stopped(c);
    }
}

// --- Start and end of the supervisor ----------------------------------------------------------------------------

void ordered_children::start_all() {
    by_id_.reserve(initial_.size());
    by_pid_.reserve(initial_.size());
    for (const child_spec& spec : std::exchange(initial_, {})) {
        child& c = *append(spec.data());
        child_start s = start_one(c);
        if (s.how == child_start::kind::started) continue;
        if (s.how == child_start::kind::ignored) {
            if (c.spec->restart == temporary) forget(c);
            continue;
        }
        control_.report_start_error(*c.spec, s.reason);
        stop_all();
        exit(failed_to_start(c.spec->id, s.reason));
    }
}

void ordered_children::stop_all() {
    for (child* c = last_; c != nullptr; c = c->prev) end_one(*c);
}

// --- A child ended by itself --------------------------------------------------------------------------------

void ordered_children::child_ended(pid process, const exit_reason& why) {
    const auto found = by_pid_.find(process.bits());
    if (found == by_pid_.end()) return;  // a stranger, or one that we stopped
    child& c = *found->second;
    const bool orderly = why.is_orderly();
    if (c.spec->restart == permanent || (c.spec->restart == transient && !orderly)) {
        control_.outlive_orphans(*c.spec, process);
        return restart_after(c, why);
    }
    if (!orderly) control_.report_end(*c.spec, process, why, "not restarted, it is temporary");
    ended_for_good(c);
}

void ordered_children::ended_for_good(child& c) {
    set_stopped(c);
    const child_data_ptr spec = c.spec;
    if (spec->restart == temporary) forget(c);
    consider_auto_shutdown(*spec, significant_);
}

void ordered_children::restart_after(child& c, const exit_reason& why) {
    if (c.spec->more && runtime_clock::now() - c.started_at >= c.spec->more->delay.reset_after)
        c.last_wait = {};
    c.last = {c.process, why};
    const duration wait = next_wait(*c.spec, c.last_wait);
    if (wait == duration::zero()) return attempt(c);
    control_.report_delay(*c.spec, c.last, wait);
    set_restarting(c, wait);
}

void ordered_children::retry(std::uint64_t serial) {
    const auto found = pending_.find(serial);
    if (found != pending_.end())
        attempt(*found->second);  // else stopped or started by request meanwhile
}

// Every attempt counts, also one that fails (OTP: restart/2 calls add_restart first).
void ordered_children::attempt(child& c) {
    set_stopped(c);
    if (c.budget && !c.budget->count(runtime_clock::now())) {
        control_.report_budget(*c.spec, c.last.why, *c.budget);
        return ended_for_good(c);
    }
    if (!may_restart(*c.spec, c.last.why)) return;
    ++c.restarts;
    ++c.in_a_row;
    control_.report_restart(*c.spec, c.last, window_);
    if (strategy_ == one_for_one)
        start_again(c);
    else
        restart_group(c, strategy_ == one_for_all ? first_ : &c);
}

bool ordered_children::start_again(child& c) {
    child_start s = start_one(c);
    if (s.how == child_start::kind::started) return true;
    if (s.how == child_start::kind::ignored) return true;
    control_.report_start_error(*c.spec, s.reason);
    c.last.why = std::move(s.reason);
    ++c.last.failed_starts;
    if (!stopping()) set_restarting(c, next_wait(*c.spec, c.last_wait));
    return false;
}

// `begin` and all after it are stopped, in reverse order, and started again in order: also those that were stopped
// already, but for temporary ones, which are forgotten. Where one cannot be started the next attempt begins with it.
void ordered_children::restart_group(child& failed, child* begin) {
    child* const before = begin->prev;
    for (child* c = last_; c != before;) {
        child* const earlier = c->prev;
        if (c != &failed) {
            end_one(*c);
            if (c->spec->restart == temporary) forget(*c);
        }
        c = earlier;
    }
    for (child* c = before != nullptr ? before->next : first_; c != nullptr; c = c->next)
        if (stopping() || !start_again(*c)) return;
}

// --- Requests -----------------------------------------------------------------------------------------------

result<started_child, child_error> ordered_children::start_child(child_spec spec) {
    if (std::string fault = fault_of(spec, auto_shutdown_); !fault.empty())
        return refused(child_failure::bad_spec, {}, {}, std::move(fault));
    if (spec.id().empty()) return refused(child_failure::bad_spec, {}, {}, "a child without an id");
    if (child* there = find_child(spec.id())) {
        if (there->status == child_status::running)
            return refused_child(child_failure::already_started, spec.id(), there->process);
        return refused_child(child_failure::already_present, spec.id());
    }
    child& c = *append(spec.data());
    child_start s = start_one(c);
    switch (s.how) {
    case child_start::kind::started:
        return started_child{s.process, std::move(s.info)};
    case child_start::kind::ignored:
        if (c.spec->restart == temporary) forget(c);
        return started_child{};
    default:
        break;
    }
    control_.report_start_error(*c.spec, s.reason);
    forget(c);
    return refused_child(child_failure::start_failed, spec.id(), s.process, std::move(s.reason));
}

result<started_child, child_error> ordered_children::terminate(const child_key& which) {
    child* c = find_child(which);
    if (c == nullptr) return refused_key(child_failure::not_found, which);
    end_one(*c);
    if (c->spec->restart == temporary) forget(*c);
    return started_child{};
}

result<started_child, child_error> ordered_children::restart(const std::string& id) {
    child* c = find_child(id);
    if (c == nullptr) return refused_child(child_failure::not_found, id);
    if (c->status == child_status::running)
        return refused_child(child_failure::running, id, c->process);
    if (c->status == child_status::restarting) return refused_child(child_failure::restarting, id);
    child_start s = start_one(*c);
    switch (s.how) {
    case child_start::kind::started:
        return started_child{s.process, std::move(s.info)};
    case child_start::kind::ignored:
        return started_child{};
    default:
        break;
    }
    control_.report_start_error(*c->spec, s.reason);
    return refused_child(child_failure::start_failed, id, s.process, std::move(s.reason));
}

result<started_child, child_error> ordered_children::remove(const std::string& id) {
    child* c = find_child(id);
    if (c == nullptr) return refused_child(child_failure::not_found, id);
    if (c->status == child_status::running)
        return refused_child(child_failure::running, id, c->process);
    if (c->status == child_status::restarting) return refused_child(child_failure::restarting, id);
    forget(*c);
    return started_child{};
}

result<child_spec, child_error> ordered_children::spec_of(const child_key& which) {
    child* c = find_child(which);
    if (c == nullptr) return refused_key(child_failure::not_found, which);
    return child_spec(
        std::const_pointer_cast<child_data>(c->spec));  // shared: the holder's changes are a copy
}

std::vector<child_info> ordered_children::which() {
    const std::size_t recent = window_.recent(runtime_clock::now());
    std::vector<child_info> all;
    all.reserve(specs_);
    for (const child* c = first_; c != nullptr; c = c->next)
        all.push_back({c->spec->id, c->process, c->status, c->spec->type, c->restarts, recent,
                       window_.allowed(), c->spec->identity});
    return all;
}

child_counts ordered_children::count() {
    return {specs_, active_, supervisors_, specs_ - supervisors_};
}

pid ordered_children::find(const server_identity* identity) {
    for (const child* c = first_; c != nullptr; c = c->next)
        if (c->spec->identity == identity && c->status == child_status::running) return c->process;
    return {};
}

}  // namespace heirloom::detail
