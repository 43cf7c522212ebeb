// How much memory does a process keep while it waits, what do a million of them take, and what is
// left of a storm? Not asked here: what deep stacks keep (these processes use less than a page), or
// what allocators outside keep.
#include "support/footprint.hpp"

#include <algorithm>
#include <atomic>
#include <vector>

#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/send.hpp>

namespace heirloom::bench {
namespace {

struct stop {};
struct question {
    pid from;
};
struct answer {};

/// Starts a process for each of `all` that waits for `stop`, and returns when all do.
void start_waiting(std::vector<pid>& all) {
    std::atomic<std::size_t> waiting{0};
    for (pid& p : all) {
        p = spawn([&waiting] {
            waiting.fetch_add(1, std::memory_order_release);
            receive<stop>();
        });
    }
    while (waiting.load(std::memory_order_acquire) < all.size()) yield();
}

bool all_alive(const std::vector<pid>& all) {
    return std::all_of(all.begin(), all.end(), [](pid p) { return is_alive(p); });
}

void stop_all(const std::vector<pid>& all) {
    for (const pid p : all) send(p, stop{});
    for (const pid p : all)
        while (is_alive(p)) yield();
}

weighed idle_process(std::int64_t n) {
    auto all = room_for<pid>(n);
    const weighed result = standing_after([&] {
        start_waiting(all);
        return all_alive(all);
    });
    stop_all(all);
    return result;
}

/// Asks all, a thousand at once; how many answered.
std::int64_t ask(const std::vector<pid>& all) {
    std::int64_t answers = 0;
    for (std::size_t asked = 0; asked < all.size();) {
        const std::size_t end = std::min<std::size_t>(asked + 1000, all.size());
        const std::size_t batch = end - asked;
        for (; asked < end; ++asked) send(all[asked], question{self()});
        for (std::size_t i = 0; i < batch; ++i) receive([&](answer) { ++answers; });
    }
    return answers;
}

// All are alive at once, each answers one question, and goes on waiting.
weighed million(std::int64_t n) {
    auto all = room_for<pid>(n);
    const weighed result = standing_after([&] {
        for (pid& p : all)
            p = spawn([] {
                const question q = receive<question>();
                send(q.from, answer{});
                receive<stop>();
            });
        return ask(all) == n && all_alive(all);
    });
    stop_all(all);
    return result;
}

// Ten waves of processes, all of a wave alive at once; then a pause in which memory goes back.
weighed after_storm(std::int64_t n) {
    constexpr int waves = 10;
    auto all = room_for<pid>(n / waves);
    double took = 0;
    weighed result = standing_after([&] {
        bool right = true;
        const auto started = std::chrono::steady_clock::now();
        for (int wave = 0; wave < waves; ++wave) {
            start_waiting(all);
            right = right && all_alive(all);
            stop_all(all);
        }
        took = since(started);
        sleep(std::chrono::seconds(2));
        return right;
    });
    result.seconds = took;
    return result;
}

const bool registered = [] {
    weigh("runtime/memory/idle_process", 100'000, idle_process, share::of_one);
    weigh("runtime/memory/million", 1'000'000, million, share::of_all);
    weigh("runtime/memory/after_storm", 1'000'000, after_storm, share::of_all);
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
