#include "heirloom/supervisor.hpp"

#include "heirloom/errors.hpp"
#include "heirloom/log.hpp"
#include "heirloom/process.hpp"
#include "like_children.hpp"
#include "ordered_children.hpp"

#include <unordered_set>

namespace heirloom {

namespace {

std::string fault_of(const supervisor::init_result& what) {
    if (what.strategy > simple_one_for_one) return "strategy: no such strategy";
    if (what.auto_shutdown > auto_shutdown_mode::all_significant)
        return "auto_shutdown: no such mode";
    if (what.intensity.restarts < 0)
        return "intensity.restarts: " + std::to_string(what.intensity.restarts) + " is negative";
    if (what.intensity.within <= duration::zero())
        return "intensity.within: " + std::to_string(what.intensity.within.count()) +
               " ns is not above 0";
    if (what.grace < duration::zero()) return "grace: negative";
    return {};
}

std::string fault_of(const std::vector<child_spec>& specs, auto_shutdown_mode mode,
                     bool one_of_many) {
    std::unordered_set<std::string_view> ids;
    ids.reserve(specs.size());
    for (const child_spec& spec : specs) {
        if (std::string fault = detail::fault_of(spec, mode, one_of_many); !fault.empty())
            return fault;
        if (spec.id().empty()) return "a child without an id";
        if (!ids.insert(spec.id()).second) return "child \"" + spec.id() + "\": id: used twice";
    }
    return {};
}

exit_reason bad(atom what, std::string text) {
    child_error e{child_failure::bad_spec, "bad_spec"_a, {}, text};
    return exit_reason(what, exit_reason::of(std::move(e), std::move(text)));
}

template <class Request>
auto ask(supervisor_ref sup, Request request) {
    return detail::call_server<supervisor>(sup.callee(), std::move(request), forever);
}

result<void, child_error> without_value(result<started_child, child_error> r) {
    if (r) return {};
    return failure(r.error());
}

using verb = detail::child_verb_request::action;

}  // namespace

std::string_view to_string(child_failure f) noexcept {
    switch (f) {
    case child_failure::bad_spec:
        return "bad_spec";
    case child_failure::start_failed:
        return "start_failed";
    case child_failure::already_started:
        return "already_started";
    case child_failure::already_present:
        return "already_present";
    case child_failure::not_found:
        return "not_found";
    case child_failure::running:
        return "running";
    case child_failure::restarting:
        return "restarting";
    case child_failure::max_children:
        return "max_children";
    case child_failure::simple_one_for_one:
        return "simple_one_for_one";
    }
    return "unknown";
}

const failed_child* as_failed_child(const exit_reason& why) noexcept {
    const exit_reason* start = why.detail();
    const exit_reason* held = start != nullptr ? start->detail() : nullptr;
    return held != nullptr ? held->value<failed_child>() : nullptr;
}

supervisor::supervisor(init_result what) {
    trap_exit(true);
    if (std::string fault = fault_of(what); !fault.empty())
        exit(bad("supervisor_data"_a, std::move(fault)));
    if (what.strategy == simple_one_for_one) {
        if (what.children.size() != 1)
            exit(bad("bad_start_spec"_a, "simple_one_for_one needs exactly one child, not " +
                                             std::to_string(what.children.size())));
    }
    if (std::string fault =
            fault_of(what.children, what.auto_shutdown, what.strategy == simple_one_for_one);
        !fault.empty())
        exit(bad("start_spec"_a, std::move(fault)));
    if (what.strategy == simple_one_for_one)
        impl_ = std::make_unique<detail::like_children>(what);
    else
        impl_ = std::make_unique<detail::ordered_children>(std::move(what));
    impl_->start_all();
}

supervisor::supervisor(dynamic_children what) {
    trap_exit(true);
    if (std::string fault = fault_of({.intensity = what.intensity, .grace = what.grace});
        !fault.empty())
        exit(bad("supervisor_data"_a, std::move(fault)));
    impl_ = std::make_unique<detail::like_children>(what);
}

supervisor::~supervisor() = default;

detail::start_child_request::reply supervisor::handle_call(detail::start_child_request r) {
    return impl_->start_child(std::move(r.spec));
}
detail::start_like_request::reply supervisor::handle_call(detail::start_like_request r) {
    return impl_->start_like(r.extra);
}
detail::terminate_child_request::reply supervisor::handle_call(detail::terminate_child_request r) {
    return impl_->terminate(r.which);
}
detail::child_verb_request::reply supervisor::handle_call(detail::child_verb_request r) {
    return r.what == verb::restart ? impl_->restart(r.id) : impl_->remove(r.id);
}
std::vector<child_info> supervisor::handle_call(detail::which_children_request) {
    return impl_->which();
}
child_counts supervisor::handle_call(detail::count_children_request) { return impl_->count(); }
detail::get_childspec_request::reply supervisor::handle_call(detail::get_childspec_request r) {
    return impl_->spec_of(r.which);
}
pid supervisor::handle_call(detail::find_child_request r) { return impl_->find(r.identity); }
void supervisor::handle_info(exit_signal e) { impl_->child_gone(e.from, e.reason); }
void supervisor::handle_info(detail::orphans o) { impl_->note(std::move(o)); }
void supervisor::handle_info(detail::retry_child r) { impl_->retry(r.serial); }
void supervisor::stop_children() { impl_->stop_all(); }

// --- The functions ------------------------------------------------------------------------------------------

result<started_child, child_error> start_child(supervisor_ref sup, child_spec spec) {
    return ask(sup, detail::start_child_request{std::move(spec)});
}
result<void, child_error> terminate_child(supervisor_ref sup, std::string id) {
    return without_value(ask(sup, detail::terminate_child_request{std::move(id)}));
}
result<void, child_error> terminate_child(supervisor_ref sup, pid child) {
    return without_value(ask(sup, detail::terminate_child_request{child}));
}
result<started_child, child_error> restart_child(supervisor_ref sup, std::string id) {
    return ask(sup, detail::child_verb_request{verb::restart, std::move(id)});
}
result<void, child_error> delete_child(supervisor_ref sup, std::string id) {
    return without_value(ask(sup, detail::child_verb_request{verb::remove, std::move(id)}));
}
std::vector<child_info> which_children(supervisor_ref sup) {
    return ask(sup, detail::which_children_request{});
}
child_counts count_children(supervisor_ref sup) {
    return ask(sup, detail::count_children_request{});
}
result<child_spec, child_error> get_childspec(supervisor_ref sup, std::string id) {
    return ask(sup, detail::get_childspec_request{std::move(id)});
}
result<child_spec, child_error> get_childspec(supervisor_ref sup, pid child) {
    return ask(sup, detail::get_childspec_request{child});
}
result<void, child_error> check_childspecs(const std::vector<child_spec>& specs,
                                           auto_shutdown_mode mode) {
    if (std::string fault = fault_of(specs, mode, specs.size() == 1); !fault.empty())
        return failure(child_error{child_failure::bad_spec, "bad_spec"_a, {}, std::move(fault)});
    return {};
}

}  // namespace heirloom
