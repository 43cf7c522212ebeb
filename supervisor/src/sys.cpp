#include "heirloom/sys.hpp"

#include "heirloom/log.hpp"
#include "heirloom/process.hpp"
#include "sys_state.hpp"

#include <algorithm>
#include <exception>

namespace heirloom::detail {

void sys_state_deleter::operator()(sys_state* s) const noexcept { delete s; }

sys_state& server_core::sys() {
    server_extras& mine = extras();
    if (mine.sys == nullptr) mine.sys.reset(new sys_state);
    return *mine.sys;
}

void server_core::set_suspended(bool on) {
    sys();
    if (on) {
        attention_ |= suspend_asked | replay_asked;
    } else {
        attention_ &= static_cast<std::uint8_t>(~suspend_asked);
    }
}

void server_core::set_observed(bool on) noexcept {
    if (on)
        attention_ |= observe_asked;
    else
        attention_ &= static_cast<std::uint8_t>(~observe_asked);
}

void sys_state::event(sys::event_kind kind, std::string_view message, pid client) {
    if (counting) {
        messages_in += kind == sys::event_kind::in;
        replies_out += kind == sys::event_kind::handled_call;
    }
    if (log_size == 0 && observers.empty()) return;
    sys::event e{kind, self(), std::string(message), client, runtime_clock::now()};
    // An observer that fails is removed, as one that has seen enough is.
    std::erase_if(observers, [&](observer& o) {
        try {
            return !o.see(e);
        } catch (...) {
            (void)caught_reason();  // a kill goes on
            return true;
        }
    });
    if (log_size == 0) return;
    log.push_back(std::move(e));
    if (log.size() > log_size) log.pop_front();
}

// --- What the requests of sys.hpp do, in the server ---------------------------------------------------------------

void suspend_server(server_core& core, bool on) { core.set_suspended(on); }

sys::status status_of(server_core& core) {
    return {self(), std::string(core.identity().name), core.suspended(), core.parent(),
            core.describe()};
}

void count_events(server_core& core, bool on) {
    sys_state& s = core.sys();
    s.counting = on;
    s.counting_since = runtime_clock::now();
    s.messages_in = s.replies_out = 0;
    core.set_observed(s.observed());
}

std::optional<sys::counts> counts_of(server_core& core) {
    if (!core.has_sys() || !core.sys().counting) return std::nullopt;
    const sys_state& s = core.sys();
    return sys::counts{runtime_clock::now() - s.counting_since, s.messages_in, s.replies_out};
}

void keep_events(server_core& core, std::size_t how_many) {
    sys_state& s = core.sys();
    s.log_size = how_many;
    while (s.log.size() > how_many) s.log.pop_front();
    core.set_observed(s.observed());
}

std::vector<sys::event> kept_events(server_core& core) {
    if (!core.has_sys()) return {};
    const sys_state& s = core.sys();
    return {s.log.begin(), s.log.end()};
}

void install_observer(server_core& core, std::string id,
                      std::function<bool(const sys::event&)> see) {
    sys_state& s = core.sys();
    const bool there = std::any_of(s.observers.begin(), s.observers.end(),
                                   [&](const auto& o) { return o.id == id; });
    if (!there) s.observers.push_back({std::move(id), std::move(see)});
    core.set_observed(true);
}

void remove_observer(server_core& core, std::string_view id) {
    if (!core.has_sys()) return;
    sys_state& s = core.sys();
    std::erase_if(s.observers, [&](const auto& o) { return o.id == id; });
    core.set_observed(s.observed());
}

void observe_nothing(server_core& core) {
    if (!core.has_sys()) return;
    sys_state& s = core.sys();
    s.observers.clear();
    s.counting = false;
    s.log_size = 0;
    s.log.clear();
    core.set_observed(false);
}

bool trace_to_log(const sys::event& e) {
    const char* what = e.kind == sys::event_kind::in ? " got " : " has handled ";
    log({.level = log_level::info,
         .event = "trace",
         .about = e.server,
         .text = to_string(e.server) + what + e.message +
                 (e.client ? " of " + to_string(e.client) : "")});
    return true;
}

}  // namespace heirloom::detail
