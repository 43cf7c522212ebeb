// What going through a table costs, per row.
#include "measure.hpp"

namespace heirloom::bench {
namespace {

using numbers = ets::set<long, long>;

void scans(std::uint64_t rows) {
    const std::string suffix = "/rows:" + std::to_string(rows) + "/processes:1";
    const auto measure = [rows](benchmark::State& state, auto walk) {
        runtime rt({.workers = 1, .log = [](const log_event&) {}});
        bool right = true;
        rt.invoke([&] {
            const auto t = filled<numbers>(rows, ets::access::protected_);
            for (auto _ : state) {
                const auto begin = std::chrono::steady_clock::now();
                right = right && walk(t) == rows;
                const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
                state.SetIterationTime(took.count());
            }
        });
        state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * rows));
        if (!right) state.SkipWithError("wrong answer");
    };
    add("ets/select_scan" + suffix, [=](benchmark::State& s) {
        measure(s, [](const numbers& t) {
            return t.select_count([](long, long v) { return v >= 0; });
        });
    });
    add("ets/first_next" + suffix, [=](benchmark::State& s) {
        measure(s, [](const numbers& t) {
            std::uint64_t n = 0;
            for (auto k = t.first(); k; k = t.next(*k)) ++n;
            return n;
        });
    });
}

const bool registered = [] {
    scans(1'000);
    scans(1'000'000);
    scans(10'000'000);
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
