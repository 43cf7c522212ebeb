// A million servers under one dynamic supervisor: what does each weigh, and how long does starting all, asking all and
// stopping all take? Prints one line of each; a wrong answer, or more than 700 bytes each all included, ends it with
// status 1. The number can be given as an argument; of few servers the runtime's own memory counts for much, so the
// weight is judged from 100,000 on.

#include "supervisor/counting_server.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

#include <unistd.h>

namespace heirloom::bench {
namespace {

double resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    long total = 0, resident = 0;
    statm >> total >> resident;
    return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

template <class Work>
double timed(Work&& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int judge(std::size_t count) {
    const auto each = static_cast<double>(count);
    const auto say = [&](const char* what, double seconds) {
        std::printf("supervisor/%s/count:%zu  %.2f s, %.0f ns each\n", what, count, seconds,
                    seconds * 1e9 / each);
    };
    std::vector<server<counting_server>> all;
    all.resize(count);  // touched now, so that it does not count
    const double before = resident_bytes();
    const auto sup = dynamic_supervisor::start_link().value();
    const child_spec spec = child<counting_server>("server");
    say("start_dynamic", timed([&] {
            for (auto& s : all) s = server<counting_server>(start_child(sup, spec).value());
        }));
    const double bytes = (resident_bytes() - before) / each;
    std::printf("supervisor/memory/idle_server/count:%zu  %.0f bytes each\n", count, bytes);
    std::size_t right = 0;
    say("call_each", timed([&] {
            for (auto& s : all) right += call(s, counting_server::increment{}) == 1;
        }));
    if (right != count || count_children(sup).active != count) return 1;
    say("shutdown_dynamic", timed([&] { stop(sup); }));
    for (auto& s : all)
        if (is_alive(s)) return 1;
    return count >= 100'000 && bytes > 700 ? 1 : 0;
}

}  // namespace
}  // namespace heirloom::bench

int main(int argc, char** argv) {
    const std::size_t count =
        argc > 1 && argv[1][0] != '-' ? std::strtoul(argv[1], nullptr, 10) : 1'000'000;
    heirloom::runtime rt({.log = [](const heirloom::log_event&) {}});
    return rt.run([count] { return heirloom::bench::judge(count); });
}
