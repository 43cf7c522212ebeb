// How long do others wait because of a process that never calls the library, or of 64 that block? A thousand processes on
// two workers write each other letters; the figure is the delay from a send to its handler: the 99.9th percentile with
// nobody in the way, beside a process that spins for ever and beside one that spins for 30 ms at a time (so that its worker
// is taken from it again and again), and the longest of all beside 64 processes that make blocking calls of 100 ms.
// Each letter has to arrive. Not asked here: what the letters themselves cost. It wants the machine for itself.
#include "support/scenario.hpp"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include <heirloom/blocking.hpp>

namespace heirloom::bench {
namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr int pairs = 500;

struct letter {
    pid from;
    clock_type::time_point sent;
};
struct no_more {};
struct delays {
    std::vector<std::int64_t> nanoseconds;
    void note(const letter& l) { nanoseconds.push_back((clock_type::now() - l.sent).count()); }
};

void correspond(pid boss, pid peer, std::int64_t letters) {
    delays mine;
    for (std::int64_t i = 0; i < letters; ++i) {
        send(peer, letter{self(), clock_type::now()});
        receive([&](const letter& l) { mine.note(l); });
        sleep(1ms);
    }
    send(peer, no_more{});
    send(boss, std::move(mine));
}
void answer(pid boss) {
    delays mine;
    const auto answered_one = [&] {
        return receive(
            [&](const letter& l) {
                mine.note(l);
                send(l.from, letter{self(), clock_type::now()});
                return true;
            },
            [](no_more) { return false; });
    };
    while (answered_one()) {
    }
    send(boss, std::move(mine));
}

using disturbance = void (*)(const std::atomic<bool>& over);

/// The delays of `n` letters while those whom `disturb` starts are at work, in order.
std::vector<std::int64_t> sorted_delays(std::int64_t n, disturbance disturb) {
    std::atomic<bool> over{false};
    std::vector<std::int64_t> all;
    runtime rt({.workers = 2, .log = [](const log_event&) {}});
    rt.run([&] {
        disturb(over);
        for (int i = 0; i < pairs; ++i) {
            const pid peer = spawn([boss = self()] { answer(boss); });
            spawn([=, boss = self()] { correspond(boss, peer, n / (2 * pairs)); });
        }
        for (int i = 0; i < 2 * pairs; ++i)
            receive([&](delays d) {
                all.insert(all.end(), d.nanoseconds.begin(), d.nanoseconds.end());
            });
        over = true;
    });
    std::sort(all.begin(), all.end());
    return all;
}

void spin(const std::atomic<bool>& over, duration at_most) {
    const auto end = clock_type::now() + at_most;
    while (!over && clock_type::now() < end) {
    }
}
void nobody(const std::atomic<bool>&) {}
void one_spins(const std::atomic<bool>& over) {
    spawn([&over] { spin(over, 1h); });
}
void one_spins_at_times(const std::atomic<bool>& over) {
    spawn([&over] {
        while (!over) {
            spin(over, 30ms);
            yield();
        }
    });
}
void many_block(const std::atomic<bool>& over) {
    for (int i = 0; i < 64; ++i)
        spawn([&over] {
            while (!over) blocking([] { std::this_thread::sleep_for(100ms); });
        });
}

enum class figure : std::uint8_t { all_but_a_thousandth, longest };

void add(const char* name, disturbance disturb, figure which) {
    const auto n = static_cast<std::int64_t>(operations_or(1'000'000)) / (2 * pairs) * (2 * pairs);
    benchmark::RegisterBenchmark(
        name,
        [=](benchmark::State& state) {
            for (auto _ : state) {
                const std::vector<std::int64_t> all = sorted_delays(n, disturb);
                if (n == 0 || static_cast<std::int64_t>(all.size()) != n)
                    return state.SkipWithError("not every letter arrived");
                const auto seconds = [&](std::size_t i) {
                    return static_cast<double>(all[i]) * 1e-9;
                };
                const double bounded = seconds(all.size() - 1 - all.size() / 1000);
                const double longest = seconds(all.size() - 1);
                state.SetIterationTime(which == figure::longest ? longest : bounded);
                state.counters["median_us"] = seconds(all.size() / 2) * 1e6;
                state.counters["p999_ms"] = bounded * 1e3;
                state.counters["longest_ms"] = longest * 1e3;
            }
        })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond)
        ->Iterations(1);
}

const bool registered = [] {
    add("runtime/containment/beside:nobody/workers:2", nobody, figure::all_but_a_thousandth);
    add("runtime/containment/beside:spinning/workers:2", one_spins, figure::all_but_a_thousandth);
    add("runtime/containment/beside:spinning_at_times/workers:2", one_spins_at_times,
        figure::all_but_a_thousandth);
    add("runtime/containment/beside:blocking/workers:2", many_block, figure::longest);
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
