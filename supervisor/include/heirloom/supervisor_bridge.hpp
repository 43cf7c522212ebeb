#pragma once

#include <type_traits>
#include <utility>

#include <heirloom/gen_server.hpp>

// A bridge puts a subsystem that is no server under a supervisor (OTP: supervisor_bridge). T starts it in its
// constructor, which may ignore_start() or exit; says `pid inner() const`, the process that counts; and ends it in
// `terminate(const exit_reason&)`. When the inner process ends, T is told and the bridge ends with the same reason.
//
//     child<supervisor_bridge<legacy>>("legacy", arguments...)

namespace heirloom {

template <class T>
class supervisor_bridge {
public:
    template <class... A>
        requires std::is_constructible_v<T, A...>
    explicit supervisor_bridge(A... args)
        : subsystem_(std::move(args)...), inner_(subsystem_.inner()) {
        link(inner_);
    }
    void handle_info(exit_signal e) {
        if (e.from == inner_) stop(e.reason);
    }
    void terminate(const exit_reason& why) { subsystem_.terminate(why); }

private:
    struct trapping {
        trapping() { trap_exit(true); }
    };
    trapping before_;  // what the subsystem starts may be linked and end at once
    T subsystem_;
    pid inner_;
};

}  // namespace heirloom
