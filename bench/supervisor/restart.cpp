// How long is a server gone for its clients: from the kill to the first answered call, alone, with many siblings, when
// others are restarted with it, and after very many restarts? The client polls the name and yields, as OTP's program
// does. Every restart is reported, to a sink that throws the reports away.

#include "supervisor/counting_server.hpp"
#include "support/scenario.hpp"

#include <limits>
#include <string>

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

/// How many of `n` kills were followed by a new incarnation.
std::uint64_t kill_and_wait(std::uint64_t n) {
    std::uint64_t answers = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
        const pid old(whereis(victim));
        exit(old, reason::kill);
        answers += first_answer(old) == 1 ? 1 : 0;
    }
    return answers;
}

server<supervisor> start_tree(restart_strategy strategy, unsigned children, duration within) {
    supervisor::init_result spec{
        .strategy = strategy,
        .intensity = {.restarts = std::numeric_limits<int>::max(), .within = within},
        .children = {child<counting_server>(victim)}};
    for (unsigned i = 1; i < children; ++i)
        spec.children.push_back(child<counting_server>("sibling_" + std::to_string(i)));
    return supervisor::start_link(std::move(spec)).value();
}

scenario kills(restart_strategy strategy, unsigned children) {
    return [=](std::uint64_t n) -> outcome {
        const auto sup = start_tree(strategy, children, std::chrono::seconds(1));
        std::uint64_t answers = 0;
        const double took = timed([&] { answers = kill_and_wait(n); });
        stop(sup);
        return {took, n, answers == n};
    };
}

// The last `n` of 100,000 and `n` restarts within the period.
outcome kills_after_many(std::uint64_t n) {
    const auto sup = start_tree(one_for_one, 1, std::chrono::hours(1));
    constexpr std::uint64_t before = 100'000;
    std::uint64_t answers = kill_and_wait(before);
    const double took = timed([&] { answers += kill_and_wait(n); });
    const bool counted = which_children(sup).at(0).recent_restarts == before + n;
    stop(sup);
    return {took, n, answers == before + n && counted};
}

const std::string name = "supervisor/restart/strategy:";
[[maybe_unused]] const bool registered =
    measure_on_workers(name + "one_for_one/children:1", 2'000, kills(one_for_one, 1)) &&
    measure_on_workers(name + "one_for_one/children:1000", 2'000, kills(one_for_one, 1'000)) &&
    measure_on_workers(name + "one_for_one/children:100000", 20'000, kills(one_for_one, 100'000)) &&
    measure_on_workers(name + "one_for_all/children:10", 1'000, kills(one_for_all, 10)) &&
    measure_on_workers(name + "rest_for_one/children:10", 1'000, kills(rest_for_one, 10)) &&
    measure_on_workers("supervisor/restart/after_restarts:100000", 2'000, kills_after_many);

}  // namespace
}  // namespace heirloom::bench
