#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <heirloom/gen_server.hpp>

// Looking into running servers (OTP: sys). Every function is a request to the server, served between two
// callbacks, also while it is suspended.
namespace heirloom::sys {

enum class event_kind : std::uint8_t {
    in,            // a message was taken out of the mailbox
    handled,       // its callback returned
    handled_call,  // the same, of a call: it was answered, or will be later
};
struct event {
    event_kind kind;
    heirloom::pid server;
    std::string message;  // its type, as the source spells it
    heirloom::pid client; // who called
    time_point when;
};

}  // namespace heirloom::sys
