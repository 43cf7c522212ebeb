// Bounded mailboxes and what becomes of the message that is too much (design rule R12).
#include "runtime/lazy.hpp"
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

namespace {

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

TEST(mailbox_bound, drop_oldest_keeps_the_newest) {
    const auto body = [](witness& w) {
        const pid main = self();
        const lazy l = spawn_lazy(mailbox_policy::drop_oldest, main);
        const auto token = std::make_shared<const int>(1);
        send(l.process, token);
        for (int i = 0; i < 3 * bound; ++i) send(l.process, number{i});
        const auto info = process_info(l.process).value();
        w.equal(token.use_count(), 1L);  // dropped at the latest when its receiver looks
        w.equal(info.message_queue_len, std::size_t{bound});
        w.equal(info.messages_dropped, std::uint64_t{2 * bound + 1});
        open(l);
        for (int i = 2 * bound; i < 3 * bound; ++i) w.equal(receive<number>().n, i);
        w.that(!receive_for<number>(w.a_while()), "the oldest were dropped");
        w.that(try_send(l.process, number{7}));
        w.equal(receive<number>().n, 7);
        exit(l.process, reason::kill);
        await_gone(l.process);
        w.that(!try_send(l.process, number{8}), "it is dead");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, drop_oldest_drops_what_was_looked_at_and_not_taken) {
    const auto body = [](witness& w) {
        const pid main = self();
        // It waits for one thing while others pile up: its place among them is dropped under its feet.
        const pid picky =
            spawn({.mailbox_bound = bound, .when_full = mailbox_policy::drop_oldest}, [main] {
                send(main, go{});
                receive<std::string>();
                std::vector<int> seen;
                while (auto n = receive_for<number>(0s)) seen.push_back(n->n);
                send(main, seen);
            });
        receive<go>();
        for (int i = 0; i < 5 * bound; ++i) {
            send(picky, number{i});
            if (i % 3 == 0) yield();
        }
        (void)process_info(picky);
        send(picky, std::string("now"));
        const auto seen = receive<std::vector<int>>();
        w.equal(seen.size(), std::size_t{bound - 1});  // and the string
        for (std::size_t i = 0; i < seen.size(); ++i)
            w.equal(seen[i], 5 * bound - (bound - 1) + static_cast<int>(i));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, drop_oldest_keeps_order_with_signals) {
    const auto body = [](witness& w) {
        const pid main = self();
        for (int round = 0; round < w.times(20, 2); ++round) {
            const pid victim =
                spawn({.mailbox_bound = 100, .when_full = mailbox_policy::drop_oldest}, [main] {
                    trap_exit(true);
                    send(main, go{});
                    std::vector<int> seen;
                    for (bool more = true; more;)
                        more = receive(
                            [&](number n) {
                                seen.push_back(n.n);
                                return true;
                            },
                            [&](exit_signal) {
                                seen.push_back(-1);
                                return true;
                            },
                            [](stop) { return false; });
                    send(main, seen);
                });
            receive<go>();
            std::vector<int> expected;
            for (int i = 0; i < 30; ++i) {
                if (i % 3 == 2) {
                    exit(victim, "odd"_a);
                    expected.push_back(-1);
                } else {
                    send(victim, number{i});
                    expected.push_back(i);
                }
            }
            send(victim, stop{});
            w.equal(receive<std::vector<int>>(), expected);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, drop_oldest_under_many_senders) {
    const auto body = [](witness& w) {
        const pid main = self();
        const int each = w.times(500, 20);
        constexpr int senders = 4;
        const auto token = std::make_shared<const int>(1);
        struct numbered {
            int sender;
            int n;
            std::shared_ptr<const int> token;
        };
        auto receiver =
            spawn_monitor({.mailbox_bound = 8, .when_full = mailbox_policy::drop_oldest}, [main] {
                std::vector<int> last(senders, -1);
                int count = 0;
                bool ordered = true;
                for (bool more = true; more;)
                    more = receive(
                        [&](const numbered& m) {
                            ordered = ordered && m.n > last[static_cast<std::size_t>(m.sender)];
                            last[static_cast<std::size_t>(m.sender)] = m.n;
                            ++count;
                            return true;
                        },
                        [](stop) { return false; });
                const auto dropped = process_info(self()).value().messages_dropped;
                if (!ordered) exit("disorder"_a);
                send(main, std::make_pair(count, static_cast<int>(dropped)));
            });
        std::vector<spawned> all;
        for (int s = 0; s < senders; ++s)
            all.push_back(spawn_monitor([=, to = receiver.pid] {
                for (int i = 0; i < each; ++i) send(to, numbered{s, i, token});
            }));
        for (const auto& s : all) w.equal(reason_of(s.ref), reason::normal);
        all.clear();
        send(receiver.pid, stop{});
        const auto [count, dropped] = receive<std::pair<int, int>>();
        w.equal(count + dropped, senders * each);
        w.equal(reason_of(receiver.ref), reason::normal);
        await_gone(receiver.pid);
        w.equal(token.use_count(), 1L);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, a_receiver_that_ends_destroys_what_it_holds) {
    const auto body = [](witness& w) {
        const auto token = std::make_shared<const int>(1);
        for (const mailbox_policy policy :
             {mailbox_policy::refuse, mailbox_policy::drop_newest, mailbox_policy::drop_oldest}) {
            const lazy l = spawn_lazy(policy, self());
            for (int i = 0; i < bound; ++i) send(l.process, token);
            w.equal(token.use_count(), 1L + bound);
            exit(l.process, reason::kill);
            await_gone(l.process);
            w.equal(token.use_count(), 1L);
            exit(l.gate, reason::kill);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_bound, bounds_as_large_as_they_are_said) {
    // Not taken modulo anything.
    const auto body = [](witness& w) {
        const pid roomy =
            spawn({.mailbox_bound = (std::size_t{1} << 32) + 1}, [] { receive<stop>(); });
        for (int i = 0; i < 10; ++i) send(roomy, number{i});
        w.equal(process_info(roomy).value().message_queue_len, std::size_t{10});
        exit(roomy, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}
