// Does an operation cost more when there is more of what it does not, or hardly, touch: other processes, messages that wait,
// siblings of the one restarted, links to others? A curve each, a point a benchmark; the curve over the rows of a table is
// drawn from ets/. One setup a point, a tenth of the operations to warm up, then the measured ones.

#include "supervisor/counting_server.hpp"
#include "support/scenario.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace heirloom::bench {
namespace {

/// `work(k)` does k operations and returns how many had the right answer.
template <class Work>
outcome warm_and_measured(std::uint64_t n, Work work) {
    const std::uint64_t warm = n / 10 + 1;
    const bool warm_right = work(warm) == warm;
    std::uint64_t right = 0;
    const double took = timed([&] { right = work(n); });
    return {took, n, warm_right && right == n};
}

struct question {
    pid from;
    std::uint64_t number;
};
struct answer {
    std::uint64_t number;
};

// One of `count` waiting processes after another is asked and answers; never the neighbour of the last.
scenario asked_among(std::uint64_t count) {
    return [=](std::uint64_t n) {
        std::vector<pid> all;
        all.reserve(count);
        for (std::uint64_t i = 0; i < count; ++i)
            all.push_back(spawn([] {
                for (;;) receive([](question q) { send(q.from, answer{q.number}); });
            }));
        const auto ask = [&](std::uint64_t times) {
            std::uint64_t right = 0;
            for (std::uint64_t j = 0; j < times; ++j) {
                send(all[j * 7919 % count], question{self(), j});
                receive([&](answer a) { right += a.number == j; });
            }
            return right;
        };
        const outcome result = warm_and_measured(n, ask);
        for (const pid p : all) exit(p, reason::kill);
        for (const pid p : all)
            while (is_alive(p)) yield();
        return result;
    };
}

struct not_now {};

// A call, by a process in whose mailbox `count` messages wait for another day.
scenario call_behind(std::uint64_t count) {
    return [=](std::uint64_t n) {
        const auto server = start_link<counting_server>().value();
        for (std::uint64_t i = 0; i < count; ++i) send(self(), not_now{});
        std::uint64_t last = 0;
        const outcome result = warm_and_measured(n, [&](std::uint64_t times) {
            std::uint64_t right = 0;
            for (std::uint64_t j = 0; j < times; ++j)
                right += call(server, counting_server::increment{}) == ++last;
            return right;
        });
        stop(server);
        return result;
    };
}

constexpr server_name<counting_server> victim{"growth.victim"};

// From the kill of one of `count` children to the first answered call of the next incarnation.
scenario restart_among(std::uint64_t count) {
    return [=](std::uint64_t n) {
        supervisor::init_result spec{.strategy = one_for_one,
                                     .intensity = {.restarts = std::numeric_limits<int>::max(),
                                                   .within = std::chrono::seconds(1)},
                                     .children = {child<counting_server>(victim)}};
        for (std::uint64_t i = 1; i < count; ++i)
            spec.children.push_back(child<counting_server>("sibling_" + std::to_string(i)));
        const auto sup = supervisor::start_link(std::move(spec)).value();
        const auto first_answer = [](pid old) {
            for (;;) {
                const auto now = whereis(victim);
                if (now && pid(now) != old)
                    if (const auto got = try_call(now, counting_server::increment{})) return *got;
                yield();
            }
        };
        const outcome result = warm_and_measured(n, [&](std::uint64_t times) {
            std::uint64_t right = 0;
            for (std::uint64_t j = 0; j < times; ++j) {
                const pid old(whereis(victim));
                exit(old, reason::kill);
                right += first_answer(old) == 1;
            }
            return right;
        });
        stop(sup);
        return result;
    };
}

// A process that is linked to `count` others starts one more by spawn_link and receives its end.
scenario link_beside(std::uint64_t count) {
    return [=](std::uint64_t n) {
        trap_exit(true);
        std::vector<pid> others;
        for (std::uint64_t i = 0; i < count; ++i)
            others.push_back(spawn_link([] { receive<not_now>(); }));
        const outcome result = warm_and_measured(n, [](std::uint64_t times) {
            std::uint64_t right = 0;
            for (std::uint64_t j = 0; j < times; ++j) {
                const pid child = spawn_link([] {});
                receive([&](const exit_signal& s) {
                    right += s.from == child && s.reason == reason::normal;
                });
            }
            return right;
        });
        for (const pid p : others) {
            unlink(p);
            exit(p, reason::kill);
        }
        trap_exit(false);
        return result;
    };
}

/// Points from 1 to `most`, a factor of ten apart, on one worker.
void curve(const std::string& name, std::uint64_t most, std::uint64_t n,
           scenario (*at)(std::uint64_t count)) {
    for (std::uint64_t count = 1; count <= most; count *= 10)
        measure_once("growth/" + name + "/count:" + std::to_string(count) + "/workers:1", 1, n,
                     at(count));
}

[[maybe_unused]] const bool registered = [] {
    curve("processes", 1'000'000, 400'000, asked_among);
    curve("backlog", 1'000'000, 200'000, call_behind);
    curve("children", 100'000, 5'000, restart_among);
    curve("links", 100'000, 100'000, link_beside);
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
