#pragma once

#include "support/operations.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <heirloom/ets.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/runtime.hpp>
#include <heirloom/send.hpp>

// Running a scenario inside a runtime, on one worker a process. The clock covers the start of the first process to the
// end of the last; a batch is large, so that starting them is no part of the figure.
namespace heirloom::bench {

inline const std::uint64_t batch = operations_or(400'000);

/// The order in which keys are asked for: every key once in `rows` steps, none beside the last.
inline long key_of(std::uint64_t j, std::uint64_t rows) {
    return static_cast<long>((j * 7919) % rows);
}

/// A table of ten million rows takes longer to fill than to measure, so all its runs are made after one setup.
inline constexpr benchmark::IterationCount runs_after_one_setup = 5;

/// The time of an iteration; and where all runs are made after one setup, each run's own figure (ns an operation), which the
/// driver reads as `run_0`, `run_1`, ...
inline void set_time(benchmark::State& state, double seconds, std::uint64_t operations) {
    state.SetIterationTime(seconds);
    if (state.max_iterations != runs_after_one_setup) return;
    const auto run = std::to_string(state.counters.size());
    state.counters["run_" + run] = seconds * 1e9 / static_cast<double>(operations);
}

/// `make()` runs in the main process and returns a table; `operation(table, j, who)` returns 0 if its answer is right.
/// `check(table, operations)` says whether the table is as it must be at the end.
template <class Make, class Operation, class Check>
void on_processes(benchmark::State& state, unsigned processes, Make make, Operation operation,
                  Check check) {
    runtime rt({.workers = processes, .log = [](const log_event&) {}});
    std::uint64_t operations = 0;
    bool right = true;
    rt.invoke([&] {
        auto table = make();
        for (auto _ : state) {
            std::atomic<std::uint64_t> wrong{0};
            std::atomic<unsigned> ready{0};
            const std::uint64_t each = batch / processes;
            const auto work = [&](unsigned who) {
                auto mine = table;
                ready.fetch_add(1);
                // Not a turn given up: then all of them could be on one worker when the clock starts, and stay there for
                // half of the run.
                while (ready.load() < processes) {
                }
                std::uint64_t sum = 0;
                for (std::uint64_t j = 0; j < each; ++j) sum += operation(mine, j, who);
                wrong.fetch_add(sum);
            };
            const pid boss = self();
            for (unsigned who = 1; who < processes; ++who)
                spawn([&work, who, boss] {
                    work(who);
                    send(boss, who);
                });
            while (ready.load() + 1 < processes) {
            }
            const auto begin = std::chrono::steady_clock::now();
            work(0);
            for (unsigned who = 1; who < processes; ++who) receive<unsigned>();
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
            set_time(state, took.count(), each * processes);
            operations += each * processes;
            right = right && wrong.load() == 0;
        }
        right = right && check(table, operations);
        state.counters["bytes_per_row"] =
            static_cast<double>(table.info()->memory) /
            static_cast<double>(std::max<std::size_t>(table.size(), 1));
    });
    state.SetItemsProcessed(static_cast<std::int64_t>(operations));
    if (!right) state.SkipWithError("wrong answer");
}

template <class Table>
Table filled(std::uint64_t rows, ets::access access) {
    auto table = Table::create({.access = access});
    for (std::uint64_t k = 0; k < rows; ++k)
        table.insert(static_cast<long>(k), static_cast<long>(k));
    return table;
}

template <class F>
void add(const std::string& name, F f) {
    auto* made =
        benchmark::RegisterBenchmark(name.c_str(), [f](benchmark::State& state) { f(state); });
    made->UseManualTime();
    if (name.find("/rows:10000000/") != std::string::npos) made->Iterations(runs_after_one_setup);
}
inline constexpr auto unchecked = [](const auto&, std::uint64_t) { return true; };

/// A benchmark whose time is the longest of some waits: `measure`, run as a process, returns seconds, negative if what was to be
/// done meanwhile is not done.
template <class F>
void add_longest(const std::string& name, unsigned workers, F measure) {
    benchmark::RegisterBenchmark(name.c_str(),
                                 [=](benchmark::State& state) {
                                     runtime rt(
                                         {.workers = workers, .log = [](const log_event&) {}});
                                     bool right = true;
                                     for (auto _ : state) {
                                         const double seconds = rt.invoke(measure);
                                         right = right && seconds >= 0;
                                         state.SetIterationTime(std::max(seconds, 1e-9));
                                     }
                                     if (!right) state.SkipWithError("wrong answer");
                                 })
        ->UseManualTime()
        ->Iterations(1);
}

}  // namespace heirloom::bench
