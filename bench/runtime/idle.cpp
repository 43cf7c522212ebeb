// What does a waiting process keep? Bytes, reported as the counter `bytes`, from the growth of the
// resident set while 100,000 processes wait; what the C library keeps in reserve is in it.

#include "support/scenario.hpp"

#include <fstream>
#include <vector>

#include <unistd.h>

namespace heirloom::bench {
namespace {

struct ready {};

double resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    double total = 0;
    double resident = 0;
    statm >> total >> resident;
    return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void idle(benchmark::State& state) {
    constexpr std::size_t processes = 100'000;
    for ([[maybe_unused]] auto _ : state) {
        runtime rt({.workers = 1, .log = [](const auto&) {}});
        double bytes = 0;
        const int status = rt.run([&] {
            std::vector<pid> all;
            all.reserve(processes);
            const double before = resident_bytes();
            for (std::size_t i = 0; i < processes; ++i)
                all.push_back(spawn([main = self()] {
                    send(main, ready{});
                    receive<ready>();
                }));
            for (std::size_t i = 0; i < processes; ++i) receive<ready>();
            bytes = resident_bytes() - before;
            for (const pid p : all) send(p, ready{});
        });
        if (status != 0) state.SkipWithError("a process did not answer");
        state.counters["bytes"] = bytes / processes;
    }
}
BENCHMARK(idle)->Name("runtime/idle/workers:1")->Iterations(1);

}  // namespace
}  // namespace heirloom::bench
