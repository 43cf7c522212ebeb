// What does a process cost when a million are made in a tree of tens and sum up their numbers?

#include "support/scenario.hpp"

#include <algorithm>

namespace heirloom::bench {
namespace {

struct part_sum {
    std::uint64_t sum;
    std::uint64_t processes;
};

void node(pid parent, std::uint64_t number, std::uint64_t size) {
    if (size == 1) {
        send(parent, part_sum{number, 1});
        return;
    }
    // The last part takes what ten does not divide, so that every size has an answer.
    const std::uint64_t part = std::max<std::uint64_t>(1, size / 10);
    int children = 0;
    for (std::uint64_t left = size; left > 0; ++children) {
        const std::uint64_t mine = children == 9 ? left : std::min(part, left);
        spawn(node, self(), number, mine);
        number += mine;
        left -= mine;
    }
    part_sum total{0, 1};
    for (; children > 0; --children)
        receive([&](part_sum p) {
            total.sum += p.sum;
            total.processes += p.processes;
        });
    send(parent, total);
}

outcome skynet(std::uint64_t n) {
    part_sum total{};
    const double took = timed([&] {
        spawn(node, self(), std::uint64_t{0}, n);
        total = receive<part_sum>();
    });
    return {took, total.processes, total.sum == n * (n - 1) / 2};
}

[[maybe_unused]] const bool registered = measure_on_workers("runtime/skynet", 1'000'000, skynet);

}  // namespace
}  // namespace heirloom::bench
