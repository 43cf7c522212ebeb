// A million servers under one dynamic supervisor: what each weighs, and how long starting all, asking all and stopping
// all takes. Prints one line of each; a wrong answer ends it with status 1. The number can be given as an argument.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <heirloom/heirloom.hpp>

namespace {

using namespace heirloom;
using namespace std::chrono_literals;

long resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    long total = 0, resident = 0;
    statm >> total >> resident;
    return resident * 4096;
}

class cell {
public:
    struct ask {
        using reply = long;
        long n;
    };
    long handle_call(ask a) { return a.n + 1; }
};

int measure(std::size_t count) {
    auto sup = dynamic_supervisor::start_link().value();
    const child_spec spec = child<cell>("cell");
    std::vector<server<cell>> all;
    all.reserve(count);
    const long before = resident_bytes();
    auto begin = std::chrono::steady_clock::now();
    auto lap = [&](const char* what) {
        const auto now = std::chrono::steady_clock::now();
        const double seconds = std::chrono::duration<double>(now - begin).count();
        std::printf("supervisor/%s/count:%zu  %.2f s, %.0f ns each\n", what, count, seconds,
                    seconds * 1e9 / static_cast<double>(count));
        begin = std::chrono::steady_clock::now();
    };
    for (std::size_t i = 0; i < count; ++i) all.emplace_back(start_child(sup, spec).value());
    lap("start_children");
    std::printf("supervisor/memory/idle_server/count:%zu  %.0f bytes each\n", count,
                static_cast<double>(resident_bytes() - before) / static_cast<double>(count));
    begin = std::chrono::steady_clock::now();
    long n = 0;
    for (auto& s : all) n = call(s, cell::ask{n});
    lap("call_each");
    if (n != static_cast<long>(count)) return 1;
    if (count_children(sup).active != count) return 1;
    begin = std::chrono::steady_clock::now();
    stop(sup);
    lap("shutdown");
    for (auto& s : all)
        if (is_alive(s)) return 1;
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t count =
        argc > 1 && argv[1][0] != '-' ? std::strtoul(argv[1], nullptr, 10) : 1'000'000;
    runtime rt({.log = [](const log_event&) {}});
    return rt.run([count] { return measure(count); });
}
