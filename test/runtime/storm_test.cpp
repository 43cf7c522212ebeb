// Storms: everything at once for a while, then an audit: nobody left, nothing lost, every notice true.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"
#include "support/migrate.hpp"

#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/blocking.hpp>
#include <heirloom/names.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

/// Real time, or a number of rounds in deterministic mode.
class storm {
public:
    explicit storm(const witness& w) : rounds_(w.deterministic() ? 200 : -1) {}
    bool goes_on() {
        if (rounds_ >= 0) return rounds_-- > 0;
        return std::chrono::steady_clock::now() < end_;
    }

private:
    int rounds_;
    std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + storm_length();
};

effort stormy() { return {.workers = {2, 4}, .seeds = std::min<std::size_t>(20, seeds())}; }

}  // namespace

TEST(storm, of_births_and_deaths_leaves_nobody) {
    const auto body = [](witness& w) {
        trap_exit(true);
        const auto token = std::make_shared<const int>(1);
        std::minstd_rand random(static_cast<unsigned>(w.workers()));
        storm goes(w);
        while (goes.goes_on()) {
            std::vector<spawned> all;
            for (int i = 0; i < 50; ++i) {
                const auto kind = random() % 5;
                all.push_back(spawn_monitor([kind, token] {
                    switch (kind) {
                    case 0:
                        return;
                    case 1:
                        exit("odd"_a);
                    case 2:
                        receive<stop>();
                        return;
                    case 3:
                        for (;;) yield();
                    case 4:
                        spawn_link([token] { receive<stop>(); });
                        receive<stop>();
                        return;
                    }
                }));
                if (random() % 2) link(all.back().pid);
                if (random() % 4 == 0) unlink(all.back().pid);
            }
            for (const auto& s : all) {
                if (random() % 2) send(s.pid, stop{});
                exit(s.pid, random() % 2 ? reason::kill : exit_reason("told"_a));
            }
            for (const auto& s : all) {
                const auto why = reason_of(s.ref);
                w.that(why == reason::normal || why == exit_reason("odd"_a) ||
                           why == reason::killed || why == exit_reason("told"_a),
                       "a true reason");
            }
        }
        // Children that were linked to the killed follow them.
        for (;;) {
            while (receive_for<exit_signal>(0s)) {
            }
            bool alone = true;
            for (pid p : processes())
                if (p != self()) {
                    const auto info = process_info(p);
                    if (info && info->links.empty())
                        exit(p,
                             reason::kill);  // its parent ended normally: not linked any more
                    alone = false;
                }
            if (alone) break;
            yield();
        }
        w.equal(token.use_count(), 1L);
        w.that(process_info(self())->monitors.empty());
    };
    EXPECT_TRUE(holds_everywhere(body, stormy()));
}

TEST(storm, of_messages_loses_none) {
    const auto body = [](witness& w) {
        // A crowd that passes numbers on at random; what goes in comes out.
        const pid main = self();
        const int crowd = 20;
        std::vector<pid> all;
        for (int i = 0; i < crowd; ++i)
            all.push_back(spawn([main, i] {
                std::minstd_rand random(static_cast<unsigned>(i + 1));
                const auto others = receive<std::vector<pid>>();
                for (bool more = true; more;)
                    more = receive(
                        [&](number n) {
                            if (n.n == 0)
                                send(main, done{});
                            else
                                send(others[random() % others.size()], number{n.n - 1});
                            return true;
                        },
                        [](stop) { return false; });
            }));
        for (pid p : all) send(p, all);
        storm goes(w);
        while (goes.goes_on()) {
            for (int i = 0; i < 100; ++i)
                send(all[static_cast<std::size_t>(i % crowd)], number{i % 30});
            for (int i = 0; i < 100; ++i) receive<done>();
        }
        w.that(!receive_for<done>(0s));
        for (pid p : all) send(p, stop{});
        for (pid p : all) await_gone(p);
    };
    EXPECT_TRUE(holds_everywhere(body, stormy()));
}

TEST(storm, of_calls_to_servers_that_die) {
    const auto body = [](witness& w) {
        // Requests by alias and monitor, the way a call is made of parts: a reply or a down, never both, never none.
        const auto serve = [] {
            for (;;) receive([](monitor_ref from) { send(from, done{}); });
        };
        std::minstd_rand random(static_cast<unsigned>(w.workers()));
        storm goes(w);
        long replies = 0, downs = 0;
        while (goes.goes_on()) {
            const pid server = spawn(serve);
            for (int i = 0; i < 20; ++i) {
                const monitor_ref ref = monitor(server, alias_mode::reply_demonitor);
                send(server, ref);
                if (i == 10) exit(server, reason::kill);
                if (random() % 4 == 0) yield();
                receive([&](done) { ++replies; },
                        [&](const down& d) {
                            ++downs;
                            w.equal(d.ref, ref);
                        });
            }
            await_gone(server);
            w.that(!receive_for<down>(0s));
            w.that(!receive_for<done>(0s));
        }
        w.that(replies > 0 && downs > 0);
    };
    EXPECT_TRUE(holds_everywhere(body, stormy()));
}

TEST(storm, of_timers_cancels_and_deaths) {
    const auto body = [](witness& w) {
        const auto token = std::make_shared<const int>(1);
        std::minstd_rand random(static_cast<unsigned>(w.workers()));
        storm goes(w);
        while (goes.goes_on()) {
            std::vector<spawned> all;
            std::vector<timer_ref> timers;
            for (int i = 0; i < 10; ++i) {
                all.push_back(spawn_monitor([] {
                    for (;;)
                        receive([](const std::shared_ptr<const int>&) {},
                                [](stop) { exit(reason::normal); });
                }));
                for (int n = 0; n < 10; ++n)
                    timers.push_back(send_after(std::chrono::microseconds(random() % 300),
                                                all.back().pid, token));
            }
            auto helper = spawn_monitor([timers] {
                for (std::size_t i = 0; i < timers.size(); i += 2) cancel(timers[i]);
            });
            for (std::size_t i = 1; i < timers.size(); i += 3) cancel(timers[i]);
            for (const auto& s : all) {
                if (random() % 2)
                    exit(s.pid, reason::kill);
                else
                    send(s.pid, stop{});
            }
            for (const auto& s : all) reason_of(s.ref);
            reason_of(helper.ref);
            for (const auto& t : timers) w.that(!read_timer(t), "gone with its target");
        }
        w.equal(token.use_count(), 1L);
    };
    EXPECT_TRUE(holds_everywhere(body, stormy()));
}

TEST(storm, of_names) {
    const auto body = [](witness& w) {
        const pid main = self();
        const std::vector<atom> names{"storm_a"_a, "storm_b"_a, "storm_c"_a};
        const auto over = std::make_shared<std::atomic<bool>>(false);
        std::vector<spawned> actors;
        for (int i = 0; i < 8; ++i)
            actors.push_back(spawn_monitor([=] {
                std::minstd_rand random(static_cast<unsigned>(i + 1));
                while (!*over) {
                    const atom name = names[random() % names.size()];
                    try {
                        switch (random() % 4) {
                        case 0:
                            register_name(name, self());
                            break;
                        case 1:
                            unregister_name(name);
                            break;
                        case 2:
                            spawn({.name = name}, [] {});
                            break;
                        case 3:
                            send(name, number{i});
                            break;
                        }
                    } catch (const bad_argument&) {
                    } catch (const no_such_process&) {
                    }
                    while (receive_for<number>(0s)) {
                    }
                    yield();
                }
            }));
        storm goes(w);
        while (goes.goes_on()) {
            const pid holder = whereis(names[0]);
            w.that(holder != main);
            yield();
        }
        *over = true;
        for (const auto& a : actors) w.equal(reason_of(a.ref), reason::normal);
        for (pid p : processes())
            if (p != main) await_gone(p);
        for (atom name : names) w.that(!whereis(name), "no name outlives its holder");
        w.that(registered().empty());
    };
    EXPECT_TRUE(holds_everywhere(body, stormy()));
}

TEST(storm, of_suspends_and_questions) {
    const auto body = [](witness& w) {
        std::vector<pid> all;
        for (int i = 0; i < 6; ++i) all.push_back(spawn(answer_pings));
        auto nosy = spawn_monitor([all] {
            for (;;) {
                for (pid p : all) (void)process_info(p);
                for (pid p : all) suspend(p);
                for (pid p : all) resume(p);
                if (receive_for<stop>(0s)) return;
            }
        });
        storm goes(w);
        while (goes.goes_on())
            for (pid p : all) sync_with(p);
        send(nosy.pid, stop{});
        w.equal(reason_of(nosy.ref), reason::normal);
        for (pid p : all) sync_with(p);
        for (pid p : all) send(p, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body, stormy()));
}

TEST(storm, of_exceptions_that_migrate) {
    const auto body = [](witness& w) {
        std::vector<spawned> all;
        const auto over = std::make_shared<std::atomic<bool>>(false);
        for (int i = 0; i < 8; ++i)
            all.push_back(spawn_monitor([over, i] {
                while (!*over) try {
                        try {
                            throw i;
                        } catch (int n) {
                            yield();
                            receive([](stop) {}, after(5us, [] {}));
                            if (n != i) exit("mixed_up"_a);
                            throw;
                        }
                    } catch (int n) {
                        if (n != i) exit("mixed_up"_a);
                    }
            }));
        storm goes(w);
        while (goes.goes_on()) yield();
        *over = true;
        for (const auto& s : all) w.equal(reason_of(s.ref), reason::normal);
    };
    EXPECT_TRUE(holds_everywhere(body, stormy()));
}

TEST(storm, of_foreign_threads) {
    const auto end = std::chrono::steady_clock::now() + storm_length();
    const auto token = std::make_shared<const int>(1);
    {
        captured_log log;
        options opts{.workers = 2};
        opts.log = log.sink();
        runtime rt(std::move(opts));
        std::vector<std::thread> threads;
        std::atomic<long> rounds{0};
        for (int t = 0; t < 3; ++t)
            threads.emplace_back([&] {
                while (std::chrono::steady_clock::now() < end) {
                    const pid p = rt.spawn(
                        [](const std::shared_ptr<const int>&) {
                            for (bool more = true; more;)
                                more =
                                    receive([](const std::shared_ptr<const int>&) { return true; },
                                            [](stop) { return false; });
                        },
                        token);
                    for (int i = 0; i < 10; ++i) rt.send(p, token);
                    if (rounds % 2)
                        rt.exit(p, reason::kill);
                    else
                        rt.send(p, stop{});
                    rt.invoke([&] { await_gone(p); });
                    ++rounds;
                }
            });
        for (auto& t : threads) t.join();
        EXPECT_TRUE(rt.processes().empty());
        EXPECT_GT(rounds, 0);
    }
    EXPECT_EQ(token.use_count(), 1);
}

TEST(storm, of_runtimes) {
    const auto end = std::chrono::steady_clock::now() + storm_length();
    const auto token = std::make_shared<const int>(1);
    int rounds = 0;
    while (std::chrono::steady_clock::now() < end) {
        captured_log log;
        options opts{.workers = 1 + static_cast<unsigned>(rounds) % 3};
        opts.log = log.sink();
        runtime rt(std::move(opts));
        const int code = rt.run([&] {
            for (int i = 0; i < 20; ++i) {
                spawn([token] { receive<stop>(); });
                spawn([token] { sleep(1h); });
                send_after(std::chrono::microseconds(i), self(), token);
            }
            return 5;
        });
        ASSERT_EQ(code, 5);
        ++rounds;
    }
    EXPECT_EQ(token.use_count(), 1);
}
