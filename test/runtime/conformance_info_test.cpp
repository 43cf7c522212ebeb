// What processes tell of themselves, and being stopped by others: the catalogue's rows pi-*, mo-lists, ln-list, sc-*.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"
#include "support/migrate.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

bool has(const std::vector<pid>& all, pid p) {
    return std::find(all.begin(), all.end(), p) != all.end();
}

/// Waits for `stop`, whatever else comes.
void wait_for_stop() { receive<stop>(); }

}  // namespace

TEST(conformance_processes, pi_queue) {
    const auto body = [](witness& w) {
        const pid target = spawn([] {
            receive<stop>();
            receive(when([](const number& n) { return n.n == 3; }, [](number) {}));
            receive<stop>();
        });
        for (int i = 1; i <= 4; ++i) send(target, number{i});
        auto info = process_info(target);
        w.that(info.has_value());
        if (!info) return;
        w.equal(info->message_queue_len, std::size_t{4});
        w.equal(info->messages.size(), std::size_t{4});
        send(target, std::string("text"));
        info = process_info(target);
        w.equal(info->message_queue_len, std::size_t{5});
        w.that(info->messages.back().find("text") != std::string::npos, "printed where it can be");
        send(target, stop{});
        info = process_info(target);
        // The stop and number 3 are consumed, or on the way to be: ask until it waits again.
        while (info->message_queue_len != 4) {
            yield();
            info = process_info(target);
        }
        w.equal(info->messages.size(), std::size_t{4});
        send(target, stop{});
        await_gone(target);
        w.that(!process_info(target), "nothing is known of the dead");
        w.that(!process_info(pid()));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, pi_queue_consistent) {
    const auto body = [](witness& w) {
        const pid main = self();
        std::vector<pid> flooders;
        for (int i = 0; i < 2; ++i)
            flooders.push_back(spawn([main] {
                for (int n = 0; n < 1'000; ++n) {
                    send(main, number{n});
                    demonitor(monitor(main));
                    if (n % 8 == 0) yield();
                }
                receive<stop>();
            }));
        for (int i = 0; i < w.times(50, 5); ++i) {
            const auto info = process_info(main);
            w.that(info.has_value());
            w.equal(info->message_queue_len, info->messages.size());
            yield();
        }
        for (pid p : flooders) exit(p, reason::kill);
        for (pid p : flooders) await_gone(p);
        const auto info = process_info(main);
        std::size_t left = 0;
        while (receive_for<number>(0s)) ++left;
        w.equal(left, info->message_queue_len);
        w.that(process_info(main)->monitored_by.empty(), "the dead watch nobody");
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, pi_self_signal) {
    const auto body = [](witness& w) {
        send(self(), number{1});
        const auto info = process_info(self());
        w.equal(info->message_queue_len, std::size_t{1});
        w.that(info->status == process_status::running, "running, for oneself");
        receive<number>();
        w.equal(process_info(self())->message_queue_len, std::size_t{0});
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, pi_status) {
    const auto body = [](witness& w) {
        const pid waiting = spawn(wait_for_stop);
        sync_with(spawn(answer_pings));
        auto info = process_info(waiting);
        while (info->status != process_status::waiting) {
            yield();
            info = process_info(waiting);
        }
        w.that(process_info(waiting)->status == process_status::waiting,
               "answering does not change it");
        suspend(waiting);
        w.that(process_info(waiting)->status == process_status::suspended);
        resume(waiting);
        send(waiting, stop{});
        await_gone(waiting);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, pi_stable) {
    const auto body = [](witness& w) {
        const pid main = self();
        const pid peer = spawn_link([main] {
            trap_exit(true);
            const auto mine = process_info(self());
            send(main, std::make_pair(mine->entry, mine->links));
            send(main, mine->parent);
            receive<stop>();
        });
        const auto [entry, links] = receive<std::pair<std::string, std::vector<pid>>>();
        const pid parent_told = receive<pid>();
        const auto info = process_info(peer);
        w.equal(info->pid, peer);
        w.equal(info->entry, entry);
        w.that(!entry.empty());
        w.equal(info->links, links);
        w.equal(info->parent, main);
        w.equal(parent_told, main);
        w.that(info->trap_exit);
        unlink(peer);
        send(peer, stop{});
        // A busy one answers at its next safe point and goes on.
        const pid busy = spawn([] {
            for (;;) yield();
        });
        for (int i = 0; i < 10; ++i) w.that(process_info(busy).has_value());
        exit(busy, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, pi_stable_in_a_cycle) {
    const auto body = [](witness& w) {
        // Many that ask each other in a ring, at once.
        const pid main = self();
        const int count = 10;
        std::vector<pid> ring;
        for (int i = 0; i < count; ++i)
            ring.push_back(spawn([main] {
                const pid next = receive<pid>();
                for (int n = 0; n < 20; ++n)
                    if (!process_info(next)) exit("no_answer"_a);
                send(main, done{});
                receive<stop>();
            }));
        for (std::size_t i = 0; i < ring.size(); ++i) send(ring[i], ring[(i + 1) % ring.size()]);
        for (int i = 0; i < count; ++i) receive<done>();
        for (pid p : ring) send(p, stop{});
        w.that(true);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, pi_and_death_race) {
    const auto body = [](witness& w) {
        for (int i = 0; i < w.times(300, 10); ++i) {
            const pid target = spawn([] { exit("gone"_a); });
            if (i % 2) yield();
            const auto info = process_info(target);
            if (info) w.equal(info->pid, target);
            await_gone(target);
            w.that(!process_info(target));
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, pi_flags_badarg) {
    const auto body = [](witness& w) {
        w.that(set_priority(priority::high) == priority::normal, "the old value");
        w.that(process_info(self())->priority == priority::high);
        w.that(set_priority(priority::low) == priority::high);
        w.that(set_priority(priority::normal) == priority::low);
        w.that(!trap_exit(true));
        w.that(process_info(self())->trap_exit);
        w.that(trap_exit(false));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, ln_list) {
    const auto body = [](witness& w) {
        trap_exit(true);
        w.that(process_info(self())->links.empty());
        std::vector<pid> peers;
        for (int i = 0; i < 40; ++i)
            peers.push_back(i % 2 ? spawn_link(wait_for_stop) : spawn(wait_for_stop));
        for (std::size_t i = 0; i < peers.size(); i += 2) link(peers[i]);
        auto mine = process_info(self())->links;
        w.equal(mine.size(), peers.size());
        for (pid p : peers) {
            w.that(has(mine, p));
            w.that(has(process_info(p)->links, self()), "both sides list it");
        }
        for (std::size_t i = 0; i < peers.size(); i += 3) unlink(peers[i]);
        mine = process_info(self())->links;
        for (std::size_t i = 0; i < peers.size(); ++i) {
            w.equal(has(mine, peers[i]), i % 3 != 0);
            w.equal(has(process_info(peers[i])->links, self()), i % 3 != 0);
        }
        for (pid p : peers) send(p, stop{});
        for (pid p : peers) await_gone(p);
        w.that(process_info(self())->links.empty(), "an end removes the link");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_lists) {
    const auto body = [](witness& w) {
        std::vector<pid> targets;
        for (int i = 0; i < 10; ++i) targets.push_back(spawn(wait_for_stop));
        std::vector<monitor_ref> refs;
        for (pid p : targets) refs.push_back(monitor(p));
        auto mine = process_info(self());
        w.equal(mine->monitors.size(), targets.size());
        for (pid p : targets) {
            w.that(has(mine->monitors, p));
            w.that(has(process_info(p)->monitored_by, self()));
        }
        // By demonitor, by the target's death, and by the owner's.
        for (std::size_t i = 0; i < 5; ++i) {
            demonitor(refs[i]);
            w.that(process_info(targets[i])->monitored_by.empty());
        }
        w.equal(process_info(self())->monitors.size(), std::size_t{5});
        for (std::size_t i = 5; i < 10; ++i) {
            send(targets[i], stop{});
            reason_of(refs[i]);
        }
        w.that(process_info(self())->monitors.empty());
        auto owner = spawn_monitor([target = targets[0], main = self()] {
            (void)monitor(target);
            send(main, go{});
            receive<stop>();
        });
        receive<go>();
        w.equal(process_info(targets[0])->monitored_by, std::vector{owner.pid});
        send(owner.pid, stop{});
        reason_of(owner.ref);
        await_gone(owner.pid);
        w.that(process_info(targets[0])->monitored_by.empty(), "the dead watch nobody");
        for (pid p : targets) send(p, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_unidirectional_lists) {
    const auto body = [](witness& w) {
        // Killed owners leave nothing at their target, however many and whenever.
        const pid target = spawn(answer_pings);
        for (int i = 0; i < w.times(50, 5); ++i) {
            const pid owner = spawn([target] {
                for (;;) (void)monitor(target);
            });
            sleep(10us);
            exit(owner, reason::kill);
            await_gone(owner);
        }
        w.that(process_info(target)->monitored_by.empty());
        send(target, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, sc_suspend) {
    const auto body = [](witness& w) {
        const pid main = self();
        const pid counter = spawn([] {
            for (int n = 0;; ++n)
                receive([&](ping p) { send(p.from, number{n}); }, after(0s, [] { yield(); }));
        });
        send(counter, ping{main});
        receive<number>();
        suspend(counter);
        send(counter, ping{main});
        w.that(!receive_for<number>(w.a_while()), "it has stopped");
        resume(counter);
        receive<number>();
        // It counts for each: two suspends need two resumes.
        suspend(counter);
        suspend(counter);
        resume(counter);
        send(counter, ping{main});
        w.that(!receive_for<number>(w.a_while()), "still stopped");
        resume(counter);
        receive<number>();
        exit(counter, reason::kill);
        // A message that came meanwhile wakes a waiting one; an exit signal ends it.
        const pid waiting = spawn(answer_pings);
        sync_with(waiting);
        suspend(waiting);
        send(waiting, ping{main});
        w.that(!receive_for<pong>(w.a_while()));
        resume(waiting);
        receive<pong>();
        suspend(waiting);
        const monitor_ref watch = monitor(waiting);
        exit(waiting, "odd"_a);
        try {
            resume(waiting);
        } catch (const no_such_process&) {  // a signal need not wait for the resume
        }
        w.equal(reason_of(watch), exit_reason("odd"_a));
        int refused = 0;
        try {
            suspend(self());
        } catch (const bad_argument&) {
            ++refused;
        }
        try {
            suspend(dead_pid());
        } catch (const no_such_process&) {
            ++refused;
        }
        try {
            resume(dead_pid());
        } catch (const no_such_process&) {
            ++refused;
        }
        w.equal(refused, 3);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sc_suspend_ends_with_the_suspender) {
    const auto body = [](witness& w) {
        // As in OTP: what a dead process has suspended runs again.
        const pid target = spawn(answer_pings);
        auto suspender = spawn_monitor([target] { suspend(target); });
        reason_of(suspender.ref);
        await_gone(suspender.pid);
        sync_with(target);
        send(target, stop{});
        w.that(true);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sc_progress_during_service) {
    const auto body = [](witness& w) {
        const auto progress = std::make_shared<std::atomic<long>>(0);
        const pid busy = spawn([progress] {
            for (;;) {
                ++*progress;
                yield();
            }
        });
        long last = -1;
        int grown = 0;
        for (int i = 0; i < w.times(500, 50); ++i) {
            w.that(process_info(busy).has_value());
            const long n = *progress;
            grown += n > last;
            last = n;
        }
        w.that(grown > 0 && last > 0, "it gets on while it answers");
        const long before = *progress;
        while (*progress == before) yield();
        exit(busy, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, sc_migrate) {
    const auto body = [](witness& w) {
        // Moved between workers it loses no message, no timer and no order.
        const pid main = self();
        const pid sender = spawn([main] {
            for (int n = 0; n < 200; ++n) {
                send(main, number{n});
                if (n % 16 == 0) yield();
            }
        });
        const timer_ref late = send_after(1ms, main, done{});
        for (int n = 0; n < 200; ++n) {
            if (n % 40 == 0) migrate(w);
            w.equal(receive<number>().n, n);
        }
        receive<done>();
        w.that(!read_timer(late));
        await_gone(sender);
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, sc_low_normal) {
    const auto body = [](witness& w) {
        // Low is not starved by normal, and gets less.
        const auto low = std::make_shared<std::atomic<long>>(0);
        const auto normal = std::make_shared<std::atomic<long>>(0);
        const auto burn = [](const std::shared_ptr<std::atomic<long>>& count) {
            for (;;) {
                ++*count;
                yield();
            }
        };
        std::vector<pid> all;
        for (int i = 0; i < 4; ++i) {
            all.push_back(spawn({.priority = priority::low}, burn, low));
            all.push_back(spawn(burn, normal));
        }
        set_priority(priority::high);
        while (*normal < 5'000)
            sleep(1ms);  // a part-time high process leaves the rest to the others
        const double ratio = static_cast<double>(*low) / static_cast<double>(*normal);
        w.that(ratio > 0.02, "low is not starved");
        w.that(ratio < 0.5, "low gets less than normal");
        for (pid p : all) exit(p, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body, {.workers = {1}, .seeds = 0}));
}

TEST(conformance_processes, sc_high_max) {
    const auto body = [](witness& w) {
        // While one of a higher level can run, no lower one does; what it leaves, the others get.
        const auto log = std::make_shared<std::vector<priority>>();
        const auto note = [log](priority level) {
            for (int i = 0; i < 50; ++i) {
                log->push_back(level);
                yield();
            }
        };
        set_priority(priority::max);
        std::vector<spawned> all;
        for (const priority level : {priority::low, priority::normal, priority::high})
            for (int i = 0; i < 2; ++i)
                all.push_back(spawn_monitor({.priority = level}, note, level));
        for (int i = 0; i < 20; ++i) yield();
        w.that(log->empty(), "max runs before all others");
        for (const auto& s : all) w.equal(reason_of(s.ref), reason::normal);
        w.equal(log->size(), std::size_t{300});
        const auto first_lower =
            std::find_if(log->begin(), log->end(), [](priority p) { return p < priority::high; });
        w.that(std::find(first_lower, log->end(), priority::high) == log->end(),
               "high runs before normal and low");
    };
    EXPECT_TRUE(holds_everywhere(body, {.workers = {1}, .seeds = seeds()}));
}

TEST(conformance_processes, sc_high_max_leaves_the_rest_to_others) {
    const auto body = [](witness& w) {
        // A high process that waits between its turns, and one that never does: on more workers the others still run.
        const auto over = std::make_shared<std::atomic<bool>>(false);
        const pid part_time = spawn({.priority = priority::high}, [over] {
            while (!*over) sleep(1ms);
        });
        pid greedy;
        if (w.workers() > 1)
            greedy = spawn({.priority = priority::max}, [over] {
                while (!*over) yield();
            });
        const pid echo = spawn(answer_pings);
        for (int i = 0; i < 200; ++i) sync_with(echo);
        *over = true;
        await_gone(part_time);
        if (greedy) await_gone(greedy);
        send(echo, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body, {.workers = {1, 2, 4}, .seeds = 0}));
}

TEST(conformance_processes, sc_priority_inversion) {
    const auto body = [](witness& w) {
        // High ones ask a low one that has work of its own, while other high ones keep the workers busy.
        const pid low = spawn({.priority = priority::low}, answer_pings);
        const auto over = std::make_shared<std::atomic<bool>>(false);
        const auto busy = [over] {
            while (!*over) yield();
        };
        std::vector<pid> all;
        for (unsigned i = 0; i + 1 < w.workers(); ++i)
            all.push_back(spawn({.priority = priority::high}, busy));
        set_priority(priority::high);
        for (int i = 0; i < 100; ++i) w.that(process_info(low).has_value());
        w.that(is_alive(low));
        *over = true;
        for (pid p : all) await_gone(p);
        exit(low, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body, {.workers = {2, 4}, .seeds = 0}));
}

TEST(conformance_processes, sc_hibernate) {
    const auto body = [](witness& w) {
        const pid main = self();
        const auto token = std::make_shared<const int>(1);
        // The stack is unwound, and the function runs when a message is there.
        const pid sleeper = spawn([main, token] {
            const auto held = token;
            hibernate(
                [main, left = std::weak_ptr<const int>(token)](int argument) {
                    const int n = receive<number>().n;
                    send(main, number{n + argument});
                    receive<stop>();
                },
                10);
        });
        yield();
        w.that(is_alive(sleeper));
        auto info = process_info(sleeper);
        w.that(info && info->status == process_status::waiting);
        send(sleeper, number{5});
        w.equal(receive<number>().n, 15);
        send(sleeper, stop{});
        await_gone(sleeper);
        w.equal(token.use_count(), 1L);

        // A message that is in the queue already is enough; order is kept.
        const pid early = spawn([main] {
            receive<go>();
            hibernate([main] {
                for (int i = 0; i < 3; ++i) send(main, receive<number>());
            });
        });
        for (int i = 0; i < 3; ++i) send(early, number{i});
        send(early, go{});
        for (int i = 0; i < 3; ++i) w.equal(receive<number>().n, i);
        await_gone(early);

        // A lethal signal ends it asleep.
        auto victim = spawn_monitor([] { hibernate([] { receive<stop>(); }); });
        exit(victim.pid, reason::kill);
        w.equal(reason_of(victim.ref), reason::killed);

        // Again and again, from the woken function.
        struct again {
            pid to;
            void operator()(int left) const {
                receive<go>();
                send(to, number{left});
                if (left > 0) hibernate(again{to}, left - 1);
            }
        };
        const pid many = spawn(again{main}, 100);
        for (int i = 100; i >= 0; --i) {
            send(many, go{});
            w.equal(receive<number>().n, i);
        }
        await_gone(many);
    };
    EXPECT_TRUE(holds_everywhere(body));
}
