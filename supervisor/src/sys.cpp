#include "heirloom/sys.hpp"

#include <algorithm>
#include <exception>

#include "heirloom/process.hpp"
#include "sys_state.hpp"

namespace heirloom::detail {

void sys_state_deleter::operator()(sys_state* s) const noexcept { delete s; }

sys_state& server_core::sys() {
    if (sys_ == nullptr) sys_.reset(new sys_state);
    return *sys_;
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
        } catch (const std::exception&) {
            return true;
        }
    });
    if (log_size == 0) return;
    log.push_back(std::move(e));
    if (log.size() > log_size) log.pop_front();
}

}  // namespace heirloom::detail
