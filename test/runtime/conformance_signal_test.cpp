// The order of signals and messages: the catalogue's rows sg-*.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <vector>

#include <gtest/gtest.h>

#include <heirloom/names.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

TEST(conformance_processes, sg_pair_fifo) {
    const auto body = [](witness& w) {
        const pid main = self();
        const int count = w.times(1000, 50);
        const int senders = 4;
        for (int s = 0; s < senders; ++s)
            spawn([=] {
                for (int i = 0; i < count; ++i) {
                    send(main, number{s * 1'000'000 + i});
                    if (i % 7 == s) yield();  // so that senders move between workers
                }
            });
        std::vector<int> next(senders, 0);
        for (int i = 0; i < count * senders; ++i) {
            const int n = receive<number>().n;
            const int s = n / 1'000'000;
            w.equal(n % 1'000'000, next[static_cast<std::size_t>(s)]++);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sg_causal) {
    const auto body = [](witness& w) {
        // What OTP does not promise and we do: A sends to B, then to C, and C then to B; B sees A's first.
        const pid main = self();
        for (int i = 0; i < w.times(200, 10); ++i) {
            const pid b = spawn([main] {
                int order = 0;
                for (int n = 0; n < 2; ++n) order = order * 10 + receive<number>().n;
                send(main, number{order});
            });
            const pid c = spawn([b] {
                receive<go>();
                send(b, number{2});
            });
            spawn([b, c] {
                send(b, number{1});
                send(c, go{});
            });
            w.equal(receive<number>().n, 12);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sg_msg_vs_exit) {
    const auto body = [](witness& w) {
        const pid main = self();
        for (int i = 0; i < w.times(300, 10); ++i) {
            const pid target = spawn([main] {
                for (;;) receive([main](number n) { try_send(main, n); });
            });
            const monitor_ref watch = monitor(target);
            for (int n = 1; n <= 3; ++n) send(target, number{n});
            exit(target, "odd"_a);
            for (int n = 4; n <= 6; ++n) send(target, number{n});
            w.equal(reason_of(watch), exit_reason("odd"_a));
            int seen = 0;
            while (auto n = receive_for<number>(0s)) w.equal(n->n, ++seen);
            w.that(seen <= 3, "nothing sent after the signal is seen");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sg_addressing_one_channel) {
    const auto body = [](witness& w) {
        const pid main = self();
        const int count = w.times(1000, 40);
        register_name("sg_main"_a, main);
        const alias_ref by_alias = alias();
        const pid sender = spawn({.name = "sg_sender"}, [=] {
            const auto by_monitor = receive<monitor_ref>();
            for (int i = 0; i < count; ++i) switch (i % 4) {
                case 0:
                    send(main, number{i});
                    break;
                case 1:
                    send("sg_main"_a, number{i});
                    break;
                case 2:
                    send(by_alias, number{i});
                    break;
                case 3:
                    send(by_monitor, number{i});
                    break;
                }
        });
        const monitor_ref watch = monitor("sg_sender"_a, alias_mode::demonitor);
        send(sender, watch);
        for (int i = 0; i < count; ++i) {
            const int n = receive([](number m) { return m.n; }, [](const down&) { return -1; });
            w.equal(n, i);
            if (n < 0) break;
        }
        w.equal(reason_of(watch), reason::normal);
        unregister_name("sg_main"_a);
        unalias(by_alias);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sg_spawn_vs_signals) {
    const auto body = [](witness& w) {
        const pid main = self();
        for (int i = 0; i < w.times(200, 10); ++i) {
            const pid child = spawn([main] {
                trap_exit(true);
                send(main, done{});
                const int first =
                    receive([](number n) { return n.n; }, [](exit_signal) { return -1; });
                const int second =
                    receive([](number n) { return n.n; }, [](exit_signal) { return -1; });
                send(main, number{first * 10 + second});
            });
            if (i % 2) {
                receive<done>();
                send(child, number{1});
                exit(child, "odd"_a);
                w.equal(receive<number>().n, 9);
            } else {
                // Before it traps, the signal that follows the message ends it; the message was there first.
                send(child, number{1});
                const monitor_ref watch = monitor(child);
                send(child, number{2});
                w.equal(reason_of(watch), reason::normal);
                receive<done>();
                w.equal(receive<number>().n, 12);
            }
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sg_to_dead_pid) {
    const auto body = [](witness& w) {
        const pid gone = dead_pid();
        for (int i = 0; i < 10; ++i) send(gone, number{i});
        send(pid(), number{1});
        exit(gone, "odd"_a);
        exit(gone, reason::kill);
        w.that(!try_send(gone, number{1}));
        w.that(!receive_for<number>(0s));
        // What is sent is destroyed.
        const auto token = std::make_shared<const int>(1);
        send(gone, token);
        w.equal(token.use_count(), 1L);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sg_to_missing_name) {
    const auto body = [](witness& w) {
        bool refused = false;
        try {
            send("sg_nobody"_a, number{1});
        } catch (const no_such_process& e) {
            refused = std::string_view(e.what()).find("sg_nobody") != std::string_view::npos;
        }
        w.that(refused, "no_such_process names the name");
        const pid brief = spawn({.name = "sg_brief"}, [] {});
        await_gone(brief);
        refused = false;
        try {
            send("sg_brief"_a, number{1});
        } catch (const no_such_process&) {
            refused = true;
        }
        w.that(refused, "a name that was freed");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sg_self) {
    const auto body = [](witness& w) {
        for (int i = 0; i < 50; ++i) {
            send(self(), number{i});
            const auto n = receive_for<number>(0s);
            w.that(n && n->n == i, "it is in the queue when send returns");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sg_alive_after_signals) {
    const auto body = [](witness& w) {
        const int count = static_cast<int>(scaled(w.deterministic() ? 10 : 100));
        const int messages = static_cast<int>(scaled(w.deterministic() ? 50 : 5'000));
        std::vector<spawned> all;
        for (int i = 0; i < count; ++i)
            all.push_back(spawn_monitor([] {
                receive<go>();
                for (;;) receive([](number) {});
            }));
        for (const auto& s : all)
            for (int i = 0; i < messages; ++i) send(s.pid, number{i});
        for (const auto& s : all) send(s.pid, go{});
        for (std::size_t i = 0; i < all.size(); ++i)
            exit(all[i].pid, i % 2 ? reason::kill : exit_reason("told"_a));
        for (std::size_t i = 0; i < all.size(); ++i)
            w.equal(reason_of(all[i].ref), i % 2 ? reason::killed : exit_reason("told"_a));
        for (const auto& s : all) w.that(!is_alive(s.pid));
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}
