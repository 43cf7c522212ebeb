// Receive: the catalogue's rows rc-*.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

struct token {
    int n;
};
struct other {
    int n;
};

/// The numbers that are queued, in order, taken out.
std::vector<int> drain_numbers() {
    std::vector<int> all;
    while (auto n = receive_for<number>(0s)) all.push_back(n->n);
    return all;
}

}  // namespace

TEST(conformance_processes, rc_selective) {
    const auto body = [](witness& w) {
        for (int i = 1; i <= 5; ++i) {
            send(self(), number{i});
            if (i == 2) send(self(), token{1});
            if (i == 4) send(self(), other{2});
        }
        // The first in arrival order that any handler takes.
        w.equal(receive([](other o) { return 10 + o.n; }, [](token t) { return 20 + t.n; }), 21);
        w.equal(
            receive(when([](const number& n) { return n.n > 2; }, [](number n) { return n.n; })),
            3);
        w.equal(receive([](number n) { return n.n; }), 1);
        w.equal(receive([](token) { return 0; }, [](other o) { return o.n; }), 2);
        w.equal(drain_numbers(), (std::vector{2, 4, 5}));
        // A guard is only asked about messages of its type, and the skipped ones are candidates again.
        for (int i = 1; i <= 4; ++i) send(self(), number{i});
        for (int wanted : {4, 1, 3, 2})
            w.equal(receive(when([=](const number& n) { return n.n == wanted; },
                                 [](number n) { return n.n; })),
                    wanted);
        w.that(drain_numbers().empty());
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rc_selective_among_arrivals) {
    const auto body = [](witness& w) {
        // The same while messages come in from outside.
        const pid main = self();
        spawn([main] {
            for (int i = 0; i < 100; ++i) {
                send(main, number{i});
                if (i % 10 == 9) send(main, token{i});
            }
        });
        for (int i = 9; i < 100; i += 10) w.equal(receive<token>().n, i);
        for (int i = 0; i < 100; ++i) w.equal(receive<number>().n, i);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rc_handlers_take_by_value_const_and_move) {
    const auto body = [](witness& w) {
        send(self(), std::vector{1, 2, 3});
        send(self(), std::vector{4, 5});
        send(self(), std::vector{6});
        w.equal(receive([](std::vector<int> v) { return v.size(); }), std::size_t{3});
        w.equal(receive([](const std::vector<int>& v) { return v.size(); }), std::size_t{2});
        w.equal(receive([](std::vector<int>&& v) { return v.size(); }), std::size_t{1});
        send(self(), std::make_unique<int>(7));
        w.equal(*receive<std::unique_ptr<int>>(), 7);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rc_block_and_wake) {
    const auto body = [](witness& w) {
        // No wake-up is lost, however the send meets the park.
        const pid main = self();
        const pid echo = spawn(answer_pings);
        for (int i = 0; i < w.times(2'000, 50); ++i) {
            send(echo, ping{main});
            receive<pong>();
        }
        // What does not match wakes nobody for good, and the match still does.
        const pid picky = spawn([main] {
            for (;;) {
                const int n = receive([](token t) { return t.n; });
                send(main, number{n});
            }
        });
        for (int i = 0; i < w.times(500, 20); ++i) {
            send(picky, other{i});
            send(picky, token{i});
            w.equal(receive<number>().n, i);
        }
        w.that(is_alive(picky));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rc_nonmatching_keeps_deadline) {
    const auto body = [](witness& w) {
        const pid main = self();
        const pid pest = spawn([main] {
            for (;;) {
                send(main, other{0});
                receive([](stop) { exit(reason::normal); }, after(500us, [] {}));
            }
        });
        const auto start = runtime_clock::now();
        const auto limit = 20ms;
        w.that(!receive_for<token>(limit));
        const auto took = runtime_clock::now() - start;
        w.that(took >= limit, "not early");
        w.that(took < limit + 5s, "arrivals do not restart the limit");
        send(pest, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, rc_after_zero) {
    const auto body = [](witness& w) {
        w.that(!receive_for<number>(0s));
        for (int i = 0; i < 3; ++i) send(self(), other{i});
        send(self(), number{7});
        // The whole queue is looked through before the limit counts.
        w.equal(receive([](number n) { return n.n; }, after(0s, [] { return -1; })), 7);
        w.equal(receive([](number n) { return n.n; }, after(0s, [] { return -1; })), -1);
        const auto start = runtime_clock::now();
        receive(after(0s, [] {}));
        w.that(runtime_clock::now() - start < 1s);
        for (int i = 0; i < 3; ++i) w.equal(receive<other>().n, i);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rc_after_not_early) {
    const auto body = [](witness& w) {
        for (const auto limit : {1us, 100us, 1000us, 7001us}) {
            const auto start = runtime_clock::now();
            receive([](number) {}, after(limit, [] {}));
            w.that(runtime_clock::now() - start >= limit, "a receive is not early");
            const auto start2 = runtime_clock::now();
            sleep(limit);
            w.that(runtime_clock::now() - start2 >= limit, "a sleep is not early");
        }
        if (w.deterministic()) {
            const auto start = runtime_clock::now();
            receive([](number) {}, after(60s, [] {}));
            const auto took = runtime_clock::now() - start;
            w.that(took >= 60s && took <= 60s + 60ms, "60 s, at most a thousandth late");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rc_after_zero_gives_others_their_turn) {
    const auto body = [](witness& w) {
        const pid main = self();
        spawn([main] { send(main, number{7}); });
        std::optional<number> got;
        while (!got) got = receive_for<number>(0s);  // ends, though this process never waits
        w.equal(got->n, 7);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rc_after_range) {
    const auto body = [](witness& w) {
        const pid main = self();
        std::vector<spawned> waiters;
        const int count = static_cast<int>(scaled(w.deterministic() ? 64 : 2048));
        for (int i = 0; i < count; ++i)
            waiters.push_back(spawn_monitor([main, i] {
                const auto limit = i % 3 == 0 ? duration(std::chrono::milliseconds(0xffff'ffffll))
                                   : i % 3 == 1
                                       ? duration::max()
                                       : heirloom::detail::to_duration(std::chrono::hours::max());
                receive([](go) {}, after(limit, [main] { send(main, done{}); }));
            }));
        w.that(!receive_for<done>(w.a_while()), "none is over at once");
        w.that(!receive_for<down>(0s), "none has failed");
        for (const auto& s : waiters) send(s.pid, go{});
        for (int i = 0; i < count; ++i) w.equal(receive<down>().reason, reason::normal);
        w.that(!receive_for<done>(0s));
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, rc_after_invalid) {
    const auto body = [](witness& w) {
        int refused = 0;
        send(self(), number{1});
        try {
            receive([](other) {}, after(-1ms, [] {}));
        } catch (const bad_argument&) {
            ++refused;
        }
        try {
            sleep(-1ns);
        } catch (const bad_argument&) {
            ++refused;
        }
        try {
            (void)receive_for<number>(-1s);
        } catch (const bad_argument&) {
            ++refused;
        }
        w.equal(refused, 3);
        w.equal(receive<number>().n, 1);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rc_error_resets_scan) {
    const auto body = [](witness& w) {
        for (int i = 1; i <= 5; ++i) send(self(), number{i});
        for (int bad = 1; bad <= 5; ++bad) {
            bool thrown = false;
            try {
                receive(when(
                    [=](const number& n) -> bool {
                        if (n.n == bad) throw std::runtime_error("guard");
                        return false;
                    },
                    [](number) {}));
            } catch (const std::runtime_error&) {
                thrown = true;
            }
            w.that(thrown, "the guard's exception leaves the receive");
        }
        try {
            receive([](other) {}, after(-1s, [] {}));
        } catch (const bad_argument&) {
        }
        w.equal(drain_numbers(), (std::vector{1, 2, 3, 4, 5}));
        // A handler that throws has consumed its message, and no other.
        send(self(), number{1});
        send(self(), number{2});
        send(self(), number{3});
        try {
            receive(when([](const number& n) { return n.n == 2; },
                         [](number) { throw std::runtime_error("handler"); }));
        } catch (const std::runtime_error&) {
        }
        w.equal(drain_numbers(), (std::vector{1, 3}));
        // After a failed guard one may wait again: no callback is left open.
        w.that(!receive_for<number>(1us));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

// The guard looks at the very message that flush would free.
TEST(receive, flush_in_a_guard_takes_nothing_out) {
    const auto body = [](witness& w) {
        const monitor_ref ref = monitor(dead_pid());
        send(self(), token{1});
        receive(when([](const token&) { return true; }, [](token) {}));
        const bool taken = receive(when(
                                       [&](const down& d) {
                                           demonitor(d.ref, flush);
                                           return d.ref == ref && d.reason == reason::no_process;
                                       },
                                       [](const down&) { return true; }),
                                   after(5s, [] { return false; }));
        w.that(taken, "the message is still there after its guard");
        w.that(!receive_for<down>(0s));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rc_guard_may_not_wait) {
    const auto body = [](witness& w) {
        send(self(), number{1});
        int refused = 0;
        for (int what = 0; what < 3; ++what) try {
                receive(when(
                    [=](const number&) {
                        if (what == 0) sleep(1ms);
                        if (what == 1) (void)receive_for<other>(1ms);
                        if (what == 2) receive<other>();
                        return true;
                    },
                    [](number) {}));
            } catch (const in_table_callback&) {
                ++refused;
            }
        w.equal(refused, 3);
        w.equal(receive<number>().n, 1);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rc_nested_ref) {
    const auto body = [](witness& w) {
        // A fresh ref sent to oneself is found again, whatever the code in between does.
        struct nested {
            static void code(witness& witness_, int depth, bool throws) {
                const alias_ref mine = alias();
                send(self(), mine);
                if (depth > 0) {
                    if (throws) try {
                            code(witness_, depth - 1, throws);
                            throw std::runtime_error("through");
                        } catch (const std::runtime_error&) {
                        }
                    else
                        code(witness_, depth - 1, throws);
                }
                const bool found = receive(when([&](const alias_ref& r) { return r == mine; },
                                                [](alias_ref) { return true; }),
                                           after(0s, [] { return false; }));
                witness_.that(found, "the ref is found");
                unalias(mine);
            }
        };
        nested::code(w, 10, false);
        nested::code(w, 10, true);
        // A receive inside a handler of a receive.
        send(self(), number{1});
        send(self(), other{2});
        send(self(), number{3});
        const int sum =
            receive([](other o) { return o.n + receive([](number n) { return n.n; }); });
        w.equal(sum, 3);
        w.equal(receive<number>().n, 3);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rc_mixed_signals) {
    const auto body = [](witness& w) {
        // Flooded with messages and ignored exit signals while it waits for a down, the client still gets on.
        const pid main = self();
        auto client = spawn_monitor([main] {
            for (int i = 0; i < 20; ++i) {
                auto [child, watch] = spawn_monitor([] { receive([](go) {}); });
                send(child, go{});
                reason_of(watch);
            }
            send(main, done{});
            receive([](ping p) { send(p.from, pong{self()}); });
        });
        std::vector<pid> flooders;
        for (int i = 0; i < 3; ++i)
            flooders.push_back(spawn([to = client.pid] {
                for (int n = 0;; ++n) {
                    send(to, other{n});
                    exit(to, reason::normal);
                    // As fast as one core can take in: nothing slows senders down when a mailbox grows.
                    if (n % 16 == 0) sleep(20us);
                }
            }));
        receive<done>();
        sync_with(client.pid);
        for (pid p : flooders) exit(p, reason::kill);
        w.equal(reason_of(client.ref), reason::normal);
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, rc_huge_queue) {
    const auto body = [](witness& w) {
        const pid main = self();
        const int count = static_cast<int>(scaled(500'000));
        const pid echo = spawn(answer_pings);
        const auto round_trips = [&] {
            const auto start = std::chrono::steady_clock::now();
            for (int i = 0; i < 200; ++i) {
                send(echo, ping{main});
                receive<pong>();
            }
            return std::chrono::steady_clock::now() - start;
        };
        (void)round_trips();
        const auto empty = round_trips();
        for (int i = 0; i < count; ++i) send(main, other{i});
        send(main, token{1});
        w.equal(receive<token>().n, 1);
        w.that(empty.count() > 0);
        int n = 0;
        while (auto o = receive_for<other>(0s)) w.equal(o->n, n++);
        w.equal(n, count);
    };
    EXPECT_TRUE(holds_everywhere(body, {.workers = {2}, .seeds = 0}));
}

TEST(conformance_processes, rc_many_timers) {
    const auto body = [](witness& w) {
        const int count = static_cast<int>(scaled(w.deterministic() ? 500 : 10'000));
        const auto end =
            runtime_clock::now() + (w.deterministic() ? duration(1s) : duration(100ms));
        for (int i = 0; i < count; ++i)
            (void)spawn_monitor([end] {
                const auto left = end - runtime_clock::now();
                receive([](go) {}, after(left > 0ns ? left : duration(0), [] {}));
            });
        for (int i = 0; i < count; ++i) w.equal(receive<down>().reason, reason::normal);
    };
    EXPECT_TRUE(holds_everywhere(body, {.seeds = std::min<std::size_t>(5, seeds())}));
}

TEST(conformance_processes, rc_marker_skips_what_is_older_than_the_reference) {
    const auto body = [](witness& w) {
        // Waiting for a young reference does not look at old messages, whatever was taken out in between.
        const pid main = self();
        for (int i = 0; i < 5; ++i) send(main, number{i});
        w.equal(
            receive(when([](const number& n) { return n.n == 4; }, [](number n) { return n.n; })),
            4);
        auto [child, watch] = spawn_monitor([] { receive<go>(); });
        // The message the mark stands behind goes, and so does the first.
        w.equal(
            receive(when([](const number& n) { return n.n == 3; }, [](number n) { return n.n; })),
            3);
        w.equal(receive<number>().n, 0);
        send(main, number{9});
        send(child, go{});
        w.equal(reason_of(watch), reason::normal);
        // An older reference than the youngest is found all the same, and so is one of somebody else.
        auto [first, first_watch] = spawn_monitor([] {});
        await_gone(first);
        auto [second, second_watch] = spawn_monitor([] { receive<go>(); });
        w.equal(reason_of(first_watch), reason::normal);
        send(second, go{});
        w.equal(reason_of(second_watch), reason::normal);
        for (const int n : {1, 2, 9}) w.equal(receive<number>().n, n);
        w.that(!receive_for<number>(0s));
        // The empty queue, the last one taken, the only one taken.
        auto [third, third_watch] = spawn_monitor([] {});
        w.equal(reason_of(third_watch), reason::normal);
        w.that(!receive_for<down>(0s));
    };
    EXPECT_TRUE(holds_everywhere(body));
}
