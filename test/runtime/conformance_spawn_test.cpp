// Spawning and the reasons of crashes: the catalogue's rows sp-*.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <heirloom/names.hpp>
#include <heirloom/timer.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

std::size_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::size_t total = 0, resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST(conformance_processes, sp_crash_error) {
    const auto body = [](witness& w) {
        trap_exit(true);
        const pid child = spawn_link([] { throw std::invalid_argument("not a number"); });
        const auto e = receive<exit_signal>();
        w.equal(e.from, child);
        w.that(e.reason.is_crash(), "a crash is not an exit");
        w.equal(e.reason.exception_type(), std::string_view("std::invalid_argument"));
        w.equal(e.reason.what(), std::string_view("not a number"));
        w.that(!e.reason.stack().empty(), "it carries the stack where it was thrown");
        spawn_link([] { exit("not_a_number"_a); });
        const auto plain = receive<exit_signal>().reason;
        w.that(!plain.is_crash());
        w.equal(plain, exit_reason("not_a_number"_a));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sp_crash_throw) {
    const auto body = [](witness& w) {
        // What is neither the library's exit nor a std::exception is a crash, named by its type.
        struct custom {};
        const auto as_int = reason_of(spawn_monitor([] { throw 42; }).ref);
        w.that(as_int.is_crash());
        w.equal(as_int.exception_type(), std::string_view("int"));
        w.that(!as_int.stack().empty());
        const auto as_custom = reason_of(spawn_monitor([] { throw custom{}; }).ref);
        w.that(as_custom.is_crash());
        w.that(as_custom.exception_type().find("custom") != std::string_view::npos);
        w.that(as_int != as_custom);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sp_crash_at_entry) {
    const auto body = [](witness& w) {
        for (int i = 0; i < w.times(100, 5); ++i) {
            const pid plain = spawn([] { throw std::runtime_error("at entry"); });
            w.that(static_cast<bool>(plain));
            auto [watched, watch] = spawn_monitor([] { throw std::runtime_error("at entry"); });
            w.equal(reason_of(watch).what(), std::string_view("at entry"));
            trap_exit(true);
            const pid linked = spawn_link([] { throw std::runtime_error("at entry"); });
            const auto e = receive<exit_signal>();
            w.equal(e.from, linked);
            w.equal(e.reason.what(), std::string_view("at entry"));
            trap_exit(false);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sp_monitor_atomic) {
    const auto body = [](witness& w) {
        for (int i = 0; i < w.times(500, 10); ++i) {
            auto [child, watch] = spawn_monitor([] { exit("at_once"_a); });
            if (i % 3 == 0) yield();
            const auto d = receive<down>();
            w.equal(d.ref, watch);
            w.equal(d.from, child);
            w.equal(d.reason, exit_reason("at_once"_a));
        }
        w.that(!receive_for<down>(0s));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sp_link_and_monitor) {
    const auto body = [](witness& w) {
        // Spawned with a link, and monitored before it can end: one of each, with equal reasons.
        trap_exit(true);
        for (int i = 0; i < w.times(100, 5); ++i) {
            const pid child = spawn_link([] {
                receive([](go) {});
                exit("both"_a);
            });
            const monitor_ref watch = monitor(child);
            send(child, go{});
            const auto e = receive<exit_signal>();
            const auto d = receive<down>();
            w.equal(e.from, child);
            w.equal(d.ref, watch);
            w.equal(e.reason, exit_reason("both"_a));
            w.equal(d.reason, e.reason);
            await_gone(child);
            w.that(!receive_for<exit_signal>(0s));
            w.that(!receive_for<down>(0s));
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sp_args_released) {
    const auto body = [](witness& w) {
        const std::size_t bytes = 2 << 20;
        const auto spawn_one = [&] {
            std::vector<char> load(bytes);
            std::memset(load.data(), 1, load.size());
            reason_of(spawn_monitor(
                          [](const std::vector<char>& l) {
                              if (l.empty()) exit("empty"_a);
                          },
                          std::move(load))
                          .ref);
        };
        for (int i = 0; i < 10; ++i) spawn_one();
        const std::size_t before = resident_bytes();
        for (int i = 0; i < 150; ++i) spawn_one();
        const std::size_t after = resident_bytes();
        const std::size_t allowed = under_asan || under_tsan ? 400 * bytes : 20 * bytes;
        w.that(after < before + allowed, "150 arguments of 2 MB leave no trace");
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, sp_args_released_exactly) {
    const auto body = [](witness& w) {
        // However the process ends, its function and its arguments are destroyed before anyone hears of it.
        const auto token = std::make_shared<const int>(1);
        const auto check = [&](auto end) {
            const long before = token.use_count();
            auto [child, watch] = spawn_monitor(
                [captured = token](const std::shared_ptr<const int>&) {
                    receive([](go) {}, [](stop) { exit("stopped"_a); },
                            [](number) { throw std::runtime_error("n"); });
                },
                token);
            end(child);
            reason_of(watch);
            w.equal(token.use_count(), before);
        };
        check([](pid p) { send(p, go{}); });
        check([](pid p) { send(p, stop{}); });
        check([](pid p) { send(p, number{1}); });
        check([](pid p) { exit(p, reason::kill); });
        check([](pid p) { exit(p, "odd"_a); });
        check([](pid p) {
            sync_with(spawn(answer_pings));
            exit(p, reason::kill);
        });
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sp_pid_no_alias) {
    const auto body = [](witness& w) {
        // Reuse the slot of a dead process, then use its pid in every way.
        trap_exit(true);
        for (int i = 0; i < w.times(50, 3); ++i) {
            const pid stale = dead_pid();
            std::vector<pid> later;
            bool reused = false;
            for (int j = 0; j < 400 && !reused; ++j) {
                later.push_back(spawn([] {
                    trap_exit(true);
                    for (bool more = true; more;)
                        more = receive(
                            [](ping p) {
                                send(p.from, pong{self()});
                                return true;
                            },
                            [](stop) { return false; },
                            [](number) {
                                exit("got_a_stale_message"_a);
                                return false;
                            },
                            [](exit_signal) {
                                exit("got_a_stale_signal"_a);
                                return false;
                            });
                }));
                reused = later.back().slot() == stale.slot();
            }
            w.that(reused, "the slot is used again");
            w.that(later.back() != stale);
            w.that(!is_alive(stale));
            send(stale, number{1});
            exit(stale, "odd"_a);
            exit(stale, reason::kill);
            w.equal(await_end(stale), reason::no_process);
            link(stale);
            w.equal(receive<exit_signal>().reason, reason::no_process);
            w.that(!try_send(stale, number{1}));
            send_after(0s, stale, number{1});
            const pid there = later.back();
            sync_with(there);
            w.that(is_alive(there), "nothing sent to the stale pid reached it");
            for (pid p : later) exit(p, reason::kill);
            for (pid p : later) await_gone(p);
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, sp_badopt) {
    const auto body = [](witness& w) {
        const auto refused = [&](const spawn_options& options) {
            const auto before = processes().size();
            bool thrown = false;
            try {
                spawn(options, [] {});
            } catch (const bad_argument&) {
                thrown = true;
            }
            try {
                (void)spawn_monitor(options, [] {});
                thrown = false;
            } catch (const bad_argument&) {
            }
            try {
                spawn_link(options, [] {});
                thrown = false;
            } catch (const bad_argument&) {
            }
            w.equal(processes().size(), before);
            w.that(!receive_for<down>(0s), "no monitor was made");
            return thrown;
        };
        w.that(refused({.stack_size = 1024}), "a stack of 1 KiB");
        w.that(refused({.stack_size = std::size_t{1} << 40}), "a stack of 1 TiB");
        const pid holder = spawn({.name = "sp_badopt"}, answer_pings);
        w.that(refused({.name = "sp_badopt"}), "a name that is taken");
        w.equal(whereis("sp_badopt"_a), holder);
        trap_exit(true);
        send(holder, stop{});
        await_gone(holder);
        w.that(!receive_for<exit_signal>(0s), "no link was made");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, sp_processes_infant) {
    const auto body = [](witness& w) {
        // A pid seen in processes() may be used at once, whatever its spawner is doing.
        const pid main = self();
        const pid breeder = spawn([main] {
            for (int i = 0; i < 200; ++i) {
                spawn([] { receive([](go) {}, after(10ms, [] {})); });
                yield();
            }
            send(main, done{});
        });
        bool over = false;
        while (!over) {
            for (pid p : processes()) {
                if (p == main || p == breeder) continue;
                const monitor_ref watch = monitor(p);
                send(p, go{});
                const auto why = reason_of(watch);
                w.that(why == reason::normal || why == reason::no_process);
            }
            over = receive_for<done>(0s).has_value();
            yield();
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, sp_mass) {
    const auto body = [](witness& w) {
        const auto count = static_cast<int>(scaled(w.deterministic() ? 2'000 : 20'000));
        std::vector<spawned> all;
        for (int i = 0; i < count; ++i) all.push_back(spawn_monitor([] { receive([](go) {}); }));
        w.that(processes().size() >= static_cast<std::size_t>(count), "all are there");
        for (const auto& s : all) send(s.pid, go{});
        int normal = 0;
        for (int i = 0; i < count; ++i) normal += receive<down>().reason == reason::normal;
        w.equal(normal, count);
        w.that(!receive_for<down>(0s));
        for (const auto& s : all) w.that(!is_alive(s.pid));
    };
    EXPECT_TRUE(holds_everywhere(body, {.seeds = std::min<std::size_t>(3, seeds())}));
}
