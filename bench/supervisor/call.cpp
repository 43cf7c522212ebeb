// What does a typed call to a server and its reply cost?

#include "supervisor/counting_server.hpp"
#include "support/scenario.hpp"

namespace heirloom::bench {
namespace {

outcome call_server(std::uint64_t n) {
    const auto server = start_link<counting_server>().value();
    std::uint64_t last = 0;
    const double took = timed([&] {
        for (std::uint64_t i = 0; i < n; ++i) last = call(server, counting_server::increment{});
    });
    stop(server);
    return {took, n, last == n};
}

[[maybe_unused]] const bool registered =
    measure_on_workers("supervisor/call", 200'000, call_server);

}  // namespace
}  // namespace heirloom::bench
