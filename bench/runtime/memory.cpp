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

weighed idle_process(std::int64_t n) {
    weighed result;
    std::vector<pid> all = room_for(n);
    const footprint before = footprint::now();
    const auto started = std::chrono::steady_clock::now();
    all = start_waiting(n, std::move(all));
    result.seconds = since(started);
    result.grown = footprint::now() - before;
    result.right = alive(all) == n;
    stop_all(all);
    return result;
}

// All are alive at once, each answers one question, and goes on waiting.
weighed million(std::int64_t n) {
    weighed result;
    std::vector<pid> all = room_for(n);
    const footprint before = footprint::now();
    const auto started = std::chrono::steady_clock::now();
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
weighed after_storm(std::int64_t n) {
    constexpr int waves = 10;
    weighed result;
    std::vector<pid> all = room_for(n / waves);
    const footprint before = footprint::now();
    const auto started = std::chrono::steady_clock::now();
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

const bool registered = [] {
    weigh("runtime/memory/idle_process", 100'000, idle_process, share::of_one);
    weigh("runtime/memory/million", 1'000'000, million, share::of_all);
    weigh("runtime/memory/after_storm", 1'000'000, after_storm, share::of_all);
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
