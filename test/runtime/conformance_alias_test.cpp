// Aliases: the catalogue's rows al-*.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

/// Sends `n` through each ref it gets, and ends when told to.
void send_through(pid boss) {
    int n = 0;
    for (bool more = true; more;)
        more = receive(
            [&](monitor_ref through) {
                send(through, number{++n});
                send(boss, done{});
                return true;
            },
            [&](alias_ref through) {
                send(through, number{++n});
                send(boss, done{});
                return true;
            },
            [](stop) { return false; });
}

}  // namespace

TEST(conformance_processes, al_explicit) {
    const auto body = [](witness& w) {
        const pid peer = spawn(send_through, self());
        const alias_ref mine = alias();
        send(peer, mine);
        receive<done>();
        w.equal(receive<number>().n, 1);
        send(peer, mine);
        receive<done>();
        w.that(unalias(mine), "it was active");
        w.that(!unalias(mine), "not any more");
        w.that(receive_for<number>(0s).has_value(), "what arrived before stays");
        send(peer, mine);
        receive<done>();
        w.that(!receive_for<number>(0s), "dropped after unalias");
        // To oneself, and to an alias that never was.
        const alias_ref own = alias();
        send(own, number{7});
        w.equal(receive<number>().n, 7);
        send(alias_ref{}, number{8});
        w.that(!receive_for<number>(0s));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, al_explicit_of_a_dead_process) {
    const auto body = [](witness& w) {
        auto [owner, watch] = spawn_monitor([boss = self()] { send(boss, alias()); });
        const auto through = receive<alias_ref>();
        reason_of(watch);
        send(through, number{1});
        w.that(!receive_for<number>(0s));
        w.that(!unalias(through), "somebody else's");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, al_monitor_explicit) {
    const auto body = [](witness& w) {
        {
            const pid peer = spawn(send_through, self());
            const monitor_ref ref = monitor(peer, alias_mode::explicit_unalias);
            send(peer, ref);
            receive<done>();
            w.equal(receive<number>().n, 1);
            w.that(unalias(ref));
            send(peer, ref);
            receive<done>();
            w.that(!receive_for<number>(0s), "unalias stops messages");
            send(peer, stop{});
            w.equal(reason_of(ref), reason::normal);
        }
        {
            const pid peer = spawn(send_through, self());
            const monitor_ref ref = monitor(peer, alias_mode::explicit_unalias);
            send(peer, stop{});
            reason_of(ref);
            send(ref, number{5});
            w.equal(receive<number>().n, 5);
            // Firing does not end the alias; it ends by unalias.
            w.that(unalias(ref));
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, al_monitor_demonitor) {
    const auto body = [](witness& w) {
        {
            const pid peer = spawn(send_through, self());
            const monitor_ref ref = monitor(peer, alias_mode::demonitor);
            demonitor(ref);
            send(peer, ref);
            receive<done>();
            w.that(!receive_for<number>(0s), "demonitor ends the alias");
            send(peer, stop{});
        }
        {
            const pid peer = spawn([] {
                const auto ref = receive<monitor_ref>();
                send(ref, number{1});
                send(ref, number{2});
            });
            const monitor_ref ref = monitor(peer, alias_mode::demonitor);
            send(peer, ref);
            w.equal(reason_of(ref), reason::normal);
            w.equal(receive_for<number>(0s).value_or(number{0}).n, 1);
            w.equal(receive_for<number>(0s).value_or(number{0}).n, 2);
            send(ref, number{3});
            w.that(!receive_for<number>(0s), "the down ends the alias");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, al_monitor_reply_demonitor) {
    const auto body = [](witness& w) {
        {
            const pid peer = spawn(send_through, self());
            const monitor_ref ref = monitor(peer, alias_mode::reply_demonitor);
            send(peer, ref);
            receive<done>();
            send(peer, ref);
            receive<done>();
            w.equal(receive<number>().n, 1);
            w.that(!receive_for<number>(0s), "a second message is dropped");
            send(peer, stop{});
            await_gone(peer);
            w.that(!receive_for<down>(0s), "no down after the reply");
            w.that(!demonitor(ref));
        }
        {
            const pid peer = spawn(send_through, self());
            const monitor_ref ref = monitor(peer, alias_mode::reply_demonitor);
            send(peer, stop{});
            w.equal(reason_of(ref), reason::normal);
            send(ref, number{1});
            w.that(!receive_for<number>(0s), "the down ends the alias");
        }
        {
            const pid peer = spawn(send_through, self());
            const monitor_ref ref = monitor(peer, alias_mode::reply_demonitor);
            demonitor(ref, flush);
            send(peer, ref);
            receive<done>();
            w.that(!receive_for<number>(0s), "demonitor ends the alias");
            send(peer, stop{});
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, al_monitor_reply_demonitor_races_with_the_death) {
    const auto body = [](witness& w) {
        // A reply and the end that follows it at once: the reply, and never a down.
        for (int i = 0; i < w.times(200, 5); ++i) {
            const pid peer = spawn([] {
                const auto ref = receive<monitor_ref>();
                send(ref, number{1});
            });
            const monitor_ref ref = monitor(peer, alias_mode::reply_demonitor);
            send(peer, ref);
            w.equal(receive<number>().n, 1);
            await_gone(peer);
            w.that(!receive_for<down>(0s), "no down after the reply");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, al_down_suppressed) {
    const auto body = [](witness& w) {
        for (const exit_reason& why : {exit_reason("simple"_a), exit_reason("compound"_a, "x"_a)}) {
            for (int i = 0; i < w.times(100, 3); ++i) {
                const pid target = spawn([why] { exit(why); });
                const monitor_ref ref = monitor(target, alias_mode::explicit_unalias);
                demonitor(ref, flush);
                await_gone(target);
                w.that(!receive_for<down>(0s), "no down after demonitor with flush");
            }
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, al_dead_target) {
    const auto body = [](witness& w) {
        const monitor_ref ref = monitor(dead_pid(), alias_mode::explicit_unalias);
        w.equal(reason_of(ref), reason::no_process);
        send(ref, number{1});
        w.equal(receive<number>().n, 1);
        w.that(unalias(ref));
        send(ref, number{2});
        w.that(!receive_for<number>(0s));
        const monitor_ref gone = monitor(dead_pid(), alias_mode::demonitor);
        reason_of(gone);
        send(gone, number{3});
        w.that(!receive_for<number>(0s), "the down has ended this alias");
    };
    EXPECT_TRUE(holds_everywhere(body));
}
