// What does a message cost from one process to another: alone, through many, from many, between
// cores, and from a thread that is no process? Not asked here: what large or allocating payloads
// cost (these are one or two words), or how long a message waits behind a process that computes.
#include "support/scenario.hpp"

#include <atomic>
#include <future>
#include <vector>

#include <pthread.h>

#include <heirloom/detail/activity.hpp>

namespace heirloom::bench {
namespace {

struct ping {
    pid from;
    std::int64_t number;
};
struct pong {
    std::int64_t number;
};
struct start {};
struct finished {
    std::int64_t sum;
};

[[noreturn]] void echo() {
    for (;;) receive([](ping p) { send(p.from, pong{p.number}); });
}

std::int64_t ping_many(pid partner, std::int64_t n) {
    const pid me = self();
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        send(partner, ping{me, i});
        receive([&](pong p) { sum += p.number; });
    }
    return sum;
}

// A round trip between two processes.
bool ping_pong(std::int64_t n, stopwatch& watch) {
    const pid partner = spawn(echo);
    watch.start();
    const std::int64_t sum = ping_many(partner, n);
    watch.stop();
    end(partner);
    return sum == sum_below(n);
}

// A round trip, of 64 pairs that have nothing to do with each other.
bool pairs(std::int64_t n, stopwatch& watch) {
    constexpr std::int64_t count = 64;
    const std::int64_t each = n / count;
    std::vector<pid> echoes;
    std::vector<pid> pingers;
    for (std::int64_t i = 0; i < count; ++i) {
        echoes.push_back(spawn(echo));
        pingers.push_back(spawn([main = self(), partner = echoes.back(), each] {
            receive<start>();
            send(main, finished{ping_many(partner, each)});
        }));
    }
    watch.start();
    for (const pid p : pingers) send(p, start{});
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += receive<finished>().sum;
    watch.stop();
    for (const pid p : echoes) end(p);
    return sum == count * sum_below(each);
}

struct token {
    std::int64_t hops_left;
};
struct successor {
    pid next;
};

[[noreturn]] void ring_member(pid main, pid next) {
    for (;;) {
        receive([&](token t) {
            if (t.hops_left > 0)
                send(next, token{t.hops_left - 1});
            else
                send(main, finished{t.hops_left});
        });
    }
}

// A hop of one token around 1000 processes.
bool ring(std::int64_t n, stopwatch& watch) {
    constexpr int size = 1000;
    const pid main = self();
    std::vector<pid> members{spawn([main] { ring_member(main, receive<successor>().next); })};
    while (members.size() < size) members.push_back(spawn(ring_member, main, members.back()));
    send(members.front(), successor{members.back()});
    watch.start();
    send(members.front(), token{n});
    const std::int64_t left = receive<finished>().sum;
    watch.stop();
    for (const pid p : members) end(p);
    return left == 0;
}

struct number {
    std::int64_t value;
};

// A message, of those that many senders send one receiver as fast as they can.
template <std::int64_t Senders>
bool fan_in(std::int64_t n, stopwatch& watch) {
    const pid main = self();
    const std::int64_t each = n / Senders;
    std::vector<pid> senders;
    for (std::int64_t s = 0; s < Senders; ++s) {
        senders.push_back(spawn([main, each] {
            receive<start>();
            for (std::int64_t i = 0; i < each; ++i) send(main, number{i});
        }));
    }
    watch.start();
    for (const pid p : senders) send(p, start{});
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < Senders * each; ++i) receive([&](number v) { sum += v.value; });
    watch.stop();
    return sum == Senders * sum_below(each);
}

// A message from a plain thread, until the last has been received.
bool foreign_send(runtime& rt, std::int64_t n, stopwatch& watch) {
    std::promise<std::int64_t> sum;
    auto answer = sum.get_future();
    const pid receiver = rt.spawn([&sum, n] {
        std::int64_t total = 0;
        for (std::int64_t i = 0; i < n; ++i) receive([&](number v) { total += v.value; });
        sum.set_value(total);
    });
    watch.start();
    for (std::int64_t i = 0; i < n; ++i) rt.send(receiver, number{i});
    const std::int64_t total = answer.get();
    watch.stop();
    return total == sum_below(n);
}

/// The next message, looked for without ever waiting: the process keeps its worker.
template <class T>
T poll() {
    for (;;) {
        if (detail::message* m = detail::next_message()) {
            const detail::message_ptr owner(m);
            return static_cast<detail::typed_message<T>*>(m)->payload;
        }
    }
}

struct placed_pong {
    std::int64_t number;
    std::uint64_t thread;
};
/// The thread of the moment; never remembered across a switch, as the compiler may do with an id.
[[gnu::noinline]] std::uint64_t thread_here() {
    const auto id = reinterpret_cast<std::uintptr_t>(&errno);
    asm volatile("");
    return id;
}

// A round trip between two processes that never wait, so that each stays on a core of its own.
bool cross_core_round_trip(std::int64_t n, stopwatch& watch) {
    const pid main = self();
    const pid partner = spawn([] {
        for (bool more = true; more;) {
            const ping p = poll<ping>();
            more = p.number >= 0;
            send(p.from, placed_pong{p.number, thread_here()});
        }
    });
    const auto round_trip = [&](std::int64_t i) {
        send(partner, ping{main, i});
        return poll<placed_pong>();
    };
    // The clock starts when the other worker has taken the partner.
    while (round_trip(0).thread == thread_here()) {
    }
    std::int64_t sum = 0;
    std::int64_t together = 0;
    watch.start();
    for (std::int64_t i = 0; i < n; ++i) {
        const placed_pong p = round_trip(i);
        sum += p.number;
        together += p.thread == thread_here();
    }
    watch.stop();
    round_trip(-1);
    return together < n / 1000 && sum == sum_below(n);
}

const auto registered = {
    add("runtime/ping_pong", 1'000'000, ping_pong),
    add("runtime/ring/processes:1000", 1'000'000, ring),
    add("runtime/fan_in/senders:4", 2'000'000, fan_in<4>),
    add("runtime/fan_in/senders:1000", 2'000'000, fan_in<1000>),
    add("runtime/pairs:64", 1'280'000, pairs),
    add("runtime/foreign_send", 1'000'000, foreign_send),
};
const bool on_two_cores =
    measure("runtime/cross_core_round_trip/workers:2", 2, 500'000, [](std::uint64_t n) {
        stopwatch watch;
        const bool right = cross_core_round_trip(static_cast<std::int64_t>(n), watch);
        return outcome{watch.seconds(), n, right};
    });

}  // namespace
}  // namespace heirloom::bench
