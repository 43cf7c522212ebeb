#include "heirloom/application.hpp"

#include "heirloom/errors.hpp"
#include "heirloom/ets/table.hpp"
#include "heirloom/log.hpp"
#include "heirloom/receive.hpp"

#include <algorithm>
#include <iostream>
#include <unordered_set>
#include <utility>

namespace heirloom {

namespace {

// Depth first; a name that is still open when it is met again closes a circle.
void check_needs(const std::vector<application>& all) {
    auto find = [&](const std::string& name) {
        return std::find_if(all.begin(), all.end(),
                            [&](const application& a) { return a.name == name; });
    };
    std::unordered_set<std::string> done, open;
    std::function<void(const application&)> visit = [&](const application& a) {
        if (done.contains(a.name)) return;
        if (!open.insert(a.name).second)
            throw bad_argument("application_controller",
                               "application \"" + a.name + "\": needs: a circle");
        for (const std::string& need : a.needs) {
            const auto needed = find(need);
            if (needed == all.end())
                throw bad_argument("application_controller", "application \"" + a.name +
                                                                 "\": needs: there is no \"" +
                                                                 need + "\"");
            visit(*needed);
        }
        open.erase(a.name);
        done.insert(a.name);
    };
    std::unordered_set<std::string> names;
    for (const application& a : all) {
        if (!names.insert(a.name).second)
            throw bad_argument("application_controller",
                               "application \"" + a.name + "\": name: used twice");
        if (!a.start)
            throw bad_argument("application_controller",
                               "application \"" + a.name + "\": start: empty");
    }
    for (const application& a : all) visit(a);
}

failure<application_error> refused(application_failure kind, const std::string& name,
                                   exit_reason why) {
    return failure(application_error{kind, name, std::move(why)});
}

}  // namespace

namespace {

using env_table = ets::set<std::string, std::any>;
constexpr atom env_name("heirloom.environment");

std::string env_key(const std::string& application, const std::string& key) {
    return application + '\0' + key;
}

}  // namespace

std::any detail::env_value(const std::string& application, const std::string& key) {
    auto table = ets::whereis<env_table>(env_name);
    return table ? table.lookup(env_key(application, key)).value_or(std::any()) : std::any();
}

void detail::set_env_value(const std::string& application, const std::string& key, std::any value) {
    auto table = ets::whereis<env_table>(env_name);
    if (!table) throw bad_argument("set_env", "no application controller runs");
    table.insert(env_key(application, key), std::move(value));
}

application_controller::application_controller(std::vector<application> all) {
    trap_exit(true);
    check_needs(all);
    env_table table({.name = env_name, .access = ets::access::public_});
    for (application& a : all) {
        for (const auto& [key, value] : a.environment) table.insert(env_key(a.name, key), value);
        all_.push_back({std::move(a), {}, 0});
    }
}

application_controller::entry* application_controller::find(const std::string& name) {
    const auto found =
        std::find_if(all_.begin(), all_.end(), [&](const entry& e) { return e.what.name == name; });
    return found == all_.end() ? nullptr : &*found;
}

result<void, application_error> application_controller::start(entry& e) {
    if (e.root) return {};
    for (const std::string& need : e.what.needs)
        if (auto r = start(*find(need)); !r) return r;
    exit_reason why;
    try {
        auto root = e.what.start();
        if (root) {
            link(*root);  // whatever started it: its end is ours to know
            e.root = *root;
            e.order = ++started_;
            return {};
        }
        why = root.error().reason;
    } catch (...) {
        why = detail::caught_reason();
    }
    return refused(application_failure::start_failed, e.what.name, std::move(why));
}

result<void, application_error> application_controller::handle_call(start_one s) {
    entry* e = find(s.name);
    if (e == nullptr) return refused(application_failure::unknown, s.name, "unknown_application"_a);
    if (e->root) return refused(application_failure::already_started, s.name, "already_started"_a);
    // As OTP's ensure_all_started: what was started for its sake goes again with it.
    const std::size_t before = started_;
    auto r = start(*e);
    if (!r) stop_those_after(before);
    return r;
}

result<void, application_error> application_controller::handle_call(stop_one s) {
    entry* e = find(s.name);
    if (e == nullptr) return refused(application_failure::unknown, s.name, "unknown_application"_a);
    if (!e->root) return refused(application_failure::not_started, s.name, "not_started"_a);
    for (const entry& other : all_)
        if (other.root && std::count(other.what.needs.begin(), other.what.needs.end(), s.name) != 0)
            return refused(application_failure::needed, other.what.name, "needed"_a);
    stop_root(*e);
    return {};
}

std::vector<std::string> application_controller::handle_call(which) {
    std::vector<const entry*> running;
    for (const entry& e : all_)
        if (e.root) running.push_back(&e);
    std::sort(running.begin(), running.end(), [](auto* a, auto* b) { return a->order < b->order; });
    std::vector<std::string> names;
    for (const entry* e : running) names.push_back(e->what.name);
    return names;
}

void application_controller::stop_root(entry& e) {
    const pid root = std::exchange(e.root, pid());
    e.order = 0;
    const monitor_ref watch = monitor(root);
    unlink(root);
    exit(root, reason::shutdown);
    receive(when(watch, [](const down&) {}));
    after_stop(e);
}

void application_controller::after_stop(const entry& e) {
    if (!e.what.stopped) return;
    try {
        e.what.stopped();
    } catch (...) {
        log({.level = log_level::error,
             .event = "application_stopped_failed",
             .text = "application " + e.what.name +
                     ": stopped: " + to_string(detail::caught_reason())});
    }
}

void application_controller::stop_those_after(std::size_t order) {
    std::vector<entry*> running;
    for (entry& e : all_)
        if (e.root && e.order > order) running.push_back(&e);
    std::sort(running.begin(), running.end(), [](auto* a, auto* b) { return a->order > b->order; });
    for (entry* e : running) stop_root(*e);
}

void application_controller::handle_info(exit_signal e) {
    const auto found =
        std::find_if(all_.begin(), all_.end(), [&](const entry& a) { return a.root == e.from; });
    if (!e.from || found == all_.end()) return;
    found->root = {};
    found->order = 0;
    const std::string text = "application " + found->what.name + " ended: " + to_string(e.reason);
    log({.level = e.reason.is("normal"_a) ? log_level::info : log_level::error,
         .event = "application_ended",
         .about = e.from,
         .text = text});
    after_stop(*found);
    const bool in_order = e.reason == reason::normal;
    if (found->what.type == temporary || (found->what.type == transient && in_order)) return;
    stop(exit_reason("application_ended"_a, exit_reason::of(found->what.name, text)));
}

// --- The functions ------------------------------------------------------------------------------------------------

result<void, application_error> start_application(const std::string& name) {
    return call(the_applications, application_controller::start_one{name}, forever);
}
result<void, application_error> stop_application(const std::string& name) {
    return call(the_applications, application_controller::stop_one{name}, forever);
}
std::vector<std::string> which_applications() {
    return call(the_applications, application_controller::which{}, forever);
}
void stop_applications() { stop(the_applications); }

int run_applications(std::vector<application> all, options opts) {
    runtime rt(std::move(opts));
    return rt.run([&]() -> int {
        auto controller = start_monitor(the_applications, all);
        if (!controller) {
            std::cerr << "cannot start: " << controller.error().reason << "\n";
            return 1;
        }
        for (const application& a : all) {
            if (auto r = start_application(a.name);
                !r && r.error().kind != application_failure::already_started) {
                std::cerr << "application " << r.error().application
                          << " could not be started: " << r.error().reason << "\n";
                stop_applications();
                return 1;
            }
        }
        const exit_reason why =
            receive(when(controller->ref, [](const down& d) { return d.reason; }));
        if (why == reason::normal) return 0;
        std::cerr << (why.detail() != nullptr ? std::string(why.detail()->what()) : to_string(why))
                  << "\n";
        return 1;
    });
}

}  // namespace heirloom
