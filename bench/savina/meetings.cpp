// Savina's classics (Imam and Sarkar, AGERE 2014) in which many meet many or one: big, chameneos,
// dining philosophers. Sizes as in bench/peers/README.md.

#include "support/scenario.hpp"

#include <array>
#include <vector>

#include <heirloom/heirloom.hpp>

namespace heirloom::bench {
namespace {

struct total {
    std::uint64_t value;
};
std::uint64_t gather(std::size_t parts) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < parts; ++i) sum += receive<total>().value;
    return sum;
}

struct everybody {
    std::vector<pid> all;
};
struct ping {
    pid from;
};
struct pong {};
void big_actor(pid main, std::uint64_t random, std::uint64_t each) {
    const std::vector<pid> all = receive<everybody>().all;
    for (std::uint64_t pongs = 0; pongs < each; ++pongs) {
        random = next_random(random);
        send(all[random % all.size()], ping{self()});
        for (bool waiting = true; waiting;)
            waiting = receive(
                [](ping p) {
                    send(p.from, pong{});
                    return true;
                },
                [](pong) { return false; });
    }
    send(main, total{each});
    for (;;) receive([](ping p) { send(p.from, pong{}); });
}
outcome big(std::uint64_t n) {
    constexpr std::uint64_t actors = 120;
    const std::uint64_t each = n / actors;
    std::vector<pid> all;
    for (std::uint64_t id = 1; id <= actors; ++id)
        all.push_back(spawn(big_actor, self(), id, each));
    std::uint64_t pongs = 0;
    const double took = timed([&] {
        for (const pid p : all) send(p, everybody{all});
        pongs = gather(actors);
    });
    for (const pid p : all) exit(p, reason::kill);
    return {took, each * actors, pongs == each * actors};
}

struct meet {
    pid who;
    int colour;
};
struct met {
    int colour;
};
struct closed {};
constexpr std::uint64_t creatures = 100;

void mall(std::uint64_t meetings) {
    for (; meetings > 0; --meetings) {
        const meet first = receive<meet>();
        const meet second = receive<meet>();
        send(first.who, met{second.colour});
        send(second.who, met{first.colour});
    }
    for (std::uint64_t i = 0; i < creatures; ++i) send(receive<meet>().who, closed{});
}
void creature(pid mall, pid main, int colour) {
    std::uint64_t meetings = 0;
    for (bool open = true; open;) {
        send(mall, meet{self(), colour});
        open = receive(
            [&](met other) {
                if (other.colour != colour) colour = 3 - colour - other.colour;
                ++meetings;
                return true;
            },
            [](closed) { return false; });
    }
    send(main, total{meetings});
}
outcome chameneos(std::uint64_t n) {
    std::uint64_t meetings = 0;
    const double took = timed([&] {
        const pid place = spawn(mall, n);
        for (std::uint64_t i = 0; i < creatures; ++i)
            spawn(creature, place, self(), static_cast<int>(i % 3));
        meetings = gather(creatures);
    });
    return {took, n, meetings == 2 * n};
}

constexpr std::size_t seats = 20;
struct hungry {
    pid who;
    std::size_t seat;
};
struct eaten {
    std::size_t seat;
};
struct may_eat {
    bool yes;
};
void arbitrator() {
    std::array<bool, seats> taken{};
    for (;;)
        receive(
            [&](hungry h) {
                bool& left = taken[h.seat];
                bool& right = taken[(h.seat + 1) % seats];
                const bool free = !left && !right;
                if (free) left = right = true;
                send(h.who, may_eat{free});
            },
            [&](eaten e) { taken[e.seat] = taken[(e.seat + 1) % seats] = false; });
}
void philosopher(pid table, pid main, std::size_t seat, std::uint64_t each) {
    for (std::uint64_t meals = 0; meals < each;) {
        send(table, hungry{self(), seat});
        if (!receive<may_eat>().yes) continue;
        send(table, eaten{seat});
        ++meals;
    }
    send(main, total{each});
}
outcome dining_philosophers(std::uint64_t n) {
    const std::uint64_t each = n / seats;
    std::uint64_t meals = 0;
    pid table;
    const double took = timed([&] {
        table = spawn(arbitrator);
        for (std::size_t seat = 0; seat < seats; ++seat)
            spawn(philosopher, table, self(), seat, each);
        meals = gather(seats);
    });
    exit(table, reason::kill);
    return {took, each * seats, meals == each * seats};
}

[[maybe_unused]] const bool registered =
    measure_on_workers("savina/big", 120'000, big) &&
    measure_on_workers("savina/chameneos", 100'000, chameneos) &&
    measure_on_workers("savina/dining_philosophers", 50'000, dining_philosophers);

}  // namespace
}  // namespace heirloom::bench
