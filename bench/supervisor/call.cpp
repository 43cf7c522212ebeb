// What does a server cost those who use it: a typed call and its reply, from a process and from another server, a
// call of a leaf server, a cast, a start and a stop? Not asked here: what a handler's own work costs.

#include "supervisor/counting_server.hpp"
#include "support/scenario.hpp"

namespace heirloom::bench {
namespace {

template <class Server>
outcome call_server(std::uint64_t n) {
    const auto server = start_link<Server>().value();
    std::uint64_t last = 0;
    const double took = timed([&] {
        for (std::uint64_t i = 0; i < n; ++i) last = call(server, typename Server::increment{});
    });
    stop(server);
    return {took, n, last == n};
}

outcome call_server_to_server(std::uint64_t n) {
    const auto asker = start_link<counting_server>().value();
    const auto asked = start_link<counting_server>().value();
    std::uint64_t last = 0;
    const double took = timed([&] {
        last = call(asker, counting_server::call_other{asked, n}, forever);
    });
    stop(asker);
    stop(asked);
    return {took, n, last == n};
}

// Until the last of them has been handled.
outcome cast_server(std::uint64_t n) {
    const auto server = start_link<counting_server>().value();
    std::uint64_t last = 0;
    const double took = timed([&] {
        for (std::uint64_t i = 0; i < n; ++i) cast(server, counting_server::add{});
        last = call(server, counting_server::increment{});
    });
    stop(server);
    return {took, n, last == n + 1};
}

outcome start_stop(std::uint64_t n) {
    std::uint64_t right = 0;
    const double took = timed([&] {
        for (std::uint64_t i = 0; i < n; ++i) {
            const auto server = start_link<counting_server>().value();
            stop(server);
            right += !is_alive(server);
        }
    });
    return {took, n, right == n};
}

[[maybe_unused]] const bool registered =
    measure_on_workers("supervisor/call", 200'000, call_server<counting_server>) &&
    measure_on_workers("supervisor/call_leaf", 1'000'000, call_server<counting_leaf>) &&
    measure_on_workers("supervisor/call_server_to_server", 200'000, call_server_to_server) &&
    measure_on_workers("supervisor/cast", 500'000, cast_server) &&
    measure_on_workers("supervisor/start_stop", 50'000, start_stop);

}  // namespace
}  // namespace heirloom::bench
