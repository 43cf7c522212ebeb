#pragma once

// Heirloom's own side of a comparison: a scenario runs as the main process of a runtime, does about `n` operations, keeps
// its own time and checks its own answer, as the peers' programs do. Clocks are read twice a batch, never inside its
// loops; the time that Google Benchmark shows is nanoseconds an operation.

#include "support/operations.hpp"
#include "support/same_work.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include <benchmark/benchmark.h>

#include <heirloom/log.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/runtime.hpp>
#include <heirloom/send.hpp>

namespace heirloom::bench {

using namespace same_work;

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

/// How long `work` took, in seconds.
template <class Work>
double timed(Work&& work) {
    stopwatch watch;
    watch.start();
    work();
    watch.stop();
    return watch.seconds();
}

struct outcome {
    double seconds = 0;
    std::uint64_t operations = 0;
    bool right = false;
};

using scenario = std::function<outcome(std::uint64_t n)>;
/// The same for what a plain thread does with a runtime.
using outside_scenario = std::function<outcome(runtime& rt, std::uint64_t n)>;

/// 0 + 1 + ... + (n - 1)
constexpr std::int64_t sum_below(std::int64_t n) { return n * (n - 1) / 2; }

/// Ends a process that waits for ever, and returns when it is gone.
inline void end(pid who) {
    const monitor_ref watch = monitor(who);
    exit(who, reason::shutdown);  // orderly: nothing to log
    receive(when(watch, [](const down&) {}));
}

/// Registers `name` as it stands, to be measured on a runtime of `workers`. Log events are made and thrown away. The
/// first tenth of a batch fills caches and free lists.
inline bool measure_outside(const std::string& name, unsigned workers, std::uint64_t n,
                            outside_scenario body) {
    n = operations_or(n);
    const auto run = [=](benchmark::State& state) {
        runtime rt({.workers = workers, .log = [](const auto&) {}});
        bool right = body(rt, n / 10 + 1).right;
        while (right && state.KeepRunningBatch(static_cast<std::int64_t>(n))) {
            const outcome result = body(rt, n);
            right = result.right;
            state.SetIterationTime(result.seconds * static_cast<double>(n) /
                                   static_cast<double>(result.operations));
        }
        if (!right) state.SkipWithError("wrong answer");
    };
    benchmark::RegisterBenchmark(name.c_str(), run)->UseManualTime();
    return true;
}
inline bool measure(const std::string& name, unsigned workers, std::uint64_t n, scenario body) {
    return measure_outside(name, workers, n,
                           [body = std::move(body)](runtime& rt, std::uint64_t operations) {
                               outcome result;
                               const int status = rt.run([&] { result = body(operations); });
                               result.right = result.right && status == 0;
                               return result;
                           });
}

/// Registers `name/workers:W` for one worker and for two.
inline bool measure_on_workers(const std::string& name, std::uint64_t n, const scenario& body) {
    for (const unsigned workers : {1u, 2u})
        measure(name + "/workers:" + std::to_string(workers), workers, n, body);
    return true;
}

/// A scenario whose setup is large: one batch, by a body that warms up by itself.
inline bool measure_once(const std::string& name, unsigned workers, std::uint64_t n,
                         scenario body) {
    n = operations_or(n);
    const auto run = [=](benchmark::State& state) {
        runtime rt({.workers = workers, .log = [](const auto&) {}});
        while (state.KeepRunningBatch(static_cast<std::int64_t>(n))) {
            outcome result;
            const int status = rt.run([&] { result = body(n); });
            if (!result.right || status != 0) state.SkipWithError("wrong answer");
            state.SetIterationTime(result.seconds * static_cast<double>(n) /
                                   static_cast<double>(result.operations));
        }
    };
    benchmark::RegisterBenchmark(name.c_str(), run)
        ->UseManualTime()
        ->Iterations(static_cast<std::int64_t>(n));
    return true;
}

/// The same for a function that is told when to start and stop the watch, and returns whether the answer was right.
inline bool add(const std::string& name, std::int64_t n, bool (*run)(std::int64_t, stopwatch&)) {
    return measure_on_workers(name, static_cast<std::uint64_t>(n), [run](std::uint64_t count) {
        stopwatch watch;
        const bool right = run(static_cast<std::int64_t>(count), watch);
        return outcome{watch.seconds(), count, right};
    });
}
inline bool add(const std::string& name, std::int64_t n,
                bool (*run)(runtime&, std::int64_t, stopwatch&)) {
    for (const unsigned workers : {1u, 2u})
        measure_outside(name + "/workers:" + std::to_string(workers), workers,
                        static_cast<std::uint64_t>(n), [run](runtime& rt, std::uint64_t count) {
                            stopwatch watch;
                            const bool right = run(rt, static_cast<std::int64_t>(count), watch);
                            return outcome{watch.seconds(), count, right};
                        });
    return true;
}

}  // namespace heirloom::bench
