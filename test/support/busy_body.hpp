#pragma once

#include <chrono>
#include <stdexcept>
#include <vector>

#include <heirloom/exit_reason.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/names.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/send.hpp>
#include <heirloom/timer.hpp>

// A program for those who look at traces.
namespace heirloom::test {

struct ping {
    pid from;
    int n;
};
struct pong {
    int n;
};
/// Everything a trace tells of: spawns, messages both ways, waits, limits, timers, links, monitors,
/// exits.
inline void busy_body() {
    using namespace std::chrono_literals;
    trap_exit(true);
    register_name("main"_a, self());
    const pid echo = spawn_link({.name = "echo"}, [] {
        for (int i = 0; i < 5; ++i) receive([](ping p) { send(p.from, pong{p.n}); });
        exit("done"_a);
    });
    std::vector<monitor_ref> watched;
    for (int i = 0; i < 3; ++i) {
        auto [worker, ref] = spawn_monitor([i, boss = self()] {
            sleep(std::chrono::microseconds(10 * i));
            send_after(50us, boss, i);
            if (i == 1) throw std::runtime_error("worker 1 fails");
        });
        watched.push_back(ref);
    }
    for (int i = 0; i < 5; ++i) {
        send(echo, ping{self(), i});
        receive([](pong) {}, after(1ms, [] {}));
    }
    for (const auto& ref : watched) receive(when(ref, [](const down&) {}));
    receive([](const exit_signal&) {});
    for (int i = 0; i < 3; ++i) receive([](int) {});
}

}  // namespace heirloom::test
