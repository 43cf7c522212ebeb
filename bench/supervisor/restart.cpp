// How long is a server gone for its clients: from the kill to the first answered call, alone, with
// 1000 siblings, and when nine others are restarted with it? The client polls the name and yields,
// as OTP's program does.

#include "supervisor/counting_server.hpp"
#include "support/scenario.hpp"

#include <limits>
#include <string>
#include <vector>

namespace heirloom::bench {
namespace {

constexpr server_name<counting_server> victim{"bench.victim"};

std::uint64_t first_answer(pid old) {
    for (;;) {
        const auto now = whereis(victim);
        if (now && pid(now) != old) {
            if (auto answer = try_call(now, counting_server::increment{})) return *answer;
        }
        yield();
    }
}

outcome kills(std::uint64_t n, restart_strategy strategy, unsigned siblings) {
    supervisor::init_result spec{.strategy = strategy,
                                 .intensity = {.restarts = std::numeric_limits<int>::max(),
                                               .within = std::chrono::seconds(1)},
                                 .children = {child<counting_server>(victim)}};
    for (unsigned i = 0; i < siblings; ++i)
        spec.children.push_back(child<counting_server>("sibling_" + std::to_string(i)));
    const auto sup = supervisor::start_link(std::move(spec)).value();
    std::uint64_t answers = 0;
    const double took = timed([&] {
        for (std::uint64_t i = 0; i < n; ++i) {
            const pid old(whereis(victim));
            exit(old, reason::kill);
            answers += first_answer(old) == 1 ? 1 : 0;
        }
    });
    stop(sup);
    return {took, n, answers == n};
}

[[maybe_unused]] const bool registered =
    measure_on_workers("supervisor/restart", 2'000,
                       [](std::uint64_t n) { return kills(n, one_for_one, 0); }) &&
    measure_on_workers("supervisor/restart/siblings:1000", 2'000,
                       [](std::uint64_t n) { return kills(n, one_for_one, 1000); }) &&
    measure_on_workers("supervisor/restart_all/children:10", 1'000,
                       [](std::uint64_t n) { return kills(n, one_for_all, 9); });

}  // namespace
}  // namespace heirloom::bench
