// Deterministic mode (R18): one thread, virtual time, every choice from the seed.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <atomic>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/blocking.hpp>
#include <heirloom/names.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

/// The library's trace of one run.
std::vector<std::string> trace_of(std::uint64_t seed, const std::function<void()>& body) {
    std::vector<std::string> lines;
    options opts{.workers = 3};
    opts.deterministic.seed = seed;
    opts.deterministic.trace = [&](std::string_view line) { lines.emplace_back(line); };
    opts.log = [](const log_event&) {};
    runtime rt(std::move(opts));
    rt.run([&] { body(); });
    return lines;
}

/// Without what names the runtime's generations, which go on from run to run.
std::vector<std::string> without_generations(std::vector<std::string> lines) {
    for (auto& line : lines)
        for (std::size_t open = line.find('<'); open != std::string::npos;
             open = line.find('<', open + 1)) {
            const std::size_t dot = line.rfind('.', line.find('>', open));
            const std::size_t close = line.find('>', open);
            if (dot != std::string::npos && close != std::string::npos && dot > open && dot < close)
                line.erase(dot, close - dot);
        }
    return lines;
}

void busy_program() {
    std::vector<spawned> all;
    for (int i = 0; i < 5; ++i)
        all.push_back(spawn_monitor({.name = atom::intern("busy_" + std::to_string(i))}, [i] {
            send_after(std::chrono::microseconds(10 * i), self(), go{});
            for (int n = 0; n < 5; ++n) {
                yield();
                for (pid p : processes()) try_send(p, number{n});
            }
            receive<go>();
            if (i == 3) throw std::runtime_error("three");
        }));
    exit(all[1].pid, reason::kill);
    for (const auto& s : all) reason_of(s.ref);
}

std::shared_ptr<const std::vector<int>> order_of_events(std::uint64_t seed) {
    const auto order = std::make_shared<std::vector<int>>();
    options opts{.workers = 2};
    opts.deterministic.seed = seed;
    opts.log = [](const log_event&) {};
    runtime rt(std::move(opts));
    rt.run([&] {
        std::vector<spawned> all;
        for (int i = 0; i < 4; ++i)
            all.push_back(spawn_monitor([order, i] {
                order->push_back(i);
                yield();
                order->push_back(10 + i);
            }));
        for (const auto& s : all) reason_of(s.ref);
    });
    return order;
}

}  // namespace

TEST(deterministic, the_same_seed_gives_the_same_trace) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto first = without_generations(trace_of(seed, busy_program));
        const auto second = without_generations(trace_of(seed, busy_program));
        ASSERT_GT(first.size(), 10u);
        ASSERT_EQ(first, second) << "seed " << seed;
    }
}

TEST(deterministic, seeds_explore_different_orders) {
    std::set<std::vector<int>> orders;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        orders.insert(*order_of_events(seed));
        EXPECT_EQ(*order_of_events(seed), *order_of_events(seed));
    }
    EXPECT_GT(orders.size(), 20u);
}

TEST(deterministic, time_is_virtual) {
    const auto start = std::chrono::steady_clock::now();
    options opts{.workers = 1};
    opts.deterministic.seed = 1;
    runtime rt(std::move(opts));
    const auto passed = rt.run([] {
        const auto begin = runtime_clock::now();
        sleep(24h);
        receive([](go) {}, after(24h, [] {}));
        return runtime_clock::now() - begin;
    });
    EXPECT_GE(passed, 48h);
    EXPECT_LT(passed, 48h + 1s);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 60s);
}

TEST(deterministic, a_deadlock_is_an_exception_and_the_runtime_still_ends) {
    const auto token = std::make_shared<const int>(1);
    std::string report;
    {
        options opts{.workers = 2};
        opts.deterministic.seed = 1;
        opts.log = [](const log_event&) {};
        runtime rt(std::move(opts));
        try {
            rt.run([token] {
                register_name("the_waiter"_a, self());
                spawn({.name = "another_waiter"}, [token] { receive<stop>(); });
                send(self(), number{1});
                receive<stop>();
            });
            ADD_FAILURE() << "run must throw";
        } catch (const deadlock& e) {
            report = e.what();
        }
    }
    EXPECT_NE(report.find("the_waiter"), std::string::npos) << report;
    EXPECT_NE(report.find("another_waiter"), std::string::npos) << report;
    EXPECT_NE(report.find("1 message"), std::string::npos) << report;
    EXPECT_EQ(token.use_count(), 1) << "all processes have ended";
}

TEST(deterministic, goes_on_after_a_deadlock) {
    options opts{.workers = 2};
    opts.deterministic.seed = 1;
    opts.log = [](const log_event&) {};
    runtime rt(std::move(opts));
    EXPECT_THROW(rt.run([] { receive<stop>(); }), deadlock);
    EXPECT_EQ(rt.run([] { return 7; }), 7);
    EXPECT_THROW(rt.run([] { receive<stop>(); }), deadlock);
}

TEST(deterministic, blocking_is_one_step) {
    options opts{.workers = 2};
    opts.deterministic.seed = 1;
    runtime rt(std::move(opts));
    EXPECT_EQ(rt.run([] {
        const pid me = self();
        int waits_refused = 0;
        blocking([&] {
            if (self() != me) exit("somebody_else"_a);
            try {
                receive<go>();
            } catch (const cannot_wait&) {
                ++waits_refused;
            }
        });
        return waits_refused;
    }),
              1);
}

TEST(deterministic, is_for_one_thread) {
    options opts{.workers = 2};
    opts.deterministic.seed = 1;
    runtime rt(std::move(opts));
    rt.run([] {});
    std::atomic<bool> refused{false};
    std::thread([&] {
        try {
            rt.run([] {});
        } catch (const error&) {
            refused = true;
        }
    }).join();
    EXPECT_TRUE(refused) << "foreign threads are refused";
}

TEST(deterministic, kills_whom_it_is_told_to) {
    // Faults: a kill at any safe point of the one process that is named.
    int killed = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        options opts{.workers = 2};
        opts.deterministic.seed = seed;
        opts.deterministic.faults.kill = 50'000;
        opts.deterministic.faults.kill_only = "the_victim"_a;
        opts.log = [](const log_event&) {};
        runtime rt(std::move(opts));
        killed += rt.run([] {
            auto victim = spawn_monitor({.name = "the_victim"}, [] {
                for (int i = 0; i < 100; ++i) yield();
            });
            auto other = spawn_monitor([] {
                for (int i = 0; i < 100; ++i) yield();
            });
            const int result = reason_of(victim.ref) == reason::killed ? 1 : 0;
            return reason_of(other.ref) == reason::normal ? result : 1000;
        });
    }
    EXPECT_GT(killed, 10) << "100 safe points at 5 percent";
    EXPECT_LE(killed, 50) << "nobody else was killed";
}
