// What does it cost to bring a large tree up, and down? A child at a time, each with its own specification and id.

#include "supervisor/counting_server.hpp"
#include "support/scenario.hpp"

#include <string>

namespace heirloom::bench {
namespace {

enum class counted : std::uint8_t { start, shutdown };

scenario tree(counted what) {
    return [=](std::uint64_t n) -> outcome {
        const auto sup = supervisor::start_link({}).value();
        const double up = timed([&] {
            for (std::uint64_t i = 0; i < n; ++i)
                start_child(sup, child<counting_server>(std::to_string(i))).value();
        });
        const bool all = count_children(sup).active == n;
        const pid last = which_children(sup).back().pid;
        const double down = timed([&] { stop(sup); });
        return {what == counted::start ? up : down, n, all && !is_alive(last)};
    };
}

[[maybe_unused]] const bool registered =
    measure_on_workers("supervisor/start_children/count:100000", 100'000, tree(counted::start)) &&
    measure_on_workers("supervisor/shutdown/count:100000", 100'000, tree(counted::shutdown));

}  // namespace
}  // namespace heirloom::bench
