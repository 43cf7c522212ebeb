// What does a process cost from its start to its end: alone, watched, linked, as one of a million,
// and as the unit in which work is divided? Not asked here: what it costs while it waits
// (memory.cpp), or on a stack that was never used before (the first batch pays for those).
#include "support/scenario.hpp"

#include <algorithm>
#include <atomic>

namespace heirloom::bench {
namespace {

struct done {};

// A process, of batches of 100 that count themselves and end; the last of a batch says so.
bool spawn_exit(std::int64_t n, stopwatch& watch) {
    constexpr std::int64_t batch = 100;
    const std::int64_t batches = n / batch;
    std::atomic<std::int64_t> ended{0};
    std::int64_t told = 0;
    watch.start();
    for (std::int64_t b = 0; b < batches; ++b) {
        for (std::int64_t i = 0; i < batch; ++i) {
            spawn([&ended, main = self()] {
                if (ended.fetch_add(1, std::memory_order_relaxed) % batch == batch - 1)
                    send(main, done{});
            });
        }
        receive([&](done) { ++told; });
    }
    watch.stop();
    return told == batches && ended.load() == batches * batch;
}

// A process that is watched, ends at once, and whose end is received; one at a time.
bool spawn_monitor_down(std::int64_t n, stopwatch& watch) {
    std::int64_t normal = 0;
    watch.start();
    for (std::int64_t i = 0; i < n; ++i) {
        const spawned child = spawn_monitor([] {});
        receive(when(child.ref, [&](const down& d) { normal += d.reason == reason::normal; }));
    }
    watch.stop();
    return normal == n;
}

// The same by a link, for a parent that traps exits.
bool link_exit(std::int64_t n, stopwatch& watch) {
    trap_exit(true);
    std::int64_t right = 0;
    watch.start();
    for (std::int64_t i = 0; i < n; ++i) {
        const pid child = spawn_link([] {});
        receive(
            [&](const exit_signal& s) { right += s.from == child && s.reason == reason::normal; });
    }
    watch.stop();
    return right == n;
}

struct subtree {
    std::int64_t sum;
    std::int64_t processes;
};

/// A node of a tree with ten children each; the leaves are `Leaf(number)`.
template <std::int64_t (*Leaf)(std::int64_t)>
void node(pid parent, std::int64_t number, std::int64_t leaves) {
    if (leaves == 1) {
        send(parent, subtree{Leaf(number), 1});
        return;
    }
    const std::int64_t part = std::max<std::int64_t>(1, leaves / 10);
    const pid me = self();
    int children = 0;
    // The last part takes what ten does not divide, so that every size has an answer.
    for (std::int64_t left = leaves; left > 0; ++children) {
        const std::int64_t mine = children == 9 ? left : std::min(part, left);
        spawn(node<Leaf>, me, number, mine);
        number += mine;
        left -= mine;
    }
    subtree total{0, 1};
    for (int i = 0; i < children; ++i) {
        receive([&](subtree s) {
            total.sum += s.sum;
            total.processes += s.processes;
        });
    }
    send(parent, total);
}

template <std::int64_t (*Leaf)(std::int64_t)>
subtree tree(std::int64_t leaves) {
    spawn(node<Leaf>, self(), 0, leaves);
    return receive<subtree>();
}

std::int64_t itself(std::int64_t number) { return number; }

// A process, of a tree with a million leaves that sums their numbers.
outcome skynet(std::uint64_t n) {
    const auto leaves = static_cast<std::int64_t>(n);
    subtree all{};
    const double took = timed([&] { all = tree<itself>(leaves); });
    return {took, static_cast<std::uint64_t>(all.processes), all.sum == sum_below(leaves)};
}

std::int64_t computing(std::int64_t number) {
    return static_cast<std::int64_t>(computed(static_cast<std::uint64_t>(number)));
}

// A process, of a tree whose leaves compute for some microseconds: does the work spread?
outcome fork_join(std::uint64_t n) {
    const auto leaves = static_cast<std::int64_t>(n);
    std::int64_t expected = 0;
    for (std::int64_t i = 0; i < leaves; ++i) expected += computing(i);
    subtree all{};
    const double took = timed([&] { all = tree<computing>(leaves); });
    return {took, static_cast<std::uint64_t>(all.processes), all.sum == expected};
}

const auto registered = {
    add("runtime/spawn_exit", 500'000, spawn_exit),
    add("runtime/spawn_monitor_down", 300'000, spawn_monitor_down),
    add("runtime/link_exit", 300'000, link_exit),
    measure_on_workers("runtime/skynet", 1'000'000, skynet),
    measure_on_workers("runtime/fork_join", 100'000, fork_join),
};

}  // namespace
}  // namespace heirloom::bench
