// Who waits for room in a bounded mailbox (design rule R12).
#include "runtime/lazy.hpp"
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

TEST(mailbox_room, wait_lets_the_sender_wait) {
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

TEST(mailbox_room, wait_ends_when_the_receiver_ends) {
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

TEST(mailbox_room, wait_lets_senders_in_in_the_order_they_came) {
    const auto body = [](witness& w) {
        const pid main = self();
        const lazy l = spawn_lazy(mailbox_policy::wait, main);
        for (int i = 0; i < bound; ++i) send(l.process, number{i});
        constexpr int senders = 20;
        for (int s = 0; s < senders; ++s) {
            const pid sender = spawn([l, s] {
                send(l.process, number{bound + s});
                send(l.process, number{bound + senders});
            });
            // It is in line before the next one comes.
            while (process_info(sender).value().status != process_status::waiting) yield();
        }
        open(l);
        for (int i = 0; i < bound + senders; ++i) w.equal(receive<number>().n, i);
        // Whoever was let in goes to the end of the line.
        for (int s = 0; s < senders; ++s) w.equal(receive<number>().n, bound + senders);
        exit(l.process, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_room, a_sender_killed_in_line_leaves_no_hole) {
    const auto body = [](witness& w) {
        const pid main = self();
        const lazy l = spawn_lazy(mailbox_policy::wait, main);
        for (int i = 0; i < bound; ++i) send(l.process, number{i});
        const auto token = std::make_shared<const int>(1);
        std::vector<spawned> all;
        for (int s = 0; s < 5; ++s) {
            all.push_back(spawn_monitor([l, s, token] {
                if (s % 2)
                    send(l.process, token);
                else
                    send(l.process, number{bound + s});
            }));
            while (process_info(all.back().pid).value().status != process_status::waiting) yield();
        }
        // From the middle, the end and the beginning of the line.
        for (const std::size_t s : {1u, 3u, 4u, 0u}) {
            exit(all[s].pid, reason::kill);
            w.equal(reason_of(all[s].ref), reason::killed);
        }
        w.equal(token.use_count(), 2L);  // ours, and that of the one who lives
        open(l);
        for (int i = 0; i < bound; ++i) w.equal(receive<number>().n, i);
        w.equal(receive<number>().n, bound + 2);
        w.equal(reason_of(all[2].ref), reason::normal);
        w.that(!receive_for<number>(w.a_while()), "the killed ones sent nothing");
        for (int i = 0; i < 2 * bound; ++i) send(l.process, number{i});
        for (int i = 0; i < 2 * bound; ++i) w.equal(receive<number>().n, i);
        exit(l.process, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_room, wait_survives_kills_and_ends_at_random) {
    // Senders are killed and the receiver ends at any moment: nobody hangs, and every message is destroyed once.
    const auto body = [](witness& w) {
        const auto token = std::make_shared<const int>(1);
        for (int round = 0; round < w.times(30, 2); ++round) {
            const pid receiver = spawn({.mailbox_bound = 2, .when_full = mailbox_policy::wait}, [] {
                for (int i = 0; i < 20; ++i) receive<std::shared_ptr<const int>>();
            });
            std::vector<spawned> all;
            for (int s = 0; s < 8; ++s)
                all.push_back(spawn_monitor([receiver, token] {
                    for (int i = 0; i < 5; ++i) send(receiver, token);
                }));
            for (std::size_t s = 0; s < 8; s += 2) exit(all[s].pid, reason::kill);
            for (const auto& s : all) {
                const exit_reason why = reason_of(s.ref);
                w.that(why == reason::normal || why == reason::killed);
            }
            exit(receiver, reason::kill);
            await_gone(receiver);
        }
        w.equal(token.use_count(), 1L);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_room, waiting_for_room_in_ones_own_mailbox_is_an_error) {
    const auto body = [](witness& w) {
        const auto child =
            spawn_monitor({.mailbox_bound = 1, .when_full = mailbox_policy::wait}, [] {
                send(self(), number{1});
                try {
                    send(self(), number{2});
                } catch (const limit_reached&) {
                    exit("told"_a);
                }
            });
        w.equal(reason_of(child.ref), exit_reason("told"_a));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_room, wait_in_a_shield_is_refused) {
    const auto body = [](witness& w) {
        const lazy l = spawn_lazy(mailbox_policy::wait, self());
        for (int i = 0; i < bound; ++i) send(l.process, number{i});
        const shield s;
        try {
            send(l.process, number{99});
            w.fail("it cannot wait");
        } catch (const cannot_wait&) {
        }
        exit(l.process, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(mailbox_room, holds_for_plain_threads) {
    captured_log log;
    runtime rt(quiet(2, log));
    const auto receiver = [&rt](mailbox_policy policy) {
        return rt.spawn_with({.mailbox_bound = 1, .when_full = policy}, [] {
            receive<go>();
            for (bool more = true; more;)
                more = receive([](number) { return true; }, [](stop) { return false; });
        });
    };
    const pid refuses = receiver(mailbox_policy::refuse);
    rt.send(refuses, number{1});
    EXPECT_THROW(rt.send(refuses, number{2}), limit_reached);
    const pid drops = receiver(mailbox_policy::drop_newest);
    const auto token = std::make_shared<const int>(1);
    rt.send(drops, number{1});
    rt.send(drops, token);
    EXPECT_EQ(token.use_count(), 1);
    const pid oldest = receiver(mailbox_policy::drop_oldest);
    rt.send(oldest, token);
    rt.send(oldest, number{1});
    EXPECT_EQ(token.use_count(), 1);
    // It waits until there is room, or nobody who could make some.
    const pid waits = receiver(mailbox_policy::wait);
    rt.send(waits, number{1});
    std::atomic<int> sent{0};
    std::thread sender([&] {
        rt.send(waits, number{2});
        ++sent;
    });
    std::thread other([&] {
        rt.send(waits, token);
        ++sent;
    });
    EXPECT_EQ(sent, 0);
    rt.exit(waits, reason::kill);
    sender.join();
    other.join();
    EXPECT_EQ(sent, 2);
    EXPECT_EQ(token.use_count(), 1);
    const pid again = rt.spawn_with({.mailbox_bound = 1, .when_full = mailbox_policy::wait}, [] {
        for (int i = 0; i < 100; ++i)
            receive([](number n) {
                if (n.n < 0) exit("odd"_a);
            });
    });
    for (int i = 0; i < 100; ++i) rt.send(again, number{i});
    rt.run([again] { await_end(again); });
    EXPECT_FALSE(rt.is_alive(again));
    for (const pid p : {refuses, drops, oldest}) rt.exit(p, reason::kill);
}
