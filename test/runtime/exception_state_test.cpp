// The state of exceptions belongs to the process: it waits, migrates and comes back inside a catch block or a destructor,
// while others on the same threads throw and catch.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"
#include "support/migrate.hpp"

#include <exception>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

// Out of line: what these read belongs to the thread.
[[gnu::noinline]] int uncaught() {
    asm volatile("");
    return std::uncaught_exceptions();
}
[[gnu::noinline]] std::string current_text() {
    try {
        if (const auto current = std::current_exception()) std::rethrow_exception(current);
        return "none";
    } catch (const std::exception& e) {
        return e.what();
    }
}

/// Throws and catches, waiting in the handlers, for as long as it lives: what would be mixed up with others' exceptions.
void disturb() {
    for (int n = 0;; ++n) {
        try {
            throw std::runtime_error("disturbance");
        } catch (const std::runtime_error&) {
            yield();
            try {
                throw n;
            } catch (int) {
                receive([](stop) { exit(reason::normal); }, after(10us, [] {}));
            }
        }
    }
}

struct with_disturbance {
    explicit with_disturbance(int count) {
        for (int i = 0; i < count; ++i) all.push_back(spawn(disturb));
    }
    ~with_disturbance() {
        for (pid p : all) try_send(p, stop{});
    }
    with_disturbance(const with_disturbance&) = delete;
    with_disturbance& operator=(const with_disturbance&) = delete;
    std::vector<pid> all;
};

}  // namespace

TEST(exception_state, survives_a_wait_inside_a_catch_block) {
    const auto body = [](witness& w) {
        with_disturbance others(3);
        for (int i = 0; i < w.times(10, 2); ++i) {
            std::string text;
            try {
                try {
                    throw std::runtime_error("outer");
                } catch (const std::runtime_error& outer) {
                    migrate(w);
                    w.equal(std::string(outer.what()), "outer");
                    w.equal(current_text(), "outer");
                    try {
                        throw std::logic_error("inner");
                    } catch (const std::logic_error& inner) {
                        migrate(w);
                        w.equal(std::string(inner.what()), "inner");
                        w.equal(current_text(), "inner");
                    }
                    migrate(w);
                    w.equal(current_text(), "outer");
                    throw;
                }
            } catch (const std::exception& e) {
                text = e.what();
            }
            w.equal(text, "outer");
            w.equal(current_text(), "none");
            w.equal(uncaught(), 0);
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(exception_state, survives_a_wait_inside_a_destructor) {
    const auto body = [](witness& w) {
        with_disturbance others(3);
        struct waits_at_the_end {
            witness& w;
            int expected;
            ~waits_at_the_end() {
                w.equal(uncaught(), expected);
                migrate(w);
                w.equal(uncaught(), expected);
                try {
                    throw std::logic_error("in the destructor");
                } catch (const std::logic_error&) {
                    migrate(w);
                    w.equal(current_text(), "in the destructor");
                    w.equal(uncaught(), expected);
                }
            }
        };
        for (int i = 0; i < w.times(10, 2); ++i) {
            std::string text;
            try {
                waits_at_the_end first{w, 1};
                waits_at_the_end second{w, 1};
                throw std::runtime_error("unwinding");
            } catch (const std::runtime_error& e) {
                text = e.what();
                w.equal(uncaught(), 0);
                w.equal(current_text(), "unwinding");
            }
            w.equal(text, "unwinding");
            { waits_at_the_end plain{w, 0}; }
            w.equal(uncaught(), 0);
            w.equal(current_text(), "none");
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(exception_state, is_not_seen_by_others) {
    const auto body = [](witness& w) {
        // While one process waits in a handler or while unwinding, no other has an exception in flight.
        const pid main = self();
        struct waits {
            ~waits() { receive<go>(); }
        };
        auto in_handler = spawn_monitor([] {
            try {
                throw std::runtime_error("mine");
            } catch (const std::runtime_error&) {
                receive<go>();
                if (current_text() != "mine") exit("lost"_a);
            }
        });
        auto unwinding = spawn_monitor([] {
            try {
                waits w2;
                throw std::runtime_error("mine");
            } catch (const std::runtime_error&) {
                if (current_text() != "mine") exit("lost"_a);
            }
        });
        for (int i = 0; i < 5; ++i) {
            spawn([main] { send(main, std::make_pair(uncaught(), current_text())); });
            const auto seen = receive<std::pair<int, std::string>>();
            w.equal(seen.first, 0);
            w.equal(seen.second, "none");
            w.equal(uncaught(), 0);
            w.equal(current_text(), "none");
            yield();
        }
        send(in_handler.pid, go{});
        send(unwinding.pid, go{});
        w.equal(reason_of(in_handler.ref), reason::normal);
        w.equal(reason_of(unwinding.ref), reason::normal);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(exception_state, of_a_process_killed_in_a_handler_does_not_stay_behind) {
    const auto body = [](witness& w) {
        const pid main = self();
        for (int i = 0; i < w.times(50, 5); ++i) {
            auto victim = spawn_monitor([main] {
                try {
                    throw std::runtime_error("mine");
                } catch (const std::runtime_error&) {
                    send(main, go{});
                    receive<go>();
                }
            });
            receive<go>();
            exit(victim.pid, reason::kill);
            w.equal(reason_of(victim.ref), reason::killed);
            spawn([main] { send(main, std::make_pair(uncaught(), current_text())); });
            const auto seen = receive<std::pair<int, std::string>>();
            w.equal(seen.first, 0);
            w.equal(seen.second, "none");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(exception_state, is_kept_through_blocking) {
    const auto body = [](witness& w) {
        try {
            throw std::runtime_error("outer");
        } catch (const std::runtime_error&) {
            const int n = blocking([] {
                try {
                    throw 3;
                } catch (int three) {
                    return three;
                }
            });
            w.equal(n, 3);
            w.equal(current_text(), "outer");
            try {
                blocking([] { throw std::logic_error("from the pool"); });
            } catch (const std::logic_error& e) {
                w.equal(std::string(e.what()), "from the pool");
            }
            w.equal(current_text(), "outer");
        }
        w.equal(uncaught(), 0);
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(exception_state, self_is_itself_after_every_migration) {
    const auto body = [](witness& w) {
        const pid me = self();
        for (int i = 0; i < w.times(20, 2); ++i) {
            migrate(w);
            w.equal(self(), me);
            // What is sent, armed and named after a migration works as before.
            send_after(1us, me, number{i});
            w.equal(receive<number>().n, i);
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}
