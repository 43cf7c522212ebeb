// Links: the catalogue's rows ln-*.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <atomic>
#include <memory>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

/// Links `to`, and exits with "over" when it is told to stop.
auto linked_until_stopped(pid to) {
    return [to] {
        link(to);
        receive([](stop) {});
        exit("over"_a);
    };
}

/// Ends the peer that we are linked to: one exit signal says so, and no second one follows.
void end_of_link_comes_once(witness& w, pid peer, std::string_view otherwise) {
    send(peer, stop{});
    w.equal(receive<exit_signal>().reason, exit_reason("over"_a));
    await_gone(peer);
    w.that(!receive_for<exit_signal>(0s), otherwise);
}

}  // namespace

TEST(conformance_processes, ln_bidirectional) {
    const auto body = [](witness& w) {
        // Whoever links, either side's death is seen by the other, and either side may end the link.
        trap_exit(true);
        const pid main = self();
        for (const bool ours : {true, false}) {
            for (const bool unlinked_by_us : {true, false}) {
                const pid peer = spawn([main, ours, unlinked_by_us] {
                    if (!ours) link(main);
                    send(main, go{});
                    receive([](go) {});
                    if (!unlinked_by_us) unlink(main);
                    send(main, done{});
                    receive([](stop) {});
                    exit("over"_a);
                });
                receive<go>();
                if (ours) link(peer);
                send(peer, go{});
                receive<done>();
                if (unlinked_by_us) unlink(peer);
                const monitor_ref watch = monitor(peer);
                send(peer, stop{});
                w.equal(reason_of(watch), exit_reason("over"_a));
                w.that(!receive_for<exit_signal>(0s),
                       "no exit signal after an unlink by either side");
            }
        }
        for (const bool ours : {true, false}) {
            const pid peer = spawn([main, ours] {
                if (!ours) link(main);
                send(main, go{});
                receive([](stop) {});
                exit("over"_a);
            });
            receive<go>();
            if (ours) link(peer);
            send(peer, stop{});
            const auto e = receive<exit_signal>();
            w.equal(e.from, peer);
            w.equal(e.reason, exit_reason("over"_a));
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ln_bidirectional_downwards) {
    const auto body = [](witness& w) {
        // The end of the one that linked reaches the other as well.
        const pid peer = spawn([] { receive([](stop) {}); });
        const monitor_ref watch = monitor(peer);
        spawn([peer] {
            link(peer);
            exit("linker"_a);
        });
        w.equal(reason_of(watch), exit_reason("linker"_a));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ln_idempotent) {
    const auto body = [](witness& w) {
        trap_exit(true);
        {
            const pid peer = spawn([] {
                receive([](stop) {});
                exit("over"_a);
            });
            link(peer);
            link(peer);
            unlink(peer);
            const monitor_ref watch = monitor(peer);
            send(peer, stop{});
            reason_of(watch);
            w.that(!receive_for<exit_signal>(0s), "link, link, unlink leaves no link");
        }
        {
            const pid peer = spawn_link(linked_until_stopped(self()));
            link(peer);
            end_of_link_comes_once(w, peer, "one exit signal only");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ln_idempotent_when_both_link_at_once) {
    const auto body = [](witness& w) {
        trap_exit(true);
        for (int i = 0; i < w.times(200, 4); ++i) {
            const pid peer = spawn(linked_until_stopped(self()));
            link(peer);
            end_of_link_comes_once(w, peer, "one exit signal for two crossing links");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ln_dead_nontrapping) {
    const auto body = [](witness& w) {
        bool refused = false;
        try {
            link(dead_pid());
        } catch (const no_such_process&) {
            refused = true;
        }
        w.that(refused, "link to a dead process throws no_such_process");
        trap_exit(true);
        w.that(!receive_for<exit_signal>(0s), "no signal follows");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ln_dead_trapping) {
    const auto body = [](witness& w) {
        trap_exit(true);
        const pid gone = dead_pid();
        link(gone);
        const auto e = receive<exit_signal>();
        w.equal(e.from, gone);
        w.equal(e.reason, reason::no_process);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ln_dying_race) {
    const auto body = [](witness& w) {
        // The trapping caller gets one exit signal with the true reason or no_process.
        trap_exit(true);
        for (int i = 0; i < w.times(300, 5); ++i) {
            const pid peer = spawn([] { exit("bye"_a); });
            link(peer);
            const auto e = receive<exit_signal>();
            w.equal(e.from, peer);
            w.that(e.reason == exit_reason("bye"_a) || e.reason == reason::no_process,
                   "a true reason");
            await_gone(peer);
            w.that(!receive_for<exit_signal>(0s), "exactly one");
        }
        trap_exit(false);
        // The other one dies of it or gets the error.
        for (int i = 0; i < w.times(300, 5); ++i) {
            auto [linker, watch] = spawn_monitor([] {
                const pid peer = spawn([] { exit("bye"_a); });
                try {
                    link(peer);
                } catch (const no_such_process&) {
                    exit("refused"_a);
                }
                receive([](stop) {});
            });
            const auto why = reason_of(watch);
            w.that(why == exit_reason("bye"_a) || why == exit_reason("refused"_a),
                   "dies of the link or is refused");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ln_stale_reason) {
    const auto body = [](witness& w) {
        // P unlinks us and ends; we link afterwards. What we see is never the earlier link's.
        trap_exit(true);
        const pid main = self();
        for (int i = 0; i < w.times(300, 5); ++i) {
            const pid peer = spawn_link([main] {
                unlink(main);
                send(main, done{});
                exit("bye"_a);
            });
            receive<done>();
            link(peer);
            const auto e = receive<exit_signal>();
            w.equal(e.from, peer);
            w.that(e.reason == exit_reason("bye"_a) || e.reason == reason::no_process,
                   "bye or no_process");
            await_gone(peer);
            w.that(!receive_for<exit_signal>(0s), "one exit signal only");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ln_unlink_stops) {
    const auto body = [](witness& w) {
        trap_exit(true);
        for (int i = 0; i < w.times(50, 3); ++i) {
            const pid peer = spawn_link([] {
                receive([](stop) {});
                exit("bang"_a);
            });
            unlink(peer);
            const monitor_ref watch = monitor(peer);
            send(peer, stop{});
            w.equal(reason_of(watch), exit_reason("bang"_a));
            w.that(!receive_for<exit_signal>(0s), "no exit signal after unlink");
        }
        trap_exit(false);
        // A caller that does not trap lives on.
        for (int i = 0; i < w.times(50, 3); ++i) {
            const pid peer = spawn_link([] {
                receive([](stop) {});
                exit("bang"_a);
            });
            unlink(peer);
            const monitor_ref watch = monitor(peer);
            send(peer, stop{});
            w.equal(reason_of(watch), exit_reason("bang"_a));
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

// Also not if its exit signal is in the mailbox already, and has not been taken.
TEST(conformance_processes, ln_unlink_stops_what_has_come) {
    const auto body = [](witness& w) {
        for (int i = 0; i < 3; ++i) {
            const auto ended = std::make_shared<std::atomic<bool>>(false);
            const auto [caller, watch] = spawn_monitor([ended] {
                const pid peer = spawn_link([] {
                    receive([](stop) {});
                    exit("bang"_a);
                });
                const pid me = self();
                spawn([ended, peer, me] {
                    const monitor_ref end = monitor(peer);
                    send(me, go{});
                    reason_of(end);  // links hear of it before monitors
                    *ended = true;
                });
                receive<go>();
                send(peer, stop{});
                while (!*ended) {  // no safe point
                }
                unlink(peer);
                yield();
            });
            w.equal(reason_of(watch), reason::normal);
        }
    };
    EXPECT_TRUE(holds_everywhere(body, threads_only()));
}

TEST(conformance_processes, ln_unlink_races_with_the_death) {
    const auto body = [](witness& w) {
        // After unlink has returned nothing more arrives; what arrived before stays.
        trap_exit(true);
        for (int i = 0; i < w.times(300, 5); ++i) {
            const pid peer = spawn_link([] { exit("bang"_a); });
            unlink(peer);
            (void)receive_for<exit_signal>(0s);
            await_gone(peer);
            w.that(!receive_for<exit_signal>(0s), "no exit signal after unlink returned");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ln_unlink_none) {
    const auto body = [](witness& w) {
        const pid alive = spawn([] { receive([](stop) {}); });
        unlink(alive);
        unlink(alive);
        unlink(dead_pid());
        unlink(self());
        unlink(pid());
        w.that(is_alive(alive));
        sync_with(spawn(answer_pings));
    };
    EXPECT_TRUE(holds_everywhere(body));
}
