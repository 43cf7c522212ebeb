// How long do others wait while a process grows, gives away, clears or deletes a table of ten million rows? On one worker
// (processes:1): the longest that a process which is always ready waits for its turn, in CPU time of the worker's thread, so that
// other programs do not count. On two (processes:2): the longest round trip of a pair that plays ping-pong, by the clock or
// by the CPU time of the whole program, whichever is less: a machine that stops all its processors for 50 ms, as shared ones do, stops
// that one too. What was to be done is checked. Not answered: how long the whole takes.
#include "../../test/ets/stall.hpp"

#include "measure.hpp"

namespace heirloom::bench {
namespace {

struct ping {
    pid from;
};
struct pong {};

struct both_clocks {
    std::chrono::steady_clock::time_point clock = std::chrono::steady_clock::now();
    double cpu_seconds = [] {
        timespec time{};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
    }();
    double since(const both_clocks& begin) const {
        return std::min(std::chrono::duration<double>(clock - begin.clock).count(),
                        cpu_seconds - begin.cpu_seconds);
    }
};

/// In seconds, while `work` runs and for `turns_afterwards` round trips more.
template <class F>
double longest_round_trip(F work, std::uint64_t turns_afterwards) {
    const pid echo = spawn([] {
        for (;;) receive([](ping p) { send(p.from, pong{}); });
    });
    std::atomic<bool> done{false};
    double longest = 0;
    const auto player = spawn_monitor([&] {
        for (std::uint64_t left = turns_afterwards; !done || left-- > 0;) {
            const both_clocks begin;
            send(echo, ping{self()});
            receive([](pong) {});
            longest = std::max(longest, both_clocks().since(begin));
        }
    });
    work();
    done = true;
    receive(when(player.ref, [](down) {}));
    exit(echo, reason::kill);
    return longest;
}

template <class F>
double longest_wait(unsigned workers, F work, std::uint64_t turns_afterwards) {
    if (workers > 1) return longest_round_trip(work, turns_afterwards);
    const auto over = [n = turns_afterwards]() mutable { return n-- == 0; };
    return static_cast<double>(test::longest_stall_us(work, over)) * 1e-6;
}

template <class Table, class Value>
void stall(unsigned workers, const std::string& kind, std::uint64_t rows, Value value) {
    // `body` returns seconds, negative if what it did is not done.
    const auto add_stall = [=](const char* what, auto body) {
        const std::string name = std::string("ets/stall_") + what +
                                 "/rows:" + std::to_string(rows) +
                                 "/processes:" + std::to_string(workers) + "/" + kind;
        add_longest(name, workers, body);
    };
    const auto fill = [=](Table& t) {
        for (std::uint64_t k = 0; k < rows; ++k) t.insert(static_cast<long>(k), value(k));
    };
    const auto is_full = [=](const Table& t) {
        bool right = t.size() == rows;
        for (std::uint64_t k = 0; k < rows; k += 997)
            right = right && t.lookup(static_cast<long>(k)) == value(k);
        return right;
    };
    const std::uint64_t turns = rows / 20;
    add_stall("grow", [=] {
        auto t = Table::create();
        const double wait = longest_wait(
            workers, [&] { fill(t); }, 0);
        return is_full(t) ? wait : -1;
    });
    add_stall("give_away", [=] {
        auto t = Table::create();
        fill(t);
        const pid to = spawn([] {
            receive<ets::transfer>();
            receive<int>();
        });
        const double wait = longest_wait(
            workers, [&] { (void)t.give_away(to); }, turns);
        const bool right = t.info()->owner == to && is_full(t);
        exit(to, reason::kill);
        return right ? wait : -1;
    });
    add_stall("clear", [=] {
        auto t = Table::create();
        fill(t);
        const double wait = longest_wait(
            workers, [&] { t.clear(); }, turns);
        return t.size() == 0 && t ? wait : -1;
    });
    add_stall("delete", [=] {
        auto t = Table::create();
        fill(t);
        const double wait = longest_wait(
            workers, [&] { t.delete_table(); }, turns);
        return t ? -1 : wait;
    });
}

const bool registered = [] {
    constexpr std::uint64_t rows = 10'000'000;
    for (const unsigned workers : {1u, 2u}) {
        stall<ets::set<long, long>>(workers, "value:8", rows,
                                    [](std::uint64_t k) { return static_cast<long>(k); });
        stall<ets::set<long, std::string>>(workers, "value:string", rows, [](std::uint64_t k) {
            return std::string(16, 'x') + std::to_string(k);
        });
        stall<ets::ordered_set<long, long>>(workers, "type:ordered_set", rows,
                                            [](std::uint64_t k) { return static_cast<long>(k); });
    }
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
