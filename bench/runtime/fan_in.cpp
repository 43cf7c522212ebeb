// What does a message cost a receiver that four senders keep busy? Not answered: what happens with
// so many senders that a mailbox bound is wanted.

#include "support/scenario.hpp"

#include <vector>

namespace heirloom::bench {
namespace {

struct add {
    std::uint64_t amount;
};
struct go {};

void send_all(pid to, std::uint64_t each) {
    receive<go>();
    for (std::uint64_t i = 1; i <= each; ++i) send(to, add{i});
}

outcome fan_in(std::uint64_t n) {
    constexpr std::uint64_t senders = 4;
    const std::uint64_t each = n / senders;
    std::vector<pid> all;
    for (std::uint64_t i = 0; i < senders; ++i) all.push_back(spawn_link(send_all, self(), each));
    std::uint64_t sum = 0;
    const double took = timed([&] {
        for (const pid sender : all) send(sender, go{});
        for (std::uint64_t i = 0; i < senders * each; ++i) receive([&](add a) { sum += a.amount; });
    });
    return {took, senders * each, sum == senders * (each * (each + 1) / 2)};
}

[[maybe_unused]] const bool registered = measure_on_workers("runtime/fan_in", 400'000, fan_in);

}  // namespace
}  // namespace heirloom::bench
