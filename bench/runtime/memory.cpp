// How much memory does a process keep while it waits, what do a million of them take, and what is
// left of a storm? The answer is the counter `bytes` (resident memory, as the kernel counts it) and
// beside it `page_tables`, which the kernel does not count. Each measurement is a program of its
// own, forked, because memory that an earlier one has touched would seem to cost nothing. Not asked
// here: what deep stacks keep (these processes use less than a page), or what allocators outside
// keep.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <sys/wait.h>
#include <unistd.h>

#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/runtime.hpp>
#include <heirloom/send.hpp>

namespace heirloom::bench {
namespace {

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

struct outcome {
    bool right = false;
    double seconds = 0;
    footprint grown;  // for all processes together
};

using clock = std::chrono::steady_clock;
double since(clock::time_point start) {
    return std::chrono::duration<double>(clock::now() - start).count();
}

struct stop {};
struct question {
    pid from;
};
struct answer {};

/// Runs `work` as the main process of a fresh runtime in a program of its own.
template <class Work>
outcome in_a_fresh_program(Work work) {
    outcome result;
    int ends[2];
    if (pipe(ends) != 0) return result;
    const pid_t child = fork();
    if (child == 0) {
        {
            runtime rt;
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

/// Starts `n` processes that wait for `stop`, and returns when all do.
std::vector<pid> start_waiting(std::int64_t n, std::vector<pid> all) {
    std::atomic<std::int64_t> waiting{0};
    for (std::int64_t i = 0; i < n; ++i) {
        all.push_back(spawn([&waiting] {
            waiting.fetch_add(1, std::memory_order_release);
            receive<stop>();
        }));
    }
    while (waiting.load(std::memory_order_acquire) < n) yield();
    return all;
}

std::vector<pid> room_for(std::int64_t n) {
    std::vector<pid> all(static_cast<std::size_t>(n));  // written, so that it counts as `before`
    all.clear();
    return all;
}

std::int64_t alive(const std::vector<pid>& all) {
    std::int64_t count = 0;
    for (const pid p : all) count += is_alive(p);
    return count;
}

void stop_all(const std::vector<pid>& all) {
    for (const pid p : all) send(p, stop{});
    for (const pid p : all)
        while (is_alive(p)) yield();
}

outcome idle_process(std::int64_t n) {
    outcome result;
    std::vector<pid> all = room_for(n);
    const footprint before = footprint::now();
    const auto started = clock::now();
    all = start_waiting(n, std::move(all));
    result.seconds = since(started);
    result.grown = footprint::now() - before;
    result.right = alive(all) == n;
    stop_all(all);
    return result;
}

// All are alive at once, each answers one question, and goes on waiting.
outcome million(std::int64_t n) {
    outcome result;
    std::vector<pid> all = room_for(n);
    const footprint before = footprint::now();
    const auto started = clock::now();
    for (std::int64_t i = 0; i < n; ++i) {
        all.push_back(spawn([] {
            const question q = receive<question>();
            send(q.from, answer{});
            receive<stop>();
        }));
    }
    std::int64_t answers = 0;
    std::size_t asked = 0;
    while (asked < all.size()) {
        const std::size_t end = std::min<std::size_t>(asked + 1000, all.size());
        const std::size_t batch = end - asked;
        for (; asked < end; ++asked) send(all[asked], question{self()});
        for (std::size_t i = 0; i < batch; ++i) receive([&](answer) { ++answers; });
    }
    result.seconds = since(started);
    result.grown = footprint::now() - before;
    result.right = answers == n && alive(all) == n;
    stop_all(all);
    return result;
}

// Ten waves of processes, all of a wave alive at once; then a pause in which memory goes back.
outcome after_storm(std::int64_t n) {
    constexpr int waves = 10;
    outcome result;
    std::vector<pid> all = room_for(n / waves);
    const footprint before = footprint::now();
    const auto started = clock::now();
    result.right = true;
    for (int wave = 0; wave < waves; ++wave) {
        all = start_waiting(n / waves, std::move(all));
        result.right = result.right && alive(all) == n / waves;
        stop_all(all);
        all.clear();
    }
    result.seconds = since(started);
    sleep(std::chrono::seconds(2));
    result.grown = footprint::now() - before;
    return result;
}

/// `share`: the bytes of one process, or of all.
enum class share : std::uint8_t { of_one, of_all };

void add(const char* name, std::int64_t n, outcome (*work)(std::int64_t), share counted) {
    benchmark::RegisterBenchmark(name, [=](benchmark::State& state) {
        while (state.KeepRunningBatch(n)) {
            const outcome result = in_a_fresh_program([&] { return work(n); });
            if (!result.right) return state.SkipWithError("the answer was wrong");
            state.SetIterationTime(result.seconds);
            const double parts = counted == share::of_one ? static_cast<double>(n) : 1;
            state.counters["bytes"] = result.grown.bytes / parts;
            state.counters["page_tables"] = result.grown.page_tables / parts;
            state.counters["seconds"] = result.seconds;
        }
    })->UseManualTime();
}

const bool registered = [] {
    add("runtime/memory/idle_process", 100'000, idle_process, share::of_one);
    add("runtime/memory/million", 1'000'000, million, share::of_all);
    add("runtime/memory/after_storm", 1'000'000, after_storm, share::of_all);
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
