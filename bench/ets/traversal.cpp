// What going through a table costs, per row: by one process, and by two at once. A scan of a small table is repeated until
// enough rows were seen.
#include "measure.hpp"

namespace heirloom::bench {
namespace {

using numbers = ets::set<long, long>;

void scans(std::uint64_t rows, unsigned processes) {
    const std::string suffix =
        "/rows:" + std::to_string(rows) + "/processes:" + std::to_string(processes);
    const auto measure = [=](benchmark::State& state, auto walk) {
        const std::uint64_t times = std::max<std::uint64_t>(1, batch / processes / rows);
        std::uint64_t seen = 0;
        runtime rt({.workers = processes, .log = [](const log_event&) {}});
        rt.invoke([&] {
            const auto t = filled<numbers>(rows, ets::access::protected_);
            const auto walks = [&] {
                std::uint64_t sum = 0;
                for (std::uint64_t i = 0; i < times; ++i) sum += walk(t);
                return sum;
            };
            walk(t);
            for (auto _ : state) {
                std::atomic<unsigned> ready{0};
                for (unsigned i = 1; i < processes; ++i)
                    spawn([&, boss = self()] {
                        ready.fetch_add(1);
                        while (ready.load() < processes) yield();
                        send(boss, walks());
                    });
                while (ready.fetch_add(0) + 1 < processes) yield();
                const auto begin = std::chrono::steady_clock::now();
                ready.fetch_add(1);
                seen += walks();
                for (unsigned i = 1; i < processes; ++i) seen += receive<std::uint64_t>();
                const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
                set_time(state, took.count(), times * processes * rows);
            }
        });
        const auto expected =
            static_cast<std::uint64_t>(state.iterations()) * times * processes * rows;
        state.SetItemsProcessed(static_cast<std::int64_t>(expected));
        if (seen != expected) state.SkipWithError("wrong answer");
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
    for (std::uint64_t rows : {1'000ull, 1'000'000ull, 10'000'000ull})
        for (unsigned processes : {1u, 2u}) scans(rows, processes);
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
