#pragma once

// Heirloom's own side of a comparison: a scenario is a function that runs as the main process, does
// `n` operations, keeps its own time and checks its own answer, as the peers' programs do.

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>

#include <benchmark/benchmark.h>

#include <heirloom/heirloom.hpp>

namespace heirloom::bench {

struct outcome {
    double seconds = 0;
    std::uint64_t operations = 0;
    bool right = false;
};

using scenario = std::function<outcome(std::uint64_t n)>;

/// How long `work` took, in seconds.
template <class Work>
double timed(Work&& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The generator every contender uses.
constexpr std::uint64_t next_random(std::uint64_t x) {
    return (x * 1103515245u + 12345u) & 0x7fffffffu;
}

/// Registers `name` as it stands, to be measured on a runtime of `workers`.
inline bool measure(const std::string& name, unsigned workers, std::uint64_t n, scenario body) {
    const auto run = [=](benchmark::State& state) {
        runtime rt({.workers = workers, .log = [](const auto&) {}});
        const auto once = [&](std::uint64_t operations) {
            outcome result;
            const int status = rt.run([&] { result = body(operations); });
            result.right = result.right && status == 0;
            return result;
        };
        (void)once(n / 10 + 1);
        std::int64_t operations = 0;
        for ([[maybe_unused]] auto _ : state) {
            const outcome result = once(n);
            if (!result.right) {
                state.SkipWithError("wrong answer");
                break;
            }
            state.SetIterationTime(result.seconds);
            operations += static_cast<std::int64_t>(result.operations);
        }
        state.SetItemsProcessed(operations);
    };
    benchmark::RegisterBenchmark(name.c_str(), run)->UseManualTime()->Unit(benchmark::kMillisecond);
    return true;
}

/// Registers `name/workers:W` for one worker and for two.
inline bool measure_on_workers(const std::string& name, std::uint64_t n, const scenario& body) {
    for (const unsigned workers : {1u, 2u})
        measure(name + "/workers:" + std::to_string(workers), workers, n, body);
    return true;
}

}  // namespace heirloom::bench
