#include "supervision.hpp"

#include "heirloom/errors.hpp"
#include "heirloom/process.hpp"
#include "heirloom/send.hpp"

#include <new>
#include <utility>

namespace heirloom::detail {

failure<child_error> refused(child_failure kind, pid process, exit_reason why, std::string text) {
    if (why == reason::normal) why = atom::intern(to_string(kind));
    return failure(child_error{kind, std::move(why), process, std::move(text)});
}

failure<child_error> refused_child(child_failure kind, std::string_view id, pid process,
                                   exit_reason why) {
    std::string text = "child";
    if (!id.empty()) text.append(" \"").append(id).append("\"");
    const std::string who = process ? " " + to_string(process) : std::string();
    switch (kind) {
    case child_failure::not_found:
        text = "there is no " + text + who;
        break;
    case child_failure::already_started:
        text += ": id: taken by" + who;
        break;
    case child_failure::already_present:
        text += ": id: taken by one that does not run: restart_child or delete_child it";
        break;
    case child_failure::running:
        text += who + " runs: terminate_child it first";
        break;
    case child_failure::restarting:
        text += " is being restarted: terminate_child it first";
        break;
    case child_failure::start_failed:
        text += ": start: " + to_string(why);
        break;
    case child_failure::max_children:
        text += ": there are max_children already";
        break;
    case child_failure::simple_one_for_one:
        text = "children of this supervisor have no ids: give a pid";
        break;
    case child_failure::bad_spec:
        break;
    }
    return refused(kind, process, std::move(why), std::move(text));
}

failure<child_error> refused_key(child_failure kind, const child_key& which) {
    const std::string* id = std::get_if<std::string>(&which);
    const pid* process = std::get_if<pid>(&which);
    return refused_child(kind, id != nullptr ? *id : std::string(),
                         process != nullptr ? *process : pid());
}

result<started_child, child_error> supervision::start_like(const std::any&) {
    return refused(child_failure::bad_spec, {}, {},
                   "this supervisor's children have a specification each");
}
result<started_child, child_error> supervision::restart(const std::string& id) {
    return refused_child(child_failure::simple_one_for_one, id);
}
result<started_child, child_error> supervision::remove(const std::string& id) {
    return refused_child(child_failure::simple_one_for_one, id);
}

void supervision::tell_who_is_left() noexcept {
    if (!above_) return;
    try {
        auto left = running_now();
        if (const pid unfinished = control_.interrupted_start()) left.push_back(unfinished);
        if (!left.empty()) try_send(above_, orphans{self(), std::move(left)});
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch)
        // Its successor may find a name taken, and is tried again.
    }
}

bool supervision::may_restart(const child_data& spec, const exit_reason& why) {
    if (window_.count(runtime_clock::now())) return true;
    control_.report_giving_up(spec, why, window_);
    core_.stop_after_callback(reason::shutdown);
    return false;
}

void supervision::consider_auto_shutdown(const child_data& spec, std::size_t others) {
    if (!spec.significant || auto_shutdown_ == auto_shutdown_mode::never) return;
    if (auto_shutdown_ == auto_shutdown_mode::all_significant && others != 0) return;
    core_.stop_after_callback(reason::shutdown);
}

}  // namespace heirloom::detail
