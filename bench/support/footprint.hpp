#pragma once

// Weighing: how much resident memory (as the kernel counts it) some work leaves behind while it stands. Each measurement
// is a program of its own, forked, because memory that an earlier one has touched would seem to cost nothing. The
// counters of a benchmark: `bytes`, beside it `page_tables` (which resident memory does not include), `seconds`, and
// `seconds_to_end`.

#include "support/operations.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <sys/wait.h>
#include <unistd.h>

#include <heirloom/log.hpp>
#include <heirloom/runtime.hpp>

namespace heirloom::bench {

struct footprint {
    double bytes = 0;
    double page_tables = 0;

    static footprint now() {
        footprint f;
        if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
            long size = 0;
            long resident = 0;
            if (std::fscanf(file, "%ld %ld", &size, &resident) == 2)
                f.bytes =
                    static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
            std::fclose(file);
        }
        if (std::FILE* file = std::fopen("/proc/self/status", "r")) {
            char line[256];
            long kilobytes = 0;
            while (std::fgets(line, sizeof line, file))
                if (std::sscanf(line, "VmPTE: %ld kB", &kilobytes) == 1)
                    f.page_tables = static_cast<double>(kilobytes) * 1024;
            std::fclose(file);
        }
        return f;
    }
    friend footprint operator-(const footprint& a, const footprint& b) {
        return {a.bytes - b.bytes, a.page_tables - b.page_tables};
    }
};

struct weighed {
    bool right = false;
    double seconds = 0;         // until all stood
    double seconds_to_end = 0;  // and until all were gone, where that was timed
    footprint grown;            // for all processes together
};

inline double since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Room for `n`, written, so that it counts as `before`.
template <class T>
std::vector<T> room_for(std::int64_t n) {
    return std::vector<T>(static_cast<std::size_t>(n));
}

/// What is there once `make` has run that was not there before; `make` says whether all is as it should be.
template <class Make>
weighed standing_after(Make make) {
    weighed result;
    const footprint before = footprint::now();
    const auto started = std::chrono::steady_clock::now();
    result.right = make();
    result.seconds = since(started);
    result.grown = footprint::now() - before;
    return result;
}

/// Runs `work` as the main process of a fresh runtime in a program of its own.
template <class Work>
weighed in_a_fresh_program(Work work) {
    weighed result;
    int ends[2];
    if (pipe(ends) != 0) return result;
    const pid_t child = fork();
    if (child == 0) {
        {
            runtime rt({.log = [](const log_event&) {}});
            rt.run([&] { result = work(); });
        }
        const bool told = write(ends[1], &result, sizeof result) == sizeof result;
        _exit(told ? 0 : 1);
    }
    close(ends[1]);
    if (read(ends[0], &result, sizeof result) != sizeof result) result = {};
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) result.right = false;
    return result;
}

/// `share`: the bytes of one process, or of all.
enum class share : std::uint8_t { of_one, of_all };

inline void weigh(const char* name, std::int64_t n, weighed (*work)(std::int64_t), share counted) {
    n = static_cast<std::int64_t>(operations_or(static_cast<std::uint64_t>(n)));
    benchmark::RegisterBenchmark(name, [=](benchmark::State& state) {
        while (state.KeepRunningBatch(n)) {
            const weighed result = in_a_fresh_program([&] { return work(n); });
            if (!result.right) return state.SkipWithError("the answer was wrong");
            state.SetIterationTime(result.seconds);
            const double parts = counted == share::of_one ? static_cast<double>(n) : 1;
            state.counters["bytes"] = result.grown.bytes / parts;
            state.counters["page_tables"] = result.grown.page_tables / parts;
            state.counters["seconds"] = result.seconds;
            if (result.seconds_to_end > 0) state.counters["seconds_to_end"] = result.seconds_to_end;
        }
    })->UseManualTime();
}

}  // namespace heirloom::bench
