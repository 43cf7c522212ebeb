// How long does a process that is always ready wait for its turn, on one worker, while another grows, gives away, clears
// or deletes a table of ten million rows? The time of a run is the longest wait, in CPU time of the worker's thread, so
// that other programs do not count. Not answered: how long the whole takes.
#include "measure.hpp"

#include <ctime>

#include <pthread.h>

namespace heirloom::bench {
namespace {

/// The thread of the moment. The C library lets the compiler remember pthread_self() for good; but a process may move to
/// another thread, and the difference of two threads' times is no stall.
[[gnu::noinline]] pthread_t thread_here() {
    asm volatile("");
    return pthread_self();
}
struct thread_time {
    pthread_t thread = thread_here();
    double seconds = [] {
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
    }();
};

template <class F>
double longest_stall(F work, std::uint64_t turns_afterwards) {
    std::atomic<bool> done{false};
    std::atomic<bool> ended{false};
    double longest = 0;
    spawn([&] {
        thread_time last;
        while (!done) {
            yield();
            const thread_time now;
            if (pthread_equal(now.thread, last.thread))
                longest = std::max(longest, now.seconds - last.seconds);
            last = now;
        }
        ended = true;
    });
    yield();
    work();
    for (std::uint64_t i = 0; i < turns_afterwards; ++i) yield();
    done = true;
    while (!ended) yield();
    return longest;
}

template <class Table, class Value>
void stall(const std::string& kind, std::uint64_t rows, Value value) {
    const auto on_one_worker = [=](const char* what, auto body) {
        const std::string name = std::string("ets/stall_") + what +
                                 "/rows:" + std::to_string(rows) + "/processes:1/" + kind;
        benchmark::RegisterBenchmark(name.c_str(),
                                     [body](benchmark::State& state) {
                                         runtime rt({.workers = 1, .log = [](const log_event&) {}});
                                         for (auto _ : state)
                                             rt.invoke([&] { state.SetIterationTime(body()); });
                                     })
            ->UseManualTime()
            ->Iterations(1);
    };
    const auto fill = [=](Table& t) {
        for (std::uint64_t k = 0; k < rows; ++k) t.insert(static_cast<long>(k), value(k));
    };
    const std::uint64_t turns = rows / 20;
    on_one_worker("grow", [=] {
        auto t = Table::create();
        return longest_stall([&] { fill(t); }, 0);
    });
    on_one_worker("give_away", [=] {
        auto t = Table::create();
        fill(t);
        const pid to = spawn([] { receive<ets::transfer>(); });
        return longest_stall([&] { (void)t.give_away(to); }, turns);
    });
    on_one_worker("clear", [=] {
        auto t = Table::create();
        fill(t);
        return longest_stall([&] { t.clear(); }, turns);
    });
    on_one_worker("delete", [=] {
        auto t = Table::create();
        fill(t);
        return longest_stall([&] { t.delete_table(); }, turns);
    });
}

const bool registered = [] {
    constexpr std::uint64_t rows = 10'000'000;
    stall<ets::set<long, long>>("value:8", rows,
                                [](std::uint64_t k) { return static_cast<long>(k); });
    stall<ets::set<long, std::string>>("value:string", rows,
                                       [](std::uint64_t) { return std::string(24, 'x'); });
    stall<ets::ordered_set<long, long>>("type:ordered_set", rows,
                                        [](std::uint64_t k) { return static_cast<long>(k); });
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
