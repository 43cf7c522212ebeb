// What a lethal signal does to code that waits, catches, shields, unwinds, or has not begun.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"
#include "support/migrate.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/blocking.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

/// Says when it is destroyed, and as whom.
struct scope {
    pid to;
    int n;
    scope(pid p, int number_) : to(p), n(number_) {}
    scope(scope&& other) noexcept : to(std::exchange(other.to, pid())), n(other.n) {}
    ~scope() {
        if (to) try_send(to, std::make_pair(n, self()));
    }
};
using ended_scope = std::pair<int, pid>;

/// Why a process ends that is killed while `waits` waits.
template <class F>
exit_reason reason_when_killed(F waits) {
    auto victim = spawn_monitor([waits, main = self()] {
        send(main, go{});
        waits();
    });
    receive<go>();
    exit(victim.pid, reason::kill);
    return reason_of(victim.ref);
}

}  // namespace

TEST(kill, unwinds_nested_scopes_in_order) {
    const auto body = [](witness& w) {
        const pid main = self();
        for (int how = 0; how < 4; ++how) {
            for (int i = 0; i < w.times(30, 2); ++i) {
                auto victim = spawn_monitor([main, how] {
                    scope one(main, 1);
                    auto two = std::make_unique<scope>(main, 2);
                    try {
                        scope three(main, 3);
                        [&] {
                            scope four(main, 4);
                            send(main, go{});
                            switch (how) {
                            case 0:
                                receive<go>();
                                break;
                            case 1:
                                sleep(1h);
                                break;
                            case 2:
                                receive([](go) {}, after(1h, [] {}));
                                break;
                            case 3:
                                for (;;) yield();
                            }
                            scope never(main, 99);
                        }();
                    } catch (const std::exception&) {
                        scope never(main, 98);
                    }
                    scope never(main, 97);
                });
                receive<go>();
                if (i % 2) yield();
                exit(victim.pid, reason::kill);
                w.equal(reason_of(victim.ref), reason::killed);
                for (int n : {4, 3, 2, 1}) {
                    const auto e = receive_for<ended_scope>(0s);
                    w.that(e && e->first == n, "destroyed in order, before the down");
                    w.that(e && e->second == victim.pid, "as the process itself");
                }
                w.that(!receive_for<ended_scope>(0s), "each once");
            }
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(kill, swallowed_by_catch_all_comes_again) {
    const auto body = [](witness& w) {
        const pid main = self();
        auto victim = spawn_monitor([main] {
            try_send(main, go{});  // no safe point: the kill is taken below
            for (int i = 1; i <= 5; ++i) try {
                    receive<stop>();
                } catch (...) {
                    try_send(main, number{i});
                }
        });
        receive<go>();
        exit(victim.pid, reason::kill);
        w.equal(reason_of(victim.ref), reason::killed);
        for (int i = 1; i <= 5; ++i) w.equal(receive_for<number>(0s).value_or(number{0}).n, i);
        // Each safe point throws it, not only receive.
        auto second = spawn_monitor([main] {
            try_send(main, go{});  // no safe point: the kill is taken below
            int thrown = 0;
            const auto swallow = [&](auto f) {
                try {
                    f();
                } catch (...) {
                    ++thrown;
                }
            };
            swallow([] { receive<stop>(); });
            swallow([] { yield(); });
            swallow([] { sleep(1h); });
            swallow([main] { send(main, done{}); });
            swallow([] { spawn([] {}); });
            swallow([] { (void)receive_for<stop>(0s); });
            try_send(main, number{thrown});
        });
        receive<go>();
        exit(second.pid, reason::kill);
        w.equal(reason_of(second.ref), reason::killed);
        w.equal(receive_for<number>(0s).value_or(number{0}).n, 6);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(kill, is_not_an_error) {
    const auto body = [](witness& w) {
        const auto why = reason_when_killed([] {
            try {
                receive<stop>();
            } catch (const std::exception&) {
                exit("caught_as_an_error"_a);
            }
        });
        w.equal(why, reason::killed);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(kill, replaced_by_another_exception_is_still_the_reason) {
    const auto body = [](witness& w) {
        const auto why = reason_when_killed([] {
            try {
                receive<stop>();
            } catch (...) {
                throw std::runtime_error("translated");
            }
        });
        w.equal(why, reason::killed);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(kill, waits_for_the_end_of_a_shield) {
    const auto body = [](witness& w) {
        const pid main = self();
        auto victim = spawn_monitor([main] {
            {
                shield outer;
                {
                    shield inner;
                    exit(self(), reason::kill);
                }
                // Doomed and shielded, it may compute, send and look, but not wait.
                for (int i = 0; i < 100; ++i) {
                    yield();
                    send(main, number{i});
                }
                bool refused = false;
                try {
                    receive<stop>();
                } catch (const cannot_wait&) {
                    refused = true;
                }
                try_send(main, std::string(refused ? "refused" : "waited"));
                sleep(1h);  // returns at once
            }
            yield();
            try_send(main, done{});
        });
        w.equal(reason_of(victim.ref), reason::killed);
        for (int i = 0; i < 100; ++i) w.equal(receive_for<number>(0s).value_or(number{-1}).n, i);
        w.equal(receive_for<std::string>(0s).value_or("nothing"), "refused");
        w.that(!receive_for<done>(0s), "it takes effect at the first safe point after the shield");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(kill, shield_refuses_waits_without_a_kill_too) {
    const auto body = [](witness& w) {
        send(self(), number{1});
        {
            shield s;
            w.equal(receive<number>().n, 1);  // it is there: no wait
            bool refused = false;
            try {
                receive<number>();
            } catch (const cannot_wait&) {
                refused = true;
            }
            w.that(refused);
            w.that(!receive_for<number>(0s), "a look is no wait");
        }
        send_after(1us, self(), number{2});
        w.equal(receive<number>().n, 2);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(kill, pending_in_a_destructor_waits_until_the_unwinding_is_over) {
    const auto body = [](witness& w) {
        // The kill arrives while an ordinary exception unwinds; a destructor with safe points runs to its end.
        const pid main = self();
        struct busy {
            pid to;
            ~busy() {
                try_send(to, go{});
                for (int i = 0; i < 50; ++i) yield();
                sleep(1h);  // while unwinding and doomed: returns at once
                try_send(to, number{1});
            }
        };
        for (int i = 0; i < w.times(30, 3); ++i) {
            auto victim = spawn_monitor([main] {
                try {
                    busy b{main};
                    throw std::runtime_error("ordinary");
                } catch (const std::runtime_error&) {
                    try_send(main, number{2});
                    yield();
                    try_send(main, number{3});
                }
            });
            receive<go>();
            exit(victim.pid, reason::kill);
            w.equal(reason_of(victim.ref), reason::killed);
            w.equal(receive_for<number>(0s).value_or(number{0}).n, 1);
            (void)receive_for<number>(0s);  // the handler runs up to its first safe point
            w.that(!receive_for<number>(0s));
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(kill, refuses_waits_for_a_value_in_the_destructors_it_unwinds) {
    const auto body = [](witness& w) {
        struct asks {
            pid to;
            ~asks() {
                try {
                    receive<stop>();
                    try_send(to, std::string("waited"));
                } catch (const cannot_wait&) {
                    try_send(to, std::string("refused"));
                }
            }
        };
        for (int i = 0; i < w.times(30, 3); ++i) {
            auto victim = spawn_monitor([main = self()] {
                asks a{main};
                send(main, go{});
                receive<done>();
            });
            receive<go>();
            exit(victim.pid, reason::kill);
            // Who waits all the same gets its message, instead of keeping the test.
            w.equal(receive([](const std::string& s) { return s; },
                            after(w.a_while(),
                                  [&] {
                                      exit(victim.pid, reason::kill);
                                      return std::string("waits");
                                  })),
                    "refused");
            w.equal(reason_of(victim.ref), reason::killed);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(kill, that_comes_while_the_body_is_destroyed_is_too_late) {
    const auto body = [](witness& w) {
        // What the function was made of is destroyed as the process, after its end: it runs to its end.
        struct busy {
            pid to;
            explicit busy(pid p) : to(p) {}
            busy(busy&& other) noexcept : to(std::exchange(other.to, pid())) {}
            ~busy() {
                if (!to) return;
                try_send(to, go{});
                for (int i = 0; i < 200; ++i) yield();
                sleep(1h);  // at its end: returns at once
                try_send(to, number{1});
            }
        };
        for (int i = 0; i < w.times(30, 3); ++i) {
            auto victim = spawn_monitor([b = busy(self())] {});
            receive<go>();
            exit(victim.pid, reason::kill);
            w.equal(reason_of(victim.ref), reason::normal);
            w.equal(receive_for<number>(0s).value_or(number{0}).n, 1);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(kill, before_the_first_run_never_enters_the_function) {
    const auto body = [](witness& w) {
        const pid main = self();
        for (int i = 0; i < w.times(200, 20); ++i) {
            auto victim = spawn_monitor(
                [main, captured = scope(main, 1)](const scope&) { try_send(main, done{}); },
                scope(main, 2));
            exit(victim.pid, i % 2 ? reason::kill : exit_reason("odd"_a));
            const auto why = reason_of(victim.ref);
            int destroyed = 0;
            while (auto e = receive_for<ended_scope>(0s)) {
                w.equal(e->second, victim.pid);
                ++destroyed;
            }
            w.equal(destroyed, 2);
            const bool entered = receive_for<done>(0s).has_value();
            w.equal(entered, why == reason::normal);
            // Alone on one thread the parent goes on running: the child cannot have begun.
            if (w.workers() == 1 && !w.deterministic()) w.that(!entered, "ended before it began");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(kill, of_a_process_in_blocking_waits_until_it_returns) {
    const auto body = [](witness& w) {
        const pid main = self();
        const auto release = std::make_shared<std::atomic<bool>>(false);
        auto victim = spawn_monitor([main, release] {
            blocking([&] {
                try_send(main, go{});
                while (!*release) std::this_thread::yield();
                try_send(main, number{1});
            });
            try_send(main, number{2});
        });
        receive<go>();
        exit(victim.pid, reason::kill);
        w.that(!receive_for<down>(w.a_while()), "not while it blocks");
        *release = true;
        w.equal(reason_of(victim.ref), reason::killed);
        (void)receive_for<number>(0s);
        w.that(!receive_for<number>(0s), "no statement after blocking returned");
    };
    EXPECT_TRUE(holds_everywhere(body, threads_only()));
}

TEST(kill, reaches_whoever_migrates) {
    const auto body = [](witness& w) {
        for (int i = 0; i < w.times(10, 2); ++i) {
            auto victim = spawn_monitor([&w] {
                for (;;) migrate(w);
            });
            sleep(100us);
            exit(victim.pid, reason::kill);
            w.equal(reason_of(victim.ref), reason::killed);
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(kill, while_waiting_for_room_in_a_mailbox) {
    const auto body = [](witness& w) {
        const pid full =
            spawn({.mailbox_bound = 1, .when_full = mailbox_policy::wait}, [] { receive<stop>(); });
        send(full, number{0});
        auto sender = spawn_monitor([full] { send(full, number{1}); });
        sleep(1ms);
        w.that(is_alive(sender.pid), "it waits for room");
        exit(sender.pid, reason::kill);
        w.equal(reason_of(sender.ref), reason::killed);
        exit(full, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}
