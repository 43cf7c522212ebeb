#include "heirloom/gen_statem.hpp"

#include <algorithm>
#include <string>

namespace heirloom {

unhandled_event::unhandled_event(std::string_view machine, std::string_view state,
                                 std::string_view event)
    : std::logic_error("heirloom: " + std::string(machine) + " has no handle_event for " +
                       std::string(event) + " in state " + std::string(state)) {}

namespace detail {

statem_base::~statem_base() = default;

statem_base& running_statem(const char* function) {
    if (!in_process()) throw not_in_process(function);
    if (auto* machine = dynamic_cast<statem_base*>(current_activity())) return *machine;
    throw bad_argument(function, "the running process is no state machine");
}

duration time_until(time_point when) noexcept {
    if (when == time_point::max()) return forever;
    return std::max(duration::zero(), when - runtime_clock::now());
}

void statem_base::postpone() {
    if (!handling_) throw bad_argument("postpone", "no event is being handled");
    postponing_ = true;
}

void statem_base::postpone_with(open_call call) {
    postpone();
    postponed_call_ = std::move(call);
}

// A timeout of 0 comes before the mailbox, so it is no message there (OTP: before any event not yet received).
void statem_base::set_timer(timer which, duration limit, atom name) {
    if (limit < duration::zero()) throw bad_argument("set_timeout", "a negative limit");
    if (which == timer::state) state_timer_fresh_ = true;
    if (which == timer::named && !name) throw bad_argument("set_timeout", "the name is empty");
    cancel_timer(which, name);
    if (limit == forever) return;
    armed_timer armed{which, name, ++timer_serial_, {}};
    if (limit != duration::zero())
        armed.ref = send_after(limit, self(), timer_fired{which, armed.serial});
    timers_.push_back(armed);
}

message* statem_base::due_at_once() const {
    for (const armed_timer& a : timers_)
        if (!a.ref) return new_user_message<timer_fired>(timer_fired{a.which, a.serial});
    return nullptr;
}

bool statem_base::something_is_due() const noexcept {
    return std::any_of(timers_.begin(), timers_.end(), [](const armed_timer& a) { return !a.ref; });
}

bool statem_base::is_due(const timer_fired& t, atom& name) {
    const auto found = std::find_if(timers_.begin(), timers_.end(),
                                    [&](const armed_timer& a) { return a.serial == t.serial; });
    if (found == timers_.end()) return false;  // taken back when it was in the mailbox already
    name = found->name;
    timers_.erase(found);
    return true;
}

void statem_base::cancel_timer(timer which, atom name) noexcept {
    std::erase_if(timers_, [&](const armed_timer& a) {
        if (a.which != which || a.name != name) return false;
        if (a.ref) cancel(a.ref);
        return true;
    });
}

}  // namespace detail
}  // namespace heirloom
