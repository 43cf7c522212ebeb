#pragma once

#include "runtime/talk.hpp"

#include <heirloom/monitor.hpp>
#include <heirloom/process.hpp>

// A process with a full mailbox, for tests of what happens then.
namespace heirloom::test {

inline constexpr int bound = 4;

/// Sits on its mailbox until told by a signal-like message that is exempt from the bound: the down of `gate`. Then
/// reports what it has, and starts again with the next gate.
struct lazy {
    pid process;
    pid gate;
};

/// A bounded process that reads nothing until the process `gate` ends, and then sends every number on to `boss`.
inline lazy spawn_lazy(mailbox_policy policy, pid boss) {
    const pid gate = spawn([] { receive<stop>(); });
    const pid process = spawn({.mailbox_bound = bound, .when_full = policy}, [boss, gate] {
        const monitor_ref opened = monitor(gate);
        send(boss, go{});
        reason_of(opened);
        for (bool more = true; more;)
            more = receive(
                [boss](number n) {
                    send(boss, n);
                    return true;
                },
                [](stop) { return false; });
    });
    receive<go>();
    return {process, gate};
}

inline void open(const lazy& l) { exit(l.gate, reason::kill); }

}  // namespace heirloom::test
