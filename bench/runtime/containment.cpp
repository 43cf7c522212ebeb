// How long do others wait because of a process that never calls the library, or of 64 that block? Of 1,000 processes on two
// workers that send each other messages, the delay from a send to its handler: with nobody in the way, beside one that spins
// (99.9th percentile at most 20 ms), and beside blocking calls of 100 ms (at most 5 ms). The bounds are checked: the program
// fails if one is exceeded, so it wants the machine for itself. Not asked here: what the messages themselves cost.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include <heirloom/blocking.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/runtime.hpp>
#include <heirloom/send.hpp>

namespace {

using namespace heirloom;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr int pairs = 500;
constexpr duration measured = 2s;

struct letter {
    pid from;
    clock_type::time_point sent;
};
struct delays {
    std::vector<std::int64_t> nanoseconds;
};

std::int64_t delay_of(const letter& l) { return (clock_type::now() - l.sent).count(); }

/// Writes a letter, gets one back, rests for a millisecond; until `over`. Reports all delays to `boss`.
void correspond(pid boss, pid peer, const std::atomic<bool>& over) {
    delays mine;
    while (!over) {
        send(peer, letter{self(), clock_type::now()});
        receive([&](const letter& l) { mine.nanoseconds.push_back(delay_of(l)); },
                after(1s, [] {}));  // the other one may have seen the end first
        sleep(1ms);
    }
    send(boss, std::move(mine));
}
void answer(pid boss, const std::atomic<bool>& over) {
    delays mine;
    while (!over)
        receive(
            [&](const letter& l) {
                mine.nanoseconds.push_back(delay_of(l));
                send(l.from, letter{self(), clock_type::now()});
            },
            after(100ms, [] {}));
    send(boss, std::move(mine));
}

struct outcome {
    double p999_ms;
    double worst_ms;
    std::size_t letters;
};

/// What letters take while whoever `disturb` starts is at work; it ends them when `over` is set.
outcome measure(void (*disturb)(const std::atomic<bool>& over)) {
    std::atomic<bool> over{false};
    runtime rt({.workers = 2, .log = [](const log_event&) {}});
    std::vector<std::int64_t> all = rt.run([&] {
        std::vector<pid> peers;
        for (int i = 0; i < pairs; ++i)
            peers.push_back(spawn([boss = self(), &over] { answer(boss, over); }));
        for (const pid peer : peers)
            spawn([boss = self(), peer, &over] { correspond(boss, peer, over); });
        disturb(over);
        // Watched from outside the runtime: a spinning process must not keep the measurement from ending.
        std::thread end([&over] {
            std::this_thread::sleep_for(measured);
            over = true;
        });
        std::vector<std::int64_t> collected;
        for (int i = 0; i < 2 * pairs; ++i)
            receive(
                [&](delays d) {
                    collected.insert(collected.end(), d.nanoseconds.begin(), d.nanoseconds.end());
                },
                after(10s, [] {}));
        end.join();
        return collected;
    });
    std::sort(all.begin(), all.end());
    if (all.empty()) return {1e9, 1e9, 0};
    return {static_cast<double>(all[all.size() - 1 - all.size() / 1000]) / 1e6,
            static_cast<double>(all.back()) / 1e6, all.size()};
}

bool report(const char* what, const outcome& o, double figure, double bound, const char* of) {
    const bool good = o.letters > 10'000 && (bound == 0 || figure <= bound);
    std::printf("%-12s %8zu letters, 99.9th percentile %7.3f ms, worst %7.3f ms", what, o.letters,
                o.p999_ms, o.worst_ms);
    if (bound != 0) std::printf("; %s at most %.0f ms: %s", of, bound, good ? "ok" : "EXCEEDED");
    std::printf("\n");
    return good;
}

}  // namespace

int main() {
    bool good = true;
    const outcome quiet = measure([](const std::atomic<bool>&) {});
    good &= report("undisturbed", quiet, 0, 0, "");
    const outcome beside_spinner = measure([](const std::atomic<bool>& over) {
        spawn([&over] {
            while (!over) {
            }
        });
    });
    good &= report("spinning", beside_spinner, beside_spinner.p999_ms, 20, "99.9th percentile");
    const outcome beside_blocked = measure([](const std::atomic<bool>& over) {
        for (int i = 0; i < 64; ++i)
            spawn([&over] {
                while (!over) blocking([] { std::this_thread::sleep_for(100ms); });
            });
    });
    good &= report("blocking", beside_blocked, beside_blocked.worst_ms, 5, "worst");
    return good ? 0 : 1;
}
