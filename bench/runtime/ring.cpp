// What does a hop cost when the next process is never the one that ran last, so that its control
// block and stack come from further away? 1000 processes, one token.

#include "support/scenario.hpp"

#include <vector>

namespace heirloom::bench {
namespace {

struct token {
    std::uint64_t left;
};
struct next_is {
    pid next;
};
struct finished {
    std::uint64_t left;
};

void member(pid main) {
    pid next;
    receive([&](next_is n) { next = n.next; });
    for (;;)
        receive([&](token t) {
            if (t.left == 0) {
                send(main, finished{t.left});
            } else {
                send(next, token{t.left - 1});
            }
        });
}

outcome ring(std::uint64_t n) {
    constexpr std::size_t size = 1000;
    std::vector<pid> members;
    for (std::size_t i = 0; i < size; ++i) members.push_back(spawn_link(member, self()));
    for (std::size_t i = 0; i < size; ++i) send(members[i], next_is{members[(i + 1) % size]});
    std::uint64_t left = 1;
    const double took = timed([&] {
        send(members[0], token{n});
        left = receive<finished>().left;
    });
    for (const pid m : members) {
        unlink(m);
        exit(m, reason::kill);
    }
    return {took, n, left == 0};
}

[[maybe_unused]] const bool registered = measure_on_workers("runtime/ring", 200'000, ring);

}  // namespace
}  // namespace heirloom::bench
