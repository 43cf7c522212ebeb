#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <benchmark/benchmark.h>

#include <heirloom/monitor.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/runtime.hpp>
#include <heirloom/send.hpp>

// What the scenarios share. A scenario does one batch of operations as the main process of a
// runtime and says whether the answer was right. Clocks are read twice a batch, never inside its
// loops; the time that Google Benchmark shows is nanoseconds an operation.
namespace heirloom::bench {

/// Holds the time of the part of a batch that counts: making and ending its processes may not.
class stopwatch {
public:
    void start() noexcept { started_ = std::chrono::steady_clock::now(); }
    void stop() noexcept { seconds_ = std::chrono::steady_clock::now() - started_; }
    double seconds() const noexcept { return seconds_.count(); }

private:
    std::chrono::steady_clock::time_point started_;
    std::chrono::duration<double> seconds_{0};
};

/// Does `n` operations and checks the answer. Runs as a process.
using scenario = bool (*)(std::int64_t n, stopwatch& watch);
/// The same for what a plain thread does with a runtime.
using outside_scenario = bool (*)(runtime& rt, std::int64_t n, stopwatch& watch);

template <class Batch>
void measure(benchmark::State& state, std::int64_t n, Batch batch) {
    runtime rt({.workers = static_cast<unsigned>(state.range(0))});
    stopwatch watch;
    bool right = batch(rt, n / 10 + 1, watch);  // fills caches and free lists
    while (right && state.KeepRunningBatch(n)) {
        right = batch(rt, n, watch);
        state.SetIterationTime(watch.seconds());
    }
    if (!right) state.SkipWithError("the answer was wrong");
}

inline benchmark::internal::Benchmark* with_workers(benchmark::internal::Benchmark* b) {
    return b->ArgName("workers")->Arg(1)->Arg(2)->UseManualTime();
}

/// Registers a scenario in batches of `n` operations, at one and at two workers.
inline benchmark::internal::Benchmark* add(const char* name, std::int64_t n, scenario run) {
    return with_workers(benchmark::RegisterBenchmark(name, [=](benchmark::State& state) {
        measure(state, n, [run](runtime& rt, std::int64_t count, stopwatch& watch) {
            bool right = false;
            return rt.run([&] { right = run(count, watch); }) == 0 && right;
        });
    }));
}
inline benchmark::internal::Benchmark* add(const char* name, std::int64_t n, outside_scenario run) {
    return with_workers(benchmark::RegisterBenchmark(
        name, [=](benchmark::State& state) { measure(state, n, run); }));
}

/// Ends a process that waits for ever, and returns when it is gone.
inline void end(pid who) {
    const monitor_ref watch = monitor(who);
    exit(who, reason::shutdown);  // orderly: nothing to log
    receive(when(watch, [](const down&) {}));
}

/// 0 + 1 + ... + (n - 1)
constexpr std::int64_t sum_below(std::int64_t n) { return n * (n - 1) / 2; }

}  // namespace heirloom::bench
