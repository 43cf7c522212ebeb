// What does a message and its answer cost between two processes that do nothing else? Not
// answered: what it costs while many others are ready (ring) or when the receiver is busy (fan_in).

#include "support/scenario.hpp"

namespace heirloom::bench {
namespace {

struct ping {
    pid from;
};
struct pong {};

outcome ping_pong(std::uint64_t n) {
    const pid echo = spawn([] {
        for (;;) receive([](ping p) { send(p.from, pong{}); });
    });
    std::uint64_t pongs = 0;
    const double took = timed([&] {
        for (std::uint64_t i = 0; i < n; ++i) {
            send(echo, ping{self()});
            receive([&](pong) { ++pongs; });
        }
    });
    exit(echo, reason::kill);
    return {took, n, pongs == n};
}

[[maybe_unused]] const bool registered =
    measure_on_workers("runtime/ping_pong", 200'000, ping_pong);

}  // namespace
}  // namespace heirloom::bench
