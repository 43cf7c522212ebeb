// Bounded mailboxes and their policies (design rule R12).
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <heirloom/names.hpp>
#include <heirloom/timer.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

constexpr int bound = 4;

/// Sits on its mailbox until told by a signal-like message that is exempt from the bound: the down of `gate`. Then
/// reports what it has, and starts again with the next gate.
struct lazy {
    pid process;
    pid gate;
};

/// A bounded process that reads nothing until the process `gate` ends, and then sends every number on to `boss`.
lazy spawn_lazy(mailbox_policy policy, pid boss) {
    const pid gate = spawn([] { receive<stop>(); });
    const pid process = spawn({.mailbox_bound = bound, .when_full = policy}, [boss, gate] {
        const monitor_ref opened = monitor(gate);
        send(boss, go{});
        reason_of(opened);
        for (bool more = true; more;)
            more = receive(
                [boss](number n) {
                    send(boss, n);
                    return true;
                },
                [](stop) { return false; });
    });
    receive<go>();
    return {process, gate};
}

void open(const lazy& l) { exit(l.gate, reason::kill); }

/// How many messages `send_one(i)` gets rid of before the mailbox is full.
template <class F>
int how_many_fit(F send_one) {
    int fitted = 0;
    try {
        for (; fitted < 3 * bound; ++fitted) send_one(fitted);
    } catch (const limit_reached&) {
    }
    return fitted;
}

}  // namespace

TEST(mailbox_bound, refuse_tells_the_sender) {
    const auto body = [](witness& w) {
        const lazy l = spawn_lazy(mailbox_policy::refuse, self());
        for (int i = 0; i < bound; ++i) send(l.process, number{i});
        const auto token = std::make_shared<const int>(1);
        std::string limit;
        try {
            send(l.process, number{99});
        } catch (const limit_reached& e) {
            limit = e.limit();
        }
        w.equal(limit, "mailbox");
        try {
            send(l.process, token);
            w.fail("the bound counts every type");
        } catch (const limit_reached&) {
        }
        w.equal(token.use_count(), 1L);
        w.that(!try_send(l.process, number{99}), "try_send says false");
        open(l);
        for (int i = 0; i < bound; ++i) w.equal(receive<number>().n, i);
        // There is room again, exactly as much.
        send(l.process, number{7});
        w.equal(receive<number>().n, 7);
        exit(l.process, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, wait_lets_the_sender_wait) {
    const auto body = [](witness& w) {
        const pid main = self();
        const lazy l = spawn_lazy(mailbox_policy::wait, main);
        const int count = 20;
        auto sender = spawn_monitor([main, l] {
            for (int i = 0; i < count; ++i) {
                send(l.process, number{i});
                send(main, std::string("sent"));
            }
        });
        for (int i = 0; i < bound; ++i) receive<std::string>();
        w.that(!receive_for<std::string>(w.a_while()), "the next one waits");
        open(l);
        for (int i = 0; i < count; ++i) w.equal(receive<number>().n, i);
        w.equal(reason_of(sender.ref), reason::normal);
        exit(l.process, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, wait_ends_when_the_receiver_ends) {
    const auto body = [](witness& w) {
        const lazy l = spawn_lazy(mailbox_policy::wait, self());
        for (int i = 0; i < bound; ++i) send(l.process, number{i});
        auto sender = spawn_monitor([l] { send(l.process, number{99}); });
        w.that(!receive_for<down>(w.deterministic() ? duration(10ms) : duration(1ms)));
        exit(l.process, reason::kill);
        w.equal(reason_of(sender.ref), reason::normal);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, drop_newest_keeps_the_oldest) {
    const auto body = [](witness& w) {
        const lazy l = spawn_lazy(mailbox_policy::drop_newest, self());
        const auto token = std::make_shared<const int>(1);
        for (int i = 0; i < 2 * bound; ++i) send(l.process, number{i});
        send(l.process, token);
        w.equal(token.use_count(), 1L);
        open(l);
        for (int i = 0; i < bound; ++i) w.equal(receive<number>().n, i);
        w.that(!receive_for<number>(w.a_while()), "the newest were dropped");
        send(l.process, number{7});
        w.equal(receive<number>().n, 7);
        exit(l.process, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, does_not_hold_signals_back) {
    const auto body = [](witness& w) {
        const pid main = self();
        // Full of messages, it still gets its downs, exit signals and kills.
        const pid full = spawn({.mailbox_bound = 1}, [main] {
            trap_exit(true);
            (void)spawn_monitor([] {});
            send(main, go{});
            receive<down>();
            receive<exit_signal>();
            send(main, done{});
            receive<stop>();
        });
        receive<go>();
        send(full, number{1});
        exit(full, "odd"_a);
        receive<done>();
        const monitor_ref watch = monitor(full);
        exit(full, reason::kill);
        w.equal(reason_of(watch), reason::killed);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, counts_only_what_it_counted_in) {
    const auto body = [](witness& w) {
        // Downs, exit signals, timers and what other exempt ways bring are received without making room.
        const pid main = self();
        const pid bounded = spawn({.name = "bound_counts", .mailbox_bound = bound}, [main] {
            trap_exit(true);
            for (int i = 0; i < 3; ++i) {
                (void)spawn_monitor([] {});
                receive<down>();
            }
            spawn_link([] { exit("odd"_a); });
            receive<exit_signal>();
            send(main, go{});
            receive<stop>();
            for (bool more = true; more;)
                more = receive(
                    [main](number n) {
                        send(main, n);
                        return true;
                    },
                    [](stop) { return false; });
        });
        receive<go>();
        w.equal(how_many_fit([bounded](int i) { send(bounded, number{i}); }), bound);
        exit(bounded, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, timers_do_not_upset_the_count) {
    const auto body = [](witness& w) {
        const pid main = self();
        const pid bounded = spawn({.mailbox_bound = bound}, [main] {
            for (int i = 0; i < 3; ++i) {
                send_after(1us, self(), done{});
                receive<done>();
            }
            send(main, go{});
            receive<stop>();
        });
        receive<go>();
        w.equal(how_many_fit([bounded](int i) { send(bounded, number{i}); }), bound);
        exit(bounded, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, holds_for_names_and_aliases) {
    const auto body = [](witness& w) {
        const pid main = self();
        const pid bounded = spawn({.name = "bound_named", .mailbox_bound = bound}, [main] {
            send(main, alias());
            receive<stop>();
        });
        const auto through = receive<alias_ref>();
        const int fitted = how_many_fit([through](int i) {
            if (i % 2)
                send("bound_named"_a, number{i});
            else
                send(through, number{i});
        });
        w.equal(fitted, bound);
        exit(bounded, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, messages_dropped_by_a_dead_alias_make_room) {
    const auto body = [](witness& w) {
        const pid main = self();
        const pid bounded = spawn({.mailbox_bound = bound}, [main] {
            const alias_ref through = alias();
            send(main, through);
            receive<go>();
            unalias(through);
            send(main, go{});
            receive<go>();  // takes in, and drops, what came through the dead alias
            send(main, go{});
            receive<stop>();
        });
        const auto through = receive<alias_ref>();
        send(bounded, go{});
        receive<go>();
        for (int i = 0; i < bound - 1; ++i) send(through, number{i});
        send(bounded, go{});
        receive<go>();
        w.equal(how_many_fit([bounded](int i) { send(bounded, number{i}); }), bound);
        exit(bounded, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, is_never_exceeded_by_many_senders) {
    const auto body = [](witness& w) {
        const pid main = self();
        const lazy l = spawn_lazy(mailbox_policy::refuse, main);
        for (int s = 0; s < 4; ++s)
            spawn([main, l] {
                int accepted = 0;
                for (int i = 0; i < 10; ++i) {
                    accepted += try_send(l.process, number{i});
                    yield();
                }
                send(main, std::make_pair(accepted, 0));
            });
        int accepted = 0;
        for (int s = 0; s < 4; ++s) accepted += receive<std::pair<int, int>>().first;
        w.equal(accepted, bound);
        open(l);
        for (int i = 0; i < bound; ++i) receive<number>();
        w.that(!receive_for<number>(0s));
        exit(l.process, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}
