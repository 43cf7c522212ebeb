// What servers and supervisors cost: calls and casts, starts and stops, and the time from a kill until the new
// incarnation has answered. Every program checks its own answer. It does not say what a handler's own work costs, nor
// what happens under a load of several million processes (see large_tree_bench.cpp).
//
// The times shown are nanoseconds an operation. Reports are switched on: the sink counts them.
#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <heirloom/heirloom.hpp>

namespace {

using namespace heirloom;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

double seconds_since(clock_type::time_point begin) {
    return std::chrono::duration<double>(clock_type::now() - begin).count();
}

std::atomic<long> reports{0};
options with_workers(unsigned workers) {
    return {.workers = workers,
            .log = [](const log_event&) { reports.fetch_add(1, std::memory_order_relaxed); }};
}
void require(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
}

/// Runs `body(count)` in a process, which returns the seconds that `count` operations took.
template <class F>
void measure(benchmark::State& state, unsigned workers, std::size_t count, F body) {
    runtime rt(with_workers(workers));
    for (auto _ : state) {
        try {
            state.SetIterationTime(rt.invoke([&] { return body(count); }) /
                                   static_cast<double>(count));
        } catch (const std::exception& e) {
            state.SkipWithError(e.what());
            break;
        }
    }
}

class counter {
public:
    struct increment {
        using reply = long;
    };
    struct get {
        using reply = long;
    };
    struct add {};
    struct ask_other {
        using reply = long;
        server<counter> other;
        long times;
    };

    long handle_call(increment) { return ++n_; }
    long handle_call(get) { return n_; }
    void handle_cast(add) { ++n_; }
    long handle_call(ask_other a) {
        long last = 0;
        for (long i = 0; i < a.times; ++i) last = call(a.other, increment{});
        return last;
    }

private:
    long n_ = 0;
};

void call_round_trip(benchmark::State& state, unsigned workers) {
    measure(state, workers, 200'000, [](std::size_t count) {
        auto s = start<counter>().value();
        const auto begin = clock_type::now();
        for (std::size_t i = 0; i < count; ++i) call(s, counter::increment{});
        const double taken = seconds_since(begin);
        require(call(s, counter::get{}) == static_cast<long>(count), "an increment was lost");
        stop(s);
        return taken;
    });
}

void cast_throughput(benchmark::State& state, unsigned workers) {
    measure(state, workers, 200'000, [](std::size_t count) {
        auto s = start<counter>().value();
        const auto begin = clock_type::now();
        for (std::size_t i = 0; i < count; ++i) cast(s, counter::add{});
        require(call(s, counter::get{}) == static_cast<long>(count), "a cast was lost");
        const double taken = seconds_since(begin);
        stop(s);
        return taken;
    });
}

void call_server_to_server(benchmark::State& state, unsigned workers) {
    measure(state, workers, 200'000, [](std::size_t count) {
        auto a = start<counter>().value(), b = start<counter>().value();
        const auto begin = clock_type::now();
        require(call(a, counter::ask_other{b, static_cast<long>(count)}, 1h) ==
                    static_cast<long>(count),
                "lost");
        const double taken = seconds_since(begin);
        stop(a);
        stop(b);
        return taken;
    });
}

void start_stop(benchmark::State& state, unsigned workers) {
    measure(state, workers, 20'000, [](std::size_t count) {
        const auto begin = clock_type::now();
        for (std::size_t i = 0; i < count; ++i) {
            auto s = start_link<counter>().value();
            stop(s);
        }
        return seconds_since(begin);
    });
}

inline constexpr server_name<counter> the_victim{"victim"};

// From kill to the first answer of the new incarnation.
double restarts(restart_strategy strategy, std::size_t children, std::size_t count) {
    std::vector<child_spec> specs;
    specs.reserve(children);
    specs.push_back(child<counter>(the_victim));
    for (std::size_t i = 1; i < children; ++i)
        specs.push_back(child<counter>("sibling " + std::to_string(i)));
    auto sup = supervisor::start_link({.strategy = strategy,
                                       .intensity = {.restarts = 2'000'000'000, .within = 1h},
                                       .children = std::move(specs)})
                   .value();
    double taken = 0;
    for (std::size_t i = 0; i < count; ++i) {
        auto victim = whereis(the_victim);
        const auto begin = clock_type::now();
        exit(victim, reason::kill);
        for (;;) {
            auto answer = try_call(the_victim, counter::increment{});
            if (answer) {
                require(*answer == 1, "not a new incarnation");
                break;
            }
        }
        taken += seconds_since(begin);
        require(whereis(the_victim) != victim, "not a new process");
    }
    stop(sup);
    return taken;
}

void restart(benchmark::State& state, restart_strategy strategy, std::size_t children,
             std::size_t count) {
    measure(state, 2, count, [&](std::size_t n) { return restarts(strategy, children, n); });
}

// The cost of the last 1,000 of 101,000 restarts within the period.
void restart_after_many(benchmark::State& state) {
    measure(state, 2, 1000, [](std::size_t count) {
        auto sup = supervisor::start_link({.intensity = {.restarts = 2'000'000'000, .within = 1h},
                                           .children = {child<counter>(the_victim)}})
                       .value();
        auto one = [&] {
            auto victim = whereis(the_victim);
            exit(victim, reason::kill);
            while (!try_call(the_victim, counter::increment{})) {
            }
        };
        for (int i = 0; i < 100'000; ++i) one();
        const auto begin = clock_type::now();
        for (std::size_t i = 0; i < count; ++i) one();
        const double taken = seconds_since(begin);
        require(which_children(sup).at(0).recent_restarts == 100'000 + count,
                "restarts were not counted");
        stop(sup);
        return taken;
    });
}

void start_children(benchmark::State& state, bool measure_shutdown) {
    measure(state, 2, 100'000, [&](std::size_t count) {
        auto sup = supervisor::start_link({}).value();
        auto begin = clock_type::now();
        for (std::size_t i = 0; i < count; ++i)
            start_child(sup, child<counter>(std::to_string(i))).value();
        double taken = seconds_since(begin);
        require(count_children(sup).active == count, "not all are there");
        begin = clock_type::now();
        stop(sup);
        if (measure_shutdown) taken = seconds_since(begin);
        return taken;
    });
}

int main_impl(int argc, char** argv) {
    using benchmark::RegisterBenchmark;
    auto add = [](const std::string& name, auto f, int iterations = 7) {
        RegisterBenchmark(("supervisor/" + name).c_str(), f)
            ->UseManualTime()
            ->Iterations(1)
            ->Repetitions(iterations)
            ->ReportAggregatesOnly()
            ->Unit(benchmark::kNanosecond);
    };
    for (unsigned workers : {1u, 2u}) {
        const std::string suffix = "/workers:" + std::to_string(workers);
        add("call" + suffix, [=](benchmark::State& s) { call_round_trip(s, workers); });
        add("cast" + suffix, [=](benchmark::State& s) { cast_throughput(s, workers); });
        add("call_server_to_server" + suffix,
            [=](benchmark::State& s) { call_server_to_server(s, workers); });
        add("start_stop" + suffix, [=](benchmark::State& s) { start_stop(s, workers); });
    }
    for (std::size_t children : {1u, 1000u, 100'000u})
        add(
            "restart/strategy:one_for_one/children:" + std::to_string(children),
            [=](benchmark::State& s) { restart(s, one_for_one, children, 5000); },
            children > 1000 ? 3 : 7);
    add("restart/strategy:one_for_all/children:10",
        [](benchmark::State& s) { restart(s, one_for_all, 10, 1000); });
    add("restart/strategy:rest_for_one/children:10",
        [](benchmark::State& s) { restart(s, rest_for_one, 10, 1000); });
    add(
        "restart/after_restarts:100000", [](benchmark::State& s) { restart_after_many(s); }, 3);
    add(
        "start_children/count:100000", [](benchmark::State& s) { start_children(s, false); }, 3);
    add(
        "shutdown/count:100000", [](benchmark::State& s) { start_children(s, true); }, 3);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}

}  // namespace

int main(int argc, char** argv) { return main_impl(argc, argv); }
