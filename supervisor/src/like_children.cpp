#include "like_children.hpp"

#include "heirloom/errors.hpp"
#include "heirloom/process.hpp"
#include "heirloom/receive.hpp"
#include "heirloom/timer.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace heirloom::detail {

like_children::like_children(const supervisor::init_result& what)
    : supervision(what.intensity, what.auto_shutdown, what.grace, what.report_progress),
      spec_(what.children.front().data()) {}

like_children::like_children(const dynamic_children& what)
    : supervision(what.intensity, auto_shutdown_mode::never, what.grace, what.report_progress),
      max_children_(what.max_children) {}

// --- Starting -----------------------------------------------------------------------------------------------

result<started_child, child_error> like_children::start_child(child_spec spec) {
    if (spec_)
        return refused(
            child_failure::simple_one_for_one, {}, {},
            "children of this supervisor are made by its template: start_child(supervisor, "
            "arguments...)");
    if (std::string fault = fault_of(spec, auto_shutdown_); !fault.empty())
        return refused(child_failure::bad_spec, {}, {}, std::move(fault));
    if (max_children_ != 0 && running_.size() + pending_.size() >= max_children_)
        return refused_child(child_failure::max_children, spec.id());
    return start_one(spec.data());
}

result<started_child, child_error> like_children::start_like(const std::any& extra) {
    if (!spec_)
        return refused(child_failure::bad_spec, {}, {},
                       "a child of this supervisor needs a specification");
    child_data_ptr mine;
    try {
        mine = spec_->with_extra(spec_, extra);
    } catch (...) {  // copying the arguments is the user's code
        return refused_child(child_failure::start_failed, spec_->id, {}, caught_reason());
    }
    if (!mine)
        return refused(child_failure::bad_spec, {}, {},
                       "child \"" + spec_->id +
                           "\": arguments: not of the types its child_template names");
    return start_one(std::move(mine));
}

result<started_child, child_error> like_children::start_one(child_data_ptr spec) {
    child_start s = control_.start(spec);
    if (s.how == child_start::kind::ignored) return started_child{};
    if (s.how != child_start::kind::started) {
        control_.report_start_error(*spec, s.reason);
        return refused_child(child_failure::start_failed, spec->id, s.process, std::move(s.reason));
    }
    restarting fresh;
    fresh.spec = std::move(spec);
    running(s.process, fresh);
    return started_child{s.process, std::move(s.info)};
}

void like_children::running(pid process, restarting& r) {
    if (r.spec->more || r.restarts != 0) {
        if (!r.budget && r.spec->more && r.spec->more->budget)
            r.budget = std::make_unique<restart_window>(*r.spec->more->budget);
        history_.emplace(process.bits(), history{runtime_clock::now(), r.last_wait,
                                                 std::move(r.budget), r.restarts, r.in_a_row});
    }
    supervisors_ += r.spec->type == child_type::supervisor;
    running_.emplace(process.bits(), std::move(r.spec));
}

std::vector<pid> like_children::running_now() const {
    std::vector<pid> all;
    all.reserve(running_.size());
    for (const auto& [bits, spec] : running_) all.push_back(pid::from_bits(bits));
    return all;
}

// --- A child ended by itself --------------------------------------------------------------------------------

void like_children::child_ended(pid process, const exit_reason& why) {
    const auto found = running_.find(process.bits());
    if (found == running_.end()) return;  // a stranger, or one that we stopped
    restarting r;
    r.spec = std::move(found->second);
    r.last = {process, why};
    running_.erase(found);
    supervisors_ -= r.spec->type == child_type::supervisor;
    if (const auto past = history_.find(process.bits()); past != history_.end()) {
        r.budget = std::move(past->second.budget);
        const duration lived = runtime_clock::now() - past->second.started_at;
        if (r.spec->more && lived < r.spec->more->delay.reset_after)
            r.last_wait = past->second.last_wait;
        r.restarts = past->second.restarts;
        r.in_a_row = lived < window_.within() ? past->second.in_a_row : 0;
        history_.erase(past);
    }
    const bool orderly = why.is_orderly();
    if (r.spec->restart == permanent || (r.spec->restart == transient && !orderly)) {
        control_.outlive_orphans(*r.spec, process);
        const duration wait = next_wait(*r.spec, r.last_wait);
        if (wait == duration::zero()) return attempt(std::move(r));
        control_.report_delay(*r.spec, r.last, wait);
        return put_off(std::move(r), wait);
    }
    if (!orderly) control_.report_end(*r.spec, process, why, "not restarted, it is temporary");
    ended_for_good(*r.spec);
}

void like_children::ended_for_good(const child_data& spec) {
    consider_auto_shutdown(spec, significant());
}

void like_children::attempt(restarting r) {
    if (r.budget && !r.budget->count(runtime_clock::now())) {
        control_.report_budget(*r.spec, r.last.why, *r.budget);
        return ended_for_good(*r.spec);
    }
    if (!may_restart(*r.spec, r.last.why)) return;
    ++r.restarts;
    ++r.in_a_row;
    control_.report_restart(*r.spec, r.last, window_);
    child_start s = control_.start(r.spec, {r.restarts, r.in_a_row, r.last.why});
    if (s.how == child_start::kind::ignored) return;  // not wanted any more
    if (s.how == child_start::kind::started) return running(s.process, r);
    control_.report_start_error(*r.spec, s.reason);
    r.last.why = std::move(s.reason);
    ++r.last.failed_starts;
    const duration wait = next_wait(*r.spec, r.last_wait);
    if (!stopping()) put_off(std::move(r), wait);
}

void like_children::put_off(restarting r, duration wait) {
    const std::uint64_t serial = ++next_serial_;
    pending_by_pid_.emplace(r.last.process.bits(), serial);
    pending_.emplace(serial, std::move(r));
    if (wait > duration::zero())
        send_after(wait, self(), retry_child{serial});
    else
        deliver(self(), new_user_message<retry_child>(retry_child{serial}));
}

void like_children::retry(std::uint64_t serial) {
    const auto found = pending_.find(serial);
    if (found == pending_.end()) return;
    restarting r = std::move(found->second);
    pending_.erase(found);
    pending_by_pid_.erase(r.last.process.bits());
    attempt(std::move(r));
}

// --- Stopping -----------------------------------------------------------------------------------------------

// All at once, each with its own limit.
void like_children::stop_all() {
    pending_.clear();
    pending_by_pid_.clear();
    history_.clear();
    struct last_moments {
        child_control::ending ending;
        child_data_ptr spec;
        bool told_twice = false;
    };
    boost::unordered_flat_map<std::uint64_t, last_moments> waiting;  // by monitor
    waiting.reserve(running_.size());
    for (auto& [bits, spec] : running_) {
        const pid process = pid::from_bits(bits);
        auto ending = control_.begin_end(*spec, process);
        if (const duration limit = control_.first_limit(*spec); limit != forever)
            ending.limit = deadline_after(limit, "shutdown");
        const std::uint64_t id = ending.watch.id;
        waiting.emplace(id, last_moments{ending, std::move(spec), false});
    }
    running_.clear();
    supervisors_ = 0;
    const pid parent = core_.parent();
    // How those ended that were dead before they were told: their exit signals came before.
    boost::unordered_flat_map<std::uint64_t, exit_reason> before;
    while (!waiting.empty()) {
        time_point next = time_point::max();
        for (const auto& [id, w] : waiting) next = std::min(next, w.ending.limit);
        for (bool more = true; more && !waiting.empty();) {
            const duration left = next == time_point::max()
                                      ? forever
                                      : std::max(duration::zero(), next - runtime_clock::now());
            more = receive(
                [&](const down& d) {
                    const auto found = waiting.find(d.ref.id);
                    if (found == waiting.end()) return true;
                    const last_moments& w = found->second;
                    const auto said = d.reason == reason::no_process
                                          ? before.find(w.ending.process.bits())
                                          : before.end();
                    control_.report_ended(*w.spec, w.ending,
                                          said != before.end() ? said->second : d.reason);
                    waiting.erase(found);
                    return true;
                },
                when([&](const exit_signal& s) { return s.from != parent; },
                     [&](const exit_signal& s) {
                         before.emplace(s.from.bits(), s.reason);
                         return true;
                     }),
                after(left, [] { return false; }));
        }
        // Somebody's time is up.
        const time_point now = runtime_clock::now();
        for (auto it = waiting.begin(); it != waiting.end();) {
            last_moments& w = it->second;
            if (w.ending.limit > now) {
                ++it;
            } else if (control_.insist(*w.spec, w.ending)) {
                ++it;
            } else {
                waiting.erase(it++);
            }
        }
    }
}

result<started_child, child_error> like_children::terminate(const child_key& which) {
    if (which.index() == 0) return refused_key(child_failure::simple_one_for_one, which);
    const pid process = std::get<pid>(which);
    if (const auto found = running_.find(process.bits()); found != running_.end()) {
        child_data_ptr spec = std::move(found->second);
        running_.erase(found);
        history_.erase(process.bits());
        supervisors_ -= spec->type == child_type::supervisor;
        control_.end(*spec, process);
        return started_child{};
    }
    if (const auto found = pending_by_pid_.find(process.bits()); found != pending_by_pid_.end()) {
        pending_.erase(found->second);
        pending_by_pid_.erase(found);
        return started_child{};
    }
    // OTP: a simple_one_for_one supervisor says ok of the dead; Elixir's dynamic one says not_found.
    if (spec_ && !is_alive(process)) return started_child{};
    return refused_key(child_failure::not_found, which);
}

// --- Asking -------------------------------------------------------------------------------------------------

result<child_spec, child_error> like_children::spec_of(const child_key& which) {
    child_data_ptr spec;
    if (const pid* process = std::get_if<pid>(&which)) {
        const auto found = running_.find(process->bits());
        if (found != running_.end()) spec = found->second;
    } else if (spec_ && spec_->id == std::get<std::string>(which)) {
        spec = spec_;
    }
    if (!spec) return refused_key(child_failure::not_found, which);
    return child_spec(std::const_pointer_cast<child_data>(spec));
}

std::vector<child_info> like_children::which() {
    const std::size_t recent = window_.recent(runtime_clock::now());
    std::vector<child_info> all;
    all.reserve(running_.size() + pending_.size());
    for (const auto& [bits, spec] : running_) {
        const auto past = history_.find(bits);
        all.push_back({spec->id, pid::from_bits(bits), child_status::running, spec->type,
                       past != history_.end() ? past->second.restarts : 0, recent,
                       window_.allowed(), spec->identity});
    }
    for (const auto& [serial, r] : pending_)
        all.push_back({r.spec->id, pid(), child_status::restarting, r.spec->type, r.restarts,
                       recent, window_.allowed(), r.spec->identity});
    return all;
}

child_counts like_children::count() {
    std::size_t supervisors = supervisors_;
    for (const auto& [serial, r] : pending_) supervisors += r.spec->type == child_type::supervisor;
    const std::size_t all = running_.size() + pending_.size();
    return {spec_ ? 1 : all, running_.size(), supervisors, all - supervisors};
}

pid like_children::find(const server_identity* identity) {
    for (const auto& [bits, spec] : running_)
        if (spec->identity == identity) return pid::from_bits(bits);
    return {};
}

}  // namespace heirloom::detail
