// Exceptions from the user's own code in places where the library calls it: constructors of messages, destructors, the log
// sink. (Throwing destructors of messages and arguments do not compile; see compile_fail.)
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

/// A message whose copies and moves count down to an exception. Alive objects are counted through `token`.
struct fragile {
    std::shared_ptr<const int> token;
    std::shared_ptr<int> moves_left;
    fragile(std::shared_ptr<const int> t, int moves)
        : token(std::move(t)), moves_left(std::make_shared<int>(moves)) {}
    fragile(const fragile& other) : token(other.token), moves_left(other.moves_left) { count(); }
    fragile(fragile&& other) noexcept(false) : token(other.token), moves_left(other.moves_left) {
        count();
    }
    void count() {
        if ((*moves_left)-- == 0) throw std::runtime_error("moved once too often");
    }
};

}  // namespace

TEST(user_exception, from_the_move_of_a_message_is_the_senders) {
    const auto body = [](witness& w) {
        const auto token = std::make_shared<const int>(1);
        int thrown = 0;
        try {
            send(self(), fragile(token, 0));
        } catch (const std::runtime_error&) {
            ++thrown;
        }
        try {
            try_send(self(), fragile(token, 0));
        } catch (const std::runtime_error&) {
            ++thrown;
        }
        try {
            send_after(1us, self(), fragile(token, 0));
        } catch (const std::runtime_error&) {
            ++thrown;
        }
        w.equal(thrown, 3);
        w.that(!receive_for<fragile>(w.a_while()), "nothing was sent");
        w.equal(token.use_count(), 1L);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(user_exception, from_the_move_of_a_message_gives_its_block_back) {
    const auto body = [](witness& w) {
        constexpr std::size_t bytes = sizeof(detail::typed_message<fragile>);
        const auto token = std::make_shared<const int>(1);
        // Nothing here switches, and a thread's list gives out first what came in last.
        void* const next = detail::allocate_block(bytes);
        detail::free_block(next, bytes);
        bool thrown = false;
        try {
            (void)detail::new_user_message<fragile>(fragile(token, 0));
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        void* const now = detail::allocate_block(bytes);
        detail::free_block(now, bytes);
        w.that(thrown);
        // With a sanitizer every block is an allocation of its own, and a lost one is a leak that it reports.
        if (!detail::under_asan && !detail::under_tsan) w.that(now == next, "the block is back");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(user_exception, from_the_move_into_a_handler_leaves_the_receive) {
    const auto body = [](witness& w) {
        const auto token = std::make_shared<const int>(1);
        send(self(), number{1});
        send(self(), fragile(token, 1));
        send(self(), number{2});
        bool thrown = false;
        try {
            receive([](fragile) {});
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        w.that(thrown);
        w.equal(token.use_count(), 1L);  // consumed, whatever the handler did
        w.equal(receive<number>().n, 1);
        w.equal(receive<number>().n, 2);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(user_exception, from_the_arguments_of_spawn_is_the_spawners) {
    const auto body = [](witness& w) {
        const auto token = std::make_shared<const int>(1);
        const auto before = processes().size();
        bool thrown = false;
        try {
            spawn([](const fragile&) {}, fragile(token, 0));
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        w.that(thrown);
        w.equal(processes().size(), before);
        w.equal(token.use_count(), 1L);
        // Thrown on entry, it is the process's own.
        const auto why = reason_of(spawn_monitor([](fragile) {}, fragile(token, 1)).ref);
        w.equal(why.what(), std::string_view("moved once too often"));
        w.equal(token.use_count(), 1L);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(user_exception, from_a_destructor_of_a_local_ends_that_process_alone) {
    const auto body = [](witness& w) {
        struct bad {
            ~bad() noexcept(false) { throw std::runtime_error("from a destructor"); }
        };
        const auto why = reason_of(spawn_monitor([] { bad b; }).ref);
        w.that(why.is_crash());
        w.equal(why.what(), std::string_view("from a destructor"));
        sync_with(spawn(answer_pings));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(user_exception, from_the_log_sink_is_counted_and_otherwise_ignored) {
    for (const bool deterministic : {false, true}) {
        std::atomic<int> called{0}, failed_reports{0};
        options opts{.workers = 2};
        if (deterministic) opts.deterministic.seed = 5;
        opts.log = [&](const log_event& event) {
            ++called;
            if (event.event == "log_failed") ++failed_reports;
            throw std::runtime_error("no disk");  // also when it is told that it has failed
        };
        {
            runtime rt(opts);
            const int code = rt.run([] {
                for (int i = 0; i < 10; ++i)
                    (void)reason_of(spawn_monitor([] { throw std::runtime_error("crash"); }).ref);
            });
            EXPECT_EQ(code, 0);
        }
        EXPECT_GE(called, 10);
        EXPECT_GE(failed_reports, 1) << (deterministic ? "deterministic" : "threads");
    }
}

TEST(user_exception, in_a_noexcept_function_that_waits_is_a_report) {
    // A kill cannot leave a noexcept function: the program ends, and says which process and why.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            options opts{.workers = 1};
            runtime rt(std::move(opts));
            rt.run([] {
                auto victim = spawn_monitor({.name = "the_noexcept_one"}, [boss = self()] {
                    const auto waits = []() noexcept { receive<stop>(); };
                    send(boss, go{});
                    waits();
                });
                receive<go>();
                exit(victim.pid, reason::kill);
                (void)reason_of(victim.ref);
            });
        },
        "the_noexcept_one");
}
