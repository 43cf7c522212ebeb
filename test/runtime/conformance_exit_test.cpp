// Exit signals and exit reasons: the catalogue's rows ex-*.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/names.hpp>
#include <heirloom/timer.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

TEST(conformance_processes, ex_normal_ignored) {
    const auto body = [](witness& w) {
        const pid target = spawn(answer_pings);
        const monitor_ref watch = monitor(target);
        exit(target, reason::normal);
        sync_with(target);
        w.that(is_alive(target), "a normal signal ends nobody else");
        w.that(!receive_for<down>(w.a_while()));
        send(target, stop{});
        reason_of(watch);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_normal_trapped) {
    const auto body = [](witness& w) {
        const pid main = self();
        const pid target = spawn([main] {
            trap_exit(true);
            send(main, go{});
            const auto e = receive<exit_signal>();
            send(main, e);
        });
        receive<go>();
        exit(target, reason::normal);
        const auto e = receive<exit_signal>();
        w.equal(e.from, main);
        w.equal(e.reason, reason::normal);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_self_normal) {
    const auto body = [](witness& w) {
        const pid main = self();
        auto [target, watch] = spawn_monitor([main] {
            exit(self(), reason::normal);
            send(main, done{});
        });
        w.equal(reason_of(watch), reason::normal);
        w.that(!receive_for<done>(0s), "it ended at the signal");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_self_abnormal) {
    const auto body = [](witness& w) {
        const pid main = self();
        auto [target, watch] = spawn_monitor([main] {
            exit(self(), "odd"_a);
            send(main, done{});
        });
        w.equal(reason_of(watch), exit_reason("odd"_a));
        w.that(!receive_for<done>(0s), "it ended at the signal");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_self_uncatchable) {
    const auto body = [](witness& w) {
        const pid main = self();
        auto [target, watch] = spawn_monitor([main] {
            try {
                exit(self(), "die"_a);
            } catch (...) {
            }
            yield();
            send(main, done{});
        });
        w.equal(reason_of(watch), exit_reason("die"_a));
        w.that(!receive_for<done>(0s), "swallowed, it is thrown again at the next safe point");
        // Swallowed, and then the function returns.
        auto [returns, watch2] = spawn_monitor([] {
            try {
                exit(self(), "die"_a);
            } catch (...) {
            }
        });
        w.equal(reason_of(watch2), exit_reason("die"_a));
        // exit(reason) is no signal: caught, it is over.
        auto [catches, watch3] = spawn_monitor([] {
            try {
                exit("die"_a);
            } catch (...) {
            }
            yield();
        });
        w.equal(reason_of(watch3), reason::normal);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_self_trapping) {
    const auto body = [](witness& w) {
        trap_exit(true);
        const auto large = std::make_shared<const std::string>(10'000, 'x');
        for (int i = 0; i < w.times(200, 5); ++i) {
            exit(self(), exit_reason::of(large, "large"));
            const auto e = receive_for<exit_signal>(0s);
            w.that(e.has_value(), "it is in the queue when exit returns");
            if (!e) return;
            w.equal(e->from, self());
            w.that(e->reason.value<std::shared_ptr<const std::string>>() != nullptr);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_kill_untrappable) {
    const auto body = [](witness& w) {
        trap_exit(true);
        const pid main = self();
        const pid target = spawn_link([main] {
            trap_exit(true);
            send(main, go{});
            receive([main](exit_signal) { send(main, done{}); });
        });
        const monitor_ref watch = monitor(target);
        receive<go>();
        exit(target, reason::kill);
        w.equal(reason_of(watch), reason::killed);
        w.equal(receive<exit_signal>().reason, reason::killed);
        w.that(!receive_for<done>(0s), "no exit signal `kill` is queued");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_kill_self) {
    const auto body = [](witness& w) {
        for (const bool trapping : {false, true}) {
            auto [target, watch] = spawn_monitor([trapping] {
                trap_exit(trapping);
                exit(self(), reason::kill);
                exit("survived"_a);
            });
            w.equal(reason_of(watch), reason::killed);
        }
        // exit(kill) is a reason like any other, and what is linked to it may trap it.
        trap_exit(true);
        const pid says_kill = spawn_link([] { exit(reason::kill); });
        const auto e = receive<exit_signal>();
        w.equal(e.from, says_kill);
        w.equal(e.reason, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_killed_is_ordinary) {
    const auto body = [](witness& w) {
        trap_exit(true);
        for (const int length : {1, 2, 9, 10}) {
            // A chain of linked processes, each made by the one before it; the last reports itself.
            struct chain {
                static void grow(int left, pid boss) {
                    if (left == 0)
                        send(boss, pong{self()});
                    else
                        spawn_link(grow, left - 1, boss);
                    receive([](stop) {});
                }
            };
            const pid first = spawn_link(chain::grow, length, self());
            const pid last = receive<pong>().from;
            const monitor_ref watch = monitor(first);
            exit(last, reason::kill);
            w.equal(reason_of(watch), reason::killed);
            const auto e = receive<exit_signal>();
            w.equal(e.from, first);
            w.equal(e.reason, reason::killed);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_first_wins) {
    const auto body = [](witness& w) {
        for (int i = 0; i < w.times(100, 5); ++i) {
            const pid target = spawn([] { receive([](stop) {}); });
            const monitor_ref watch = monitor(target);
            exit(target, "first"_a);
            exit(target, "second"_a);
            w.equal(reason_of(watch), exit_reason("first"_a));
            // One that never enters a receive.
            const pid busy = spawn([] {
                for (;;) yield();
            });
            const monitor_ref watch2 = monitor(busy);
            exit(busy, "first"_a);
            exit(busy, "second"_a);
            w.equal(reason_of(watch2), exit_reason("first"_a));
            // One that has not run yet.
            auto [fresh, watch3] = spawn_monitor([] { receive([](stop) {}); });
            exit(fresh, "first"_a);
            exit(fresh, reason::kill);
            w.equal(reason_of(watch3), exit_reason("first"_a));
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_in_timed_receive) {
    const auto body = [](witness& w) {
        const pid main = self();
        for (int i = 0; i < w.times(200, 10); ++i) {
            // The signal is sent about when the receive times out, from a timer of the same length.
            const pid target = spawn([main] {
                send(main, go{});
                receive([](stop) {}, after(100us, [] {}));
                receive([](stop) {});
                send(main, done{});
            });
            const monitor_ref watch = monitor(target);
            receive<go>();
            receive([](stop) {}, after(100us, [] {}));
            exit(target, "odd"_a);
            w.equal(reason_of(watch), exit_reason("odd"_a));
            w.that(!receive_for<done>(0s), "the second receive never returns");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_no_code_after) {
    const auto body = [](witness& w) {
        // From the first safe point after the signal on, only destructors run.
        const pid main = self();
        struct reporter {
            pid to;
            explicit reporter(pid p) : to(p) {}
            reporter(const reporter&) = delete;
            reporter& operator=(const reporter&) = delete;
            ~reporter() { try_send(to, done{}); }
        };
        for (int i = 0; i < w.times(100, 5); ++i) {
            auto [target, watch] = spawn_monitor([main] {
                reporter r(main);
                try {
                    receive([](go) {});
                } catch (const std::exception&) {
                    try_send(main, number{1});
                }
                try_send(main, number{2});
            });
            if (i % 2) sync_with(spawn(answer_pings));  // let it wait; else it may not have run yet
            exit(target, "odd"_a);
            send(target, go{});
            w.equal(reason_of(watch), exit_reason("odd"_a));
            w.that(!receive_for<number>(0s), "no statement after the signal");
            while (receive_for<done>(0s)) {
            }
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_link_abnormal_cascades) {
    const auto body = [](witness& w) {
        // A tree of linked processes: all end with the one reason.
        struct tree {
            static void grow(int depth, pid boss) {
                send(boss, pong{self()});
                if (depth > 0) {
                    spawn_link(grow, depth - 1, boss);
                    spawn_link(grow, depth - 1, boss);
                }
                receive([](go) { exit("odd"_a); });
            }
        };
        spawn(tree::grow, 4, self());
        std::vector<pid> all;
        std::vector<monitor_ref> watches;
        for (int i = 0; i < 31; ++i) all.push_back(receive<pong>().from);
        for (pid p : all) watches.push_back(monitor(p));
        send(all.back(), go{});
        for (const auto& watch : watches) w.equal(reason_of(watch), exit_reason("odd"_a));
        // A normal end takes nobody along.
        const pid alone = spawn([] {
            spawn_link([] {});
            answer_pings();
        });
        sync_with(alone);
        for (pid p : processes())
            if (p != self() && p != alone) await_gone(p);
        sync_with(alone);
        w.that(is_alive(alone), "a linked process that ends normally ends nobody");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_trap_message) {
    const auto body = [](witness& w) {
        trap_exit(true);
        for (const exit_reason& why : {reason::normal, exit_reason("odd"_a), reason::shutdown}) {
            send(self(), number{1});
            const pid peer = spawn_link([why] {
                receive([](go) {});
                exit(why);
            });
            send(peer, go{});
            const auto e = receive<exit_signal>();
            w.equal(e.from, peer);
            w.equal(e.reason, why);
            w.equal(receive<number>().n, 1);
        }
        const auto crash = [] {
            spawn_link([] { throw std::runtime_error("broken"); });
            return receive<exit_signal>().reason;
        }();
        w.that(crash.is_crash());
        w.equal(crash.what(), std::string_view("broken"));
        // At the end of the queue.
        const pid peer = spawn_link([] { exit("last"_a); });
        await_gone(peer);
        std::string order;
        send(self(), number{2});
        receive([&](number) { order += "n"; }, [&](exit_signal) { order += "e"; });
        receive([&](number) { order += "n"; }, [&](exit_signal) { order += "e"; });
        w.equal(order, "en");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_trap_flag_return) {
    const auto body = [](witness& w) {
        w.that(!trap_exit(false), "off by default");
        w.that(!trap_exit(true));
        w.that(trap_exit(true));
        w.that(trap_exit(false));
        w.that(!trap_exit(false));
        // It takes effect at once.
        trap_exit(true);
        exit(self(), "odd"_a);
        w.equal(receive<exit_signal>().reason, exit_reason("odd"_a));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_trap_flag_timing) {
    const auto body = [](witness& w) {
        trap_exit(true);
        const pid peer = spawn_link([] { exit("odd"_a); });
        await_gone(peer);
        trap_exit(false);
        w.equal(receive<exit_signal>().reason, exit_reason("odd"_a));
        // Set before anything can arrive, it counts, whenever the signal was sent.
        const pid main = self();
        for (int i = 0; i < w.times(100, 5); ++i) {
            const pid target = spawn([main] {
                trap_exit(true);
                send(main, go{});
                receive([main](exit_signal) { send(main, done{}); });
            });
            receive<go>();
            exit(target, "odd"_a);
            receive<done>();
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_resources_first) {
    const auto body = [](witness& w) {
        for (int i = 0; i < w.times(200, 10); ++i) {
            const pid holder = spawn({.name = "ex_resources"}, [] { receive([](stop) {}); });
            const timer_ref late = send_after(1h, holder, done{});
            const monitor_ref watch = monitor(holder);
            if (i % 2)
                exit(holder, reason::kill);
            else
                send(holder, stop{});
            reason_of(watch);
            w.that(!read_timer(late), "its timers are gone when the down is here");
            w.that(!whereis("ex_resources"_a), "its name is free when the down is here");
            register_name("ex_resources"_a, self());
            unregister_name("ex_resources"_a);
            // And a link sees the same.
            trap_exit(true);
            const pid linked = spawn_link({.name = "ex_resources"}, [] { exit("odd"_a); });
            w.equal(receive<exit_signal>().from, linked);
            w.that(!whereis("ex_resources"_a), "its name is free when the exit signal is here");
            trap_exit(false);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_resources_before_the_first_is_told) {
    const auto body = [](witness& w) {
        constexpr int others = 300;
        const pid bystander = spawn(swallow);
        const int patience = w.times(100'000, 10);
        for (int i = 0; i < w.times(40, 3); ++i) {
            const pid holder = spawn({.name = "ex_first_told"}, [] { receive([](stop) {}); });
            // The youngest watcher is told first, and the telling takes a while.
            for (int n = 0; n < others; ++n) (void)monitor(holder);
            const monitor_ref youngest = monitor(holder);
            exit(holder, reason::kill);
            send(bystander, go{});  // runs next here, so that others may have the holder
            // Awake, without a safe point at first, so that it ends on another worker and the first down is seen at once.
            for (int n = 0; is_alive(holder);)
                if (++n > patience) yield();
            std::optional<down> first;
            while (!first) first = receive_for<down>(0s);
            w.equal(first->ref, youngest);
            w.that(!whereis("ex_first_told"_a), "its name is free when the first down is here");
            for (int n = 0; n < others; ++n) (void)receive<down>();
        }
        send(bystander, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_resources_before_no_process) {
    const auto body = [](witness& w) {
        // A negative answer about a process comes after its name was freed, too.
        for (int i = 0; i < w.times(200, 10); ++i) {
            const pid holder = spawn({.name = "ex_before"}, [] {});
            while (reason_of(monitor(holder)) != reason::no_process) {
            }
            w.that(!whereis("ex_before"_a), "the name is free when `no_process` is here");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_alive_exiting) {
    const auto body = [](witness& w) {
        const pid main = self();
        struct talks_while_ending {
            pid to;
            explicit talks_while_ending(pid p) : to(p) {}
            talks_while_ending(talks_while_ending&& other) noexcept
                : to(std::exchange(other.to, pid())) {}
            ~talks_while_ending() {
                if (!to) return;
                const auto all = processes();
                const bool listed = std::find(all.begin(), all.end(), self()) != all.end();
                try_send(to, number{(is_alive(self()) ? 2 : 0) + (listed ? 1 : 0)});
            }
        };
        // The argument is destroyed as the process, in its exit.
        auto [target, watch] =
            spawn_monitor([](const talks_while_ending&) {}, talks_while_ending(main));
        w.equal(reason_of(watch), reason::normal);
        const auto n = receive_for<number>(0s);
        w.that(n.has_value(), "its argument was destroyed before the down");
        if (n) w.equal(n->n, 1);
        w.that(!is_alive(target));
        w.that(is_alive(self()));
        w.that(!is_alive(pid()));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_monitor_kills_monitorer) {
    const auto body = [](witness& w) {
        trap_exit(true);
        for (int i = 0; i < w.times(100, 5); ++i) {
            const pid a = spawn_link([] {
                const pid me = self();
                (void)spawn_monitor([me] { exit(me, "foo"_a); });
                receive([](stop) {});
            });
            const auto e = receive<exit_signal>();
            w.equal(e.from, a);
            w.equal(e.reason, exit_reason("foo"_a));
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_rethrow_class) {
    const auto body = [](witness& w) {
        struct noisy {
            ~noisy() {
                try {
                    throw 1;
                } catch (int) {
                }
            }
        };
        // A value thrown, caught, and raised again as an error, through a cleanup that throws and catches itself.
        const auto as_error = reason_of(spawn_monitor([] {
                                            noisy n;
                                            try {
                                                throw 42;
                                            } catch (int) {
                                                throw std::runtime_error("now an error");
                                            }
                                        }).ref);
        w.that(as_error.is_crash());
        w.equal(as_error.exception_type(), std::string_view("std::runtime_error"));
        const auto as_exit = reason_of(spawn_monitor([] {
                                           noisy n;
                                           try {
                                               throw std::runtime_error("an error");
                                           } catch (const std::exception&) {
                                               exit("now_an_exit"_a);
                                           }
                                       }).ref);
        w.equal(as_exit, exit_reason("now_an_exit"_a));
        const auto as_throw = reason_of(spawn_monitor([] {
                                            noisy n;
                                            try {
                                                exit("an_exit"_a);
                                            } catch (...) {
                                                throw 42;
                                            }
                                        }).ref);
        w.that(as_throw.is_crash());
        w.equal(as_throw.exception_type(), std::string_view("int"));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ex_reason_kinds) {
    const auto body = [](witness& w) {
        // Each kind of failure has a reason that one can tell from the others.
        const auto why = [](auto f) { return reason_of(spawn_monitor(f).ref); };
        w.equal(why([] { sleep(-1s); }).exception_type(),
                std::string_view("heirloom::bad_argument"));
        w.equal(why([] { link(dead_pid()); }).exception_type(),
                std::string_view("heirloom::no_such_process"));
        w.equal(why([] { send("ex_nobody"_a, go{}); }).exception_type(),
                std::string_view("heirloom::no_such_process"));
        w.equal(why([] { receive([](go) {}, after(0s)); }), reason::timeout);
        w.equal(why([] { throw std::bad_alloc(); }).exception_type(),
                std::string_view("std::bad_alloc"));
        w.equal(why([] { throw std::out_of_range("x"); }).exception_type(),
                std::string_view("std::out_of_range"));
        // And the linked one sees the same.
        trap_exit(true);
        spawn_link([] { sleep(-1s); });
        w.equal(receive<exit_signal>().reason.exception_type(),
                std::string_view("heirloom::bad_argument"));
    };
    EXPECT_TRUE(holds_everywhere(body));
}
