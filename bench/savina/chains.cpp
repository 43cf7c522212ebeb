// Savina's classics (Imam and Sarkar, AGERE 2014) in which messages go one way: thread ring,
// counting, fork-join throughput, fork-join create, sieve. Sizes as in bench/peers/README.md.

#include "support/scenario.hpp"

#include <vector>

#include <heirloom/heirloom.hpp>

namespace heirloom::bench {
namespace {

struct token {
    std::uint64_t left;
};
struct next_is {
    pid next;
};
struct one {};
struct total {
    std::uint64_t value;
};

void ring_member(pid main, std::uint64_t id) {
    const pid next = receive<next_is>().next;
    for (;;)
        receive([&](token t) {
            if (t.left == 0) {
                send(main, total{id});
            } else {
                send(next, token{t.left - 1});
            }
        });
}
outcome thread_ring(std::uint64_t n) {
    constexpr std::uint64_t size = 100;
    std::vector<pid> members;
    for (std::uint64_t id = 0; id < size; ++id) members.push_back(spawn(ring_member, self(), id));
    for (std::size_t i = 0; i < size; ++i) send(members[i], next_is{members[(i + 1) % size]});
    std::uint64_t holder = size;
    const double took = timed([&] {
        send(members[0], token{n});
        holder = receive<total>().value;
    });
    for (const pid m : members) exit(m, reason::kill);
    return {took, n, holder == n % size};
}

void count_up_to(pid main, std::uint64_t n) {
    std::uint64_t count = 0;
    while (count < n) receive([&](one) { ++count; });
    send(main, total{count});
}
outcome counting(std::uint64_t n) {
    std::uint64_t count = 0;
    const double took = timed([&] {
        const pid counter = spawn(count_up_to, self(), n);
        spawn([=] {
            for (std::uint64_t i = 0; i < n; ++i) send(counter, one{});
        });
        count = receive<total>().value;
    });
    return {took, n, count == n};
}

outcome fork_join_throughput(std::uint64_t n) {
    constexpr std::uint64_t actors = 60;
    const std::uint64_t each = n / actors;
    std::vector<pid> all;
    for (std::uint64_t i = 0; i < actors; ++i) all.push_back(spawn(count_up_to, self(), each));
    std::uint64_t handled = 0;
    const double took = timed([&] {
        for (std::uint64_t round = 0; round < each; ++round)
            for (const pid p : all) send(p, one{});
        for (std::uint64_t i = 0; i < actors; ++i) handled += receive<total>().value;
    });
    return {took, each * actors, handled == each * actors};
}

outcome fork_join_create(std::uint64_t n) {
    std::uint64_t answers = 0;
    const double took = timed([&] {
        for (std::uint64_t i = 0; i < n; ++i)
            send(spawn([main = self()] {
                     receive<one>();
                     send(main, total{1});
                 }),
                 one{});
        for (std::uint64_t i = 0; i < n; ++i) answers += receive<total>().value;
    });
    return {took, n, answers == n};
}

struct candidate {
    std::uint64_t number;
};
struct finished {
    std::uint64_t primes_before;
};
void filter(pid main, std::uint64_t prime) {
    constexpr std::size_t capacity = 1000;
    std::vector<std::uint64_t> primes{prime};
    primes.reserve(capacity);
    pid next;
    const auto divided = [&](std::uint64_t x) {
        for (const std::uint64_t p : primes) {
            if (p * p > x) return false;
            if (x % p == 0) return true;
        }
        return false;
    };
    for (bool more = true; more;)
        more = receive(
            [&](candidate c) {
                if (divided(c.number)) return true;
                if (primes.size() < capacity) {
                    primes.push_back(c.number);
                } else if (!next) {
                    next = spawn(filter, main, c.number);
                } else {
                    send(next, c);
                }
                return true;
            },
            [&](finished f) {
                const std::uint64_t primes_so_far = f.primes_before + primes.size();
                if (next) {
                    send(next, finished{primes_so_far});
                } else {
                    send(main, total{primes_so_far});
                }
                return false;
            });
}
outcome sieve(std::uint64_t n) {
    std::uint64_t primes = 0;
    const double took = timed([&] {
        const pid first = spawn(filter, self(), std::uint64_t{2});
        for (std::uint64_t x = 3; x <= n; x += 2) send(first, candidate{x});
        send(first, finished{0});
        primes = receive<total>().value;
    });
    return {took, (n - 1) / 2, primes == prime_count(n)};
}

[[maybe_unused]] const bool registered =
    measure_on_workers("savina/thread_ring", 200'000, thread_ring) &&
    measure_on_workers("savina/counting", 500'000, counting) &&
    measure_on_workers("savina/fork_join_throughput", 300'000, fork_join_throughput) &&
    measure_on_workers("savina/fork_join_create", 100'000, fork_join_create) &&
    measure_on_workers("savina/sieve", 200'000, sieve);

}  // namespace
}  // namespace heirloom::bench
