#pragma once

#include <algorithm>
#include <vector>

#include <heirloom/monitor.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/send.hpp>

// The few messages and steps that most tests of processes are made of.
namespace heirloom::test {

struct go {};
struct stop {};
struct done {};
struct number {
    int n;
};
struct ping {
    pid from;
};
struct pong {
    pid from;
};

/// Waits for the end of a watched process; its reason.
inline exit_reason reason_of(const monitor_ref& watch) {
    return receive(when(watch, [](down d) { return d.reason; }));
}
/// Watches a process until it ends; its reason.
inline exit_reason await_end(pid who) { return reason_of(monitor(who)); }

/// Waits until a process has ended and has told everybody: after this, nothing of it is on its way any more. (A `down`
/// with no_process may overtake what a process in its exit is still sending.)
inline void await_gone(pid who) {
    for (;;) {
        const std::vector<pid> all = processes();
        if (std::find(all.begin(), all.end(), who) == all.end()) return;
        yield();
    }
}

/// Serves pings and ends when told to.
/// Takes `go` until it is told to stop.
inline void swallow() {
    while (receive([](go) { return true; }, [](stop) { return false; })) {
    }
}

inline void answer_pings() {
    for (bool more = true; more;)
        more = receive(
            [](ping p) {
                send(p.from, pong{self()});
                return true;
            },
            [](stop) { return false; });
}
/// A round trip: what was sent to `who` before it has been handled there.
inline void sync_with(pid who) {
    send(who, ping{self()});
    receive(when([who](const pong& p) { return p.from == who; }, [](pong) {}));
}

/// A pid that named a process once.
inline pid dead_pid() {
    auto [gone, watch] = spawn_monitor([] {});
    reason_of(watch);
    await_gone(gone);
    return gone;
}

}  // namespace heirloom::test
