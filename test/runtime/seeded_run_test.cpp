// Deterministic mode (R18): the seed alone decides, equal seeds give equal traces, every fault
// strikes where it says.
#include "heirloom/blocking.hpp"
#include "heirloom/explore.hpp"
#include "heirloom/names.hpp"
#include "heirloom/receive.hpp"
#include "heirloom/runtime.hpp"
#include "heirloom/test_kit.hpp"
#include "support/busy_body.hpp"
#include "support/effort.hpp"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

struct tick {};

std::vector<std::string> lines_with(const std::vector<std::string>& trace, std::string_view text) {
    std::vector<std::string> found;
    for (const auto& line : trace)
        if (line.find(text) != std::string::npos) found.push_back(line);
    return found;
}

options seeded(std::uint64_t seed, fault_options faults = {}) {
    options o;
    o.max_processes = 10'000;
    o.deterministic = {.seed = seed, .faults = faults};
    o.log = [](const log_event&) {};
    return o;
}

}  // namespace

TEST(deterministic, equal_seeds_give_equal_traces_byte_for_byte) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto first = trace_of(busy_body, seed);
        // What earlier runs leave behind (free lists, slots, interned names, other addresses) must
        // not show.
        {
            runtime other(seeded(seed + 1000));
            other.run(busy_body);
        }
        std::vector<std::unique_ptr<int[]>> clutter;
        for (std::size_t i = 0; i < seed * 10; ++i)
            clutter.push_back(std::make_unique<int[]>(i * 7 % 100 + 1));
        const auto second = trace_of(busy_body, seed);
        EXPECT_EQ(first, second) << "seed " << seed;
        EXPECT_EQ(first.back(), "the seed ends: well") << "seed " << seed;
    }
}

TEST(deterministic, other_runtimes_at_work_do_not_show_in_the_trace) {
    const auto alone = trace_of(busy_body, 7);
    options o;
    o.workers = 2;
    o.max_processes = 1000;
    runtime busy(o);
    std::atomic<bool> stop{false};
    busy.spawn([&stop] {
        while (!stop) {
            spawn([] {});
            yield();
        }
    });
    const auto together = trace_of(busy_body, 7);
    stop = true;
    EXPECT_EQ(alone, together);
}

TEST(deterministic, different_seeds_give_different_schedules) {
    std::set<std::vector<std::string>> traces;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) traces.insert(trace_of(busy_body, seed));
    EXPECT_GE(traces.size(), 29u);
}

TEST(deterministic, the_trace_says_who_did_what_to_whom_and_when) {
    const auto trace = trace_of(busy_body, 3);
    EXPECT_FALSE(lines_with(trace, "\"main\" spawns <").empty());
    EXPECT_FALSE(lines_with(trace, "\"main\" sends <255.2.1> \"echo\" ").empty());
    EXPECT_FALSE(lines_with(trace, "\"echo\" takes ").empty());
    EXPECT_FALSE(lines_with(trace, " waits").empty());
    EXPECT_FALSE(lines_with(trace, " can run").empty());
    EXPECT_FALSE(lines_with(trace, " runs").empty());
    EXPECT_FALSE(lines_with(trace, "a timer for <").empty());
    EXPECT_FALSE(lines_with(trace, " ends: std::runtime_error: worker 1 fails").empty());
    EXPECT_FALSE(lines_with(trace, "\"echo\" ends: done").empty());
    for (const auto& line : trace)
        EXPECT_TRUE(line.find(" us  ") == 14 || line.find("log") == 15 ||
                    line.starts_with("the seed ends"))
            << line;
}

TEST(deterministic, the_trace_holds_no_address) {
    const auto body = [] {
        send(self(), std::make_shared<const int>(5));
        receive([](std::shared_ptr<const int>) {});
        send(self(), std::string("text"));
        receive([](const std::string&) {});
    };
    const auto trace = trace_of(body, 1);
    for (const auto& line : trace) EXPECT_EQ(line.find("0x"), std::string::npos) << line;
    EXPECT_FALSE(lines_with(trace, "text").empty());
}

TEST(deterministic, time_is_virtual) {
    const auto before = std::chrono::steady_clock::now();
    runtime rt(seeded(1));
    const duration slept = rt.run([] {
        const auto start = runtime_clock::now();
        sleep(24h);
        return duration(runtime_clock::now() - start);
    });
    EXPECT_GE(slept, 24h);
    EXPECT_LT(slept, 24h + 1s);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);
}

TEST(deterministic, both_orders_of_a_race_come_up) {
    std::set<int> winners;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        runtime rt(seeded(seed));
        winners.insert(rt.run([] {
            for (int i = 0; i < 2; ++i) spawn([i, to = self()] { send(to, i); });
            return receive<int>();
        }));
    }
    EXPECT_EQ(winners.size(), 2u);
}

TEST(deterministic, a_race_against_a_limit_goes_both_ways) {
    std::set<bool> in_time;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        runtime rt(seeded(seed));
        in_time.insert(rt.run([] {
            spawn([to = self()] {
                sleep(20us);
                send(to, tick{});
            });
            return receive([](tick) { return true; }, after(21us, [] { return false; }));
        }));
    }
    EXPECT_EQ(in_time.size(), 2u);
}

TEST(deterministic, a_safe_point_switches_as_often_as_asked) {
    const auto switches = [](unsigned chance) {
        std::size_t seen = 0;
        options o = seeded(5);
        o.deterministic.switch_chance = chance;
        const auto trace = trace_of(
            [] {
                const pid sink = spawn([] { receive<pong>(); });
                for (int i = 0; i < 200; ++i) send(sink, tick{});
                send(sink, pong{0});
            },
            5, o);
        for (const auto& line : trace) seen += line.find("<255.1.1> runs") != std::string::npos;
        return seen;
    };
    EXPECT_LE(switches(0), 2u);
    EXPECT_GE(switches(1'000'000), 200u);
    const auto half = switches(500'000);
    EXPECT_GT(half, 60u);
    EXPECT_LT(half, 140u);
}

TEST(deterministic, pair_order_holds_under_every_schedule) {
    const auto found = explore(
        [] {
            const pid to = self();
            for (int s = 0; s < 3; ++s)
                spawn([s, to] {
                    for (int i = 0; i < 5; ++i) send(to, ping{self(), s * 100 + i});
                });
            int next[3] = {0, 0, 0};
            for (int n = 0; n < 15; ++n)
                receive([&](ping p) {
                    require(next[p.n / 100]++ == p.n % 100, "order of one sender");
                });
        },
        test::seeds());
    EXPECT_TRUE(found);
}

TEST(deterministic, delivery_is_causal) {
    const auto found = explore(
        [] {
            const pid b = self();
            const pid a = spawn([b] {
                const pid c = receive<pid>();
                send(b, 1);
                send(c, tick{});
            });
            const pid c = spawn([b] {
                receive<tick>();
                send(b, 2);
            });
            send(a, c);
            require(receive<int>() == 1, "the first");
            require(receive<int>() == 2, "the second");
        },
        test::seeds());
    EXPECT_TRUE(found);
}

TEST(deterministic, blocking_is_one_step) {
    runtime rt(seeded(2));
    EXPECT_EQ(rt.run([] { return blocking([] { return 42; }); }), 42);
}

TEST(deterministic, random_bits_come_from_the_seed) {
    const auto draw = [](std::uint64_t seed) {
        runtime rt(seeded(seed));
        return rt.run([] { return detail::random_bits(); });
    };
    EXPECT_EQ(draw(9), draw(9));
    EXPECT_NE(draw(9), draw(10));
}

TEST(deterministic, calls_of_other_threads_are_refused_while_it_runs) {
    runtime rt(seeded(1));
    bool refused = false;
    rt.run([&] {
        blocking([&] {
            std::thread([&] {
                try {
                    rt.spawn([] {});
                } catch (const bad_argument&) {
                    refused = true;
                }
            }).join();
        });
    });
    EXPECT_TRUE(refused);
}

TEST(deterministic, a_program_that_does_not_end_reaches_the_step_limit) {
    options o = seeded(1);
    o.deterministic.step_limit = 5'000;
    runtime rt(o);
    bool unwound = false;
    struct on_unwind {
        bool& flag;
        ~on_unwind() { flag = true; }
    };
    EXPECT_THROW(rt.run([&] {
        on_unwind guard{unwound};
        for (;;) yield();
    }),
                 limit_reached);
    EXPECT_TRUE(unwound);
}

// --- Faults
// ----------------------------------------------------------------------------------------

TEST(fault, kill_strikes_running_and_waiting_processes_but_not_main) {
    std::size_t kills = 0, unentered = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        runtime rt(seeded(seed, {.kill = 100'000}));
        std::size_t entered = 0;
        kills += rt.run([&entered] {
            std::vector<monitor_ref> refs;
            for (int i = 0; i < 5; ++i)
                refs.push_back(spawn_monitor([&entered] {
                                   ++entered;
                                   for (int j = 0; j < 10; ++j) yield();
                                   receive([](tick) {}, after(1ms, [] {}));
                               }).ref);
            std::size_t killed = 0;
            for (const auto& ref : refs)
                receive(when(ref, [&](const down& d) { killed += d.reason == reason::killed; }));
            return killed;
        });
        unentered += 5 - entered;
    }
    EXPECT_GT(kills, 100u);
    EXPECT_GT(unentered, 0u);  // killed before their first step: the function is never entered
}

TEST(fault, kill_only_strikes_the_named_process_alone) {
    std::size_t named = 0, others = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        runtime rt(seeded(seed, {.kill = 200'000, .kill_only = "victim"_a}));
        rt.run([&] {
            const auto spin = [] {
                for (int j = 0; j < 20; ++j) yield();
            };
            const auto victim = spawn_monitor({.name = "victim"}, spin).ref;
            const auto other = spawn_monitor({.name = "other"}, spin).ref;
            receive(when(victim, [&](const down& d) { named += d.reason == reason::killed; }));
            receive(when(other, [&](const down& d) { others += d.reason == reason::killed; }));
        });
    }
    EXPECT_GT(named, 25u);
    EXPECT_EQ(others, 0u);
}

TEST(fault, a_killed_process_unwinds) {
    std::size_t made = 0, destroyed = 0;
    struct counted {
        std::size_t& destroyed;
        ~counted() { ++destroyed; }
    };
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        runtime rt(seeded(seed, {.kill = 100'000}));
        rt.run([&] {
            std::vector<monitor_ref> refs;
            for (int i = 0; i < 4; ++i)
                refs.push_back(spawn_monitor([&] {
                                   ++made;
                                   counted c{destroyed};
                                   for (int j = 0; j < 10; ++j) yield();
                               }).ref);
            for (const auto& ref : refs) receive(when(ref, [](const down&) {}));
        });
    }
    EXPECT_EQ(made, destroyed);
}

TEST(fault, a_refused_allocation_is_bad_alloc_at_the_sender) {
    std::size_t refused = 0, lost = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        runtime rt(seeded(seed, {.fail_allocation = 100'000}));
        rt.run([&] {
            const pid sink = self();
            const auto sender = spawn_monitor([&refused, sink] {
                int sent = 0;
                for (int i = 0; i < 20; ++i) try {
                        send(sink, tick{});
                        ++sent;
                    } catch (const std::bad_alloc&) {
                        ++refused;
                    }
                for (;;) try {
                        send(sink, sent);
                        return;
                    } catch (const std::bad_alloc&) {
                    }
            });
            receive(when(sender.ref, [](const down&) {}));
            const int sent = receive<int>();
            int arrived = 0;
            while (receive([&](tick) { return true; }, after(0s, [] { return false; }))) ++arrived;
            lost += static_cast<std::size_t>(sent - arrived);
        });
    }
    EXPECT_GT(refused, 20u);
    EXPECT_EQ(lost, 0u);
}

TEST(fault, a_refused_stack_is_limit_reached_at_the_spawner) {
    std::size_t refused = 0, started = 0, ran = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        runtime rt(seeded(seed, {.fail_stack = 300'000}));
        rt.run([&] {
            const auto spawner = spawn_monitor([&] {
                for (int i = 0; i < 10; ++i) try {
                        const auto child = spawn_monitor([&] { ++ran; });
                        ++started;
                        receive(when(child.ref, [](const down&) {}));
                    } catch (const limit_reached& e) {
                        EXPECT_EQ(e.limit(), "stack memory");
                        ++refused;
                    }
            });
            receive(when(spawner.ref, [](const down& d) { EXPECT_EQ(d.reason, reason::normal); }));
        });
    }
    EXPECT_GT(refused, 20u);
    EXPECT_EQ(started, ran);
    EXPECT_EQ(refused + started, 200u);
}

TEST(fault, a_delayed_worker_lets_limits_pass) {
    int late = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        runtime rt(seeded(seed, {.delay_worker = 300'000}));
        late += rt.run([] {
            const pid echo = spawn([] {
                for (;;) receive([](ping p) { send(p.from, pong{p.n}); });
            });
            send(echo, ping{self(), 1});
            return receive([](pong) { return 0; }, after(1ms, [] { return 1; }));
        });
    }
    EXPECT_GT(late, 5);
    EXPECT_LT(late, 95);
}

TEST(fault, that_strikes_is_in_the_trace) {
    std::size_t told = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        options o = seeded(seed, {.kill = 100'000});
        told += lines_with(trace_of(
                               [] {
                                   const auto child = spawn_monitor([] {
                                       for (int i = 0; i < 50; ++i) yield();
                                   });
                                   receive(when(child.ref, [](const down&) {}));
                               },
                               seed, o),
                           "FAULT <255.2.1> is killed")
                    .size();
    }
    EXPECT_GT(told, 5u);
}

TEST(fault, that_is_off_does_not_change_the_schedule) {
    options with_kill_of_nobody = seeded(4, {.kill = 0, .kill_only = "nobody"_a});
    EXPECT_EQ(trace_of(busy_body, 4, with_kill_of_nobody), trace_of(busy_body, 4));
}

// --- Deadlock
// --------------------------------------------------------------------------------------

namespace {
std::string report_of(const std::function<void()>& body) {
    runtime rt(seeded(1));
    try {
        rt.run(body);
    } catch (const deadlock& e) {
        return e.what();
    }
    return "no deadlock";
}
}  // namespace

TEST(deadlock, names_every_waiter_and_what_it_waits_for) {
    const std::string report = report_of([] {
        register_name("waiting_main"_a, self());
        spawn({.name = "other"}, [] { receive([](ping) {}, [](const std::string&) {}); });
        send(self(), 7);
        receive([](pong) {});
    });
    EXPECT_NE(report.find("\"waiting_main\""), std::string::npos) << report;
    EXPECT_NE(report.find("pong; 1 message it does not take: int"), std::string::npos) << report;
    EXPECT_NE(report.find("\"other\""), std::string::npos) << report;
    EXPECT_NE(report.find("ping or "), std::string::npos) << report;
}

TEST(deadlock, is_seen_although_somebody_waits_for_room) {
    // Who waits for room in a mailbox sleeps until there is some, and the report says where.
    const std::string report = report_of([] {
        const pid full =
            spawn({.name = "full", .mailbox_bound = 1, .when_full = mailbox_policy::wait},
                  [] { receive<pong>(); });
        send(full, tick{});
        send(full, tick{});
    });
    EXPECT_NE(report.find("room in the mailbox of "), std::string::npos) << report;
    EXPECT_NE(report.find("\"full\""), std::string::npos) << report;
}

TEST(deadlock, is_no_deadlock_while_a_timer_is_armed) {
    EXPECT_EQ(report_of([] {
                  send_after(1h, self(), tick{});
                  receive<tick>();
              }),
              "no deadlock");
}

TEST(deadlock, unwinds_the_main_process_before_it_is_thrown) {
    bool unwound = false;
    struct on_unwind {
        bool& flag;
        ~on_unwind() { flag = true; }
    };
    report_of([&] {
        on_unwind guard{unwound};
        receive<tick>();
    });
    EXPECT_TRUE(unwound);
}

TEST(deadlock, names_a_cycle_of_calls_as_a_cycle) {
    // Calls without a server above them: begin, send, wait.
    struct ask {};
    const auto call_for_ever = [](pid to) {
        detail::reply_message* r = detail::call_and_wait(to, detail::new_call<ask>(), forever);
        r->type->destroy(r);
    };
    const std::string report = report_of([call_for_ever] {
        const auto stage = [call_for_ever] { call_for_ever(receive<pid>()); };
        const pid a = spawn({.name = "a"}, stage);
        const pid b = spawn({.name = "b"}, stage);
        const pid c = spawn({.name = "c"}, stage);
        send(a, b);
        send(b, c);
        send(c, a);
        receive<tick>();
    });
    EXPECT_NE(report.find("waits for a reply of <255.3.1> \"b\""), std::string::npos) << report;
    EXPECT_NE(report.find("a cycle of calls: <255.2.1> \"a\" -> <255.3.1> \"b\" -> <255.4.1> \"c\" "
                          "-> <255.2.1> \"a\""),
              std::string::npos)
        << report;
    EXPECT_EQ(report.find("a cycle of calls"), report.rfind("a cycle of calls")) << report;
}
