// Limits and options that cannot be right: a named error at the caller, and nothing lost or half-made.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/names.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

/// What the constructor of a runtime says of these options; empty if it takes them.
std::string complaint(options opts) {
    opts.log = [](const log_event&) {};
    try {
        runtime rt(std::move(opts));
    } catch (const bad_argument& e) {
        return e.what();
    }
    return {};
}

bool mentions(const std::string& text, std::string_view word) {
    return text.find(word) != std::string::npos;
}

/// Returns when `who` has taken its messages in.
void take_in(pid who) { (void)process_info(who); }

}  // namespace

TEST(options, that_cannot_be_right_are_named) {
    EXPECT_PRED2(mentions, complaint({.workers = 0}), "workers");
    EXPECT_PRED2(mentions, complaint({.workers = 1'000'000}), "workers");
    EXPECT_PRED2(mentions, complaint({.workers = 1, .stack_size = 1024}), "stack_size");
    EXPECT_PRED2(mentions, complaint({.workers = 1, .stack_size = std::size_t{1} << 40}),
                 "stack_size");
    EXPECT_PRED2(mentions, complaint({.workers = 1, .max_processes = std::size_t{1} << 30}),
                 "max_processes");
    EXPECT_PRED2(mentions, complaint({.workers = 4, .max_stack_memory = 4096}), "max_stack_memory");
    EXPECT_PRED2(mentions, complaint({.workers = 1, .blocking_threads = 0}), "blocking_threads");
    EXPECT_PRED2(mentions, complaint({.workers = 1, .shutdown_limit = -1s}), "shutdown_limit");
}

TEST(options, that_are_right_are_taken) {
    EXPECT_EQ(complaint({.workers = 1}), "");
    EXPECT_EQ(complaint({.workers = 2, .stack_size = 16 * 1024, .max_processes = 10}), "");
    EXPECT_EQ(complaint({.workers = 2, .shutdown_limit = 0s}), "");
    options opts{.workers = 3};
    opts.deterministic.seed = 1;
    EXPECT_EQ(complaint(std::move(opts)), "");
}

TEST(limits, too_many_processes_is_an_error_of_the_spawner) {
    for (std::size_t most : {2u, 10u, 100u, 1000u}) {
        const auto body = [most](witness& w) {
            const auto token = std::make_shared<const int>(1);
            std::vector<spawned> all;
            std::string limit;
            try {
                for (;;) all.push_back(spawn_monitor([](const auto&) { receive<stop>(); }, token));
            } catch (const limit_reached& e) {
                limit = e.limit();
            }
            w.equal(limit, "processes");
            // Slots wait in the caches of workers, so the limit may be felt a little early, and never late.
            w.that(all.size() < most, "not more than the limit");
            w.that(all.size() + 1 + 128 * w.workers() >= most, "about as many as the limit");
            w.equal(processes().size(), all.size() + 1);
            w.equal(token.use_count(), 1L + static_cast<long>(all.size()));
            // Nothing half-made: no name, no link, no monitor.
            int refused = 0;
            try {
                spawn({.name = "limits_name"}, [] {});
            } catch (const limit_reached&) {
                ++refused;
            }
            trap_exit(true);
            try {
                spawn_link([] {});
            } catch (const limit_reached&) {
                ++refused;
            }
            w.equal(refused, 2);
            w.that(!whereis("limits_name"_a));
            w.that(!receive_for<down>(0s));
            w.that(!receive_for<exit_signal>(0s));
            // And it goes on when there is room.
            for (const auto& s : all) send(s.pid, stop{});
            for (const auto& s : all) w.equal(reason_of(s.ref), reason::normal);
            for (const auto& s : all) await_gone(s.pid);
            w.equal(token.use_count(), 1L);
            for (std::size_t i = 0; i < 3 * most; ++i)
                w.equal(reason_of(spawn_monitor([] {}).ref), reason::normal);
        };
        EXPECT_TRUE(
            holds_everywhere(body, {.seeds = std::min<std::size_t>(5, seeds()),
                                    .adjust = [most](options& o) { o.max_processes = most; }}));
    }
}

TEST(limits, stack_memory_is_an_error_of_the_spawner) {
    const auto body = [](witness& w) {
        std::vector<spawned> all;
        std::string limit;
        try {
            for (int i = 0; i < 10'000; ++i) all.push_back(spawn_monitor([] { receive<stop>(); }));
        } catch (const limit_reached& e) {
            limit = e.limit();
        }
        w.that(!limit.empty(), "there is a limit, and it has a name");
        // Those that were started all find a stack when they wait.
        for (const auto& s : all) send(s.pid, stop{});
        for (const auto& s : all) w.equal(reason_of(s.ref), reason::normal);
        w.equal(reason_of(spawn_monitor([] {}).ref), reason::normal);
    };
    EXPECT_TRUE(holds_everywhere(
        body, {.seeds = std::min<std::size_t>(5, seeds()),
               .adjust = [](options& o) { o.max_stack_memory = std::size_t{200} * 64 * 1024; }}));
}

TEST(limits, guards_by_mprotect_run_out_of_mappings_and_stacks_do_not) {
    // As on a kernel without MADV_GUARD_INSTALL: more stacks at once than the system allows mappings for guards.
    const auto mappings = [] {
        std::ifstream maps("/proc/self/maps");
        return std::count(std::istreambuf_iterator<char>(maps), std::istreambuf_iterator<char>(),
                          '\n');
    };
    const std::size_t many = scaled(40'000);
    ASSERT_EQ(setenv("HEIRLOOM_STACK_GUARDS", "mprotect", 1), 0);
    const auto body = [&](witness& w) {
        // Half of them of another size, which is another region.
        std::vector<spawned> all;
        for (std::size_t i = 0; i < many; ++i)
            all.push_back(spawn_monitor({.stack_size = (i % 2 + 1) * 64 * 1024}, [] {
                while (receive(
                    [](ping p) {
                        send(p.from, pong{self()});
                        return true;
                    },
                    [](stop) { return false; })) {
                }
            }));
        std::size_t answers = 0;
        for (const auto& s : all) {
            send(s.pid, ping{self()});
            answers += receive([&](pong p) { return p.from == s.pid; }) ? 1 : 0;
        }
        w.equal(answers, many);
        w.that(mappings() < 60'000, "there is room for the mappings of others");
        for (const auto& s : all) send(s.pid, stop{});
        for (const auto& s : all) w.equal(reason_of(s.ref), reason::normal);
    };
    EXPECT_EQ(run_once(body, {.workers = 2, .seed = {}}), "");
    // What the first has given back, the next may use.
    EXPECT_EQ(run_once(body, {.workers = 2, .seed = {}}), "");
    unsetenv("HEIRLOOM_STACK_GUARDS");
}

TEST(limits, a_stack_of_its_own_size_is_as_large_as_asked_for) {
    const auto body = [](witness& w) {
        for (const std::size_t kib : {16u, 32u, 256u, 1024u, 8192u}) {
            const std::size_t bytes = kib * 1024;
            // Leaves a page for the guard and some for the library's own frames.
            auto deep = spawn_monitor({.stack_size = bytes}, [bytes] {
                struct frame {
                    static std::size_t use(std::size_t left) {
                        volatile char page[1024];
                        page[0] = 1;
                        if (left <= sizeof page + 256) return static_cast<std::size_t>(page[0]);
                        return use(left - sizeof page - 256) + static_cast<std::size_t>(page[0]);
                    }
                };
                const std::size_t usable =
                    under_asan || under_tsan ? bytes / 8 : bytes - 4096 - 4096;
                if (frame::use(usable) == 0) exit("impossible"_a);
                yield();
                if (frame::use(usable) == 0) exit("impossible"_a);
            });
            w.equal(reason_of(deep.ref), reason::normal);
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(limits, many_processes_with_stacks_of_their_own_size) {
    const auto body = [](witness& w) {
        for (int round = 0; round < 3; ++round) {
            std::vector<spawned> all;
            for (int i = 0; i < 200; ++i)
                all.push_back(spawn_monitor({.stack_size = std::size_t{16} * 1024 << (i % 4)},
                                            [] { receive<stop>(); }));
            for (const auto& s : all) send(s.pid, stop{});
            for (const auto& s : all) w.equal(reason_of(s.ref), reason::normal);
        }
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(limits, a_negative_time_is_named) {
    const auto body = [](witness& w) {
        std::string text;
        try {
            sleep(-5ms);
        } catch (const bad_argument& e) {
            text = e.what();
        }
        w.that(mentions(text, "sleep"), "the function");
        w.that(mentions(text, "negative"), "what is wrong");
        w.that(mentions(text, "5000000"), "the value");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(limits, a_taken_name_is_named) {
    const auto body = [](witness& w) {
        const pid holder = spawn({.name = "limits_taken"}, answer_pings);
        std::string text;
        try {
            spawn({.name = "limits_taken"}, [] {});
        } catch (const bad_argument& e) {
            text = e.what();
        }
        w.that(mentions(text, "limits_taken"), "the name");
        w.that(mentions(text, to_string(holder)), "and who has it");
        try {
            register_name("limits_taken"_a, self());
        } catch (const bad_argument& e) {
            text = e.what();
        }
        w.that(mentions(text, "limits_taken") && mentions(text, to_string(holder)));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(limits, an_unread_queue_is_worth_a_warning) {
    for (const bool deterministic : {false, true}) {
        captured_log log;
        pid hoarder;
        {
            options opts{.workers = 2, .queue_warning = 100};
            if (deterministic) opts.deterministic.seed = 3;
            opts.log = log.sink();
            runtime rt(std::move(opts));
            rt.run([&] {
                hoarder = spawn({.name = "the_hoarder"}, [] { receive<stop>(); });
                for (int i = 0; i < 90; ++i) send(hoarder, number{i});
                take_in(hoarder);
            });
            EXPECT_EQ(log.events().size(), 0u) << log.text();
            rt.run([&] {
                for (int i = 0; i < 200; ++i) send(hoarder, number{i});
                take_in(hoarder);
            });
        }
        EXPECT_NE(log.text().find("the_hoarder"), std::string::npos) << "it is named in a warning";
        EXPECT_LE(log.events().size(), 5u) << "not once a message";
    }
}

namespace {

void make_too_many_runtimes() {
    // One that cannot be made takes no place.
    for (int i = 0; i < 3; ++i) EXPECT_NE(complaint({.workers = 4, .max_stack_memory = 4096}), "");
    EXPECT_FALSE(try_send(pid(), 1));
    std::vector<std::unique_ptr<runtime>> all;
    std::string limit;
    try {
        for (int i = 0; i < 300; ++i) {
            options opts{.workers = 1, .max_processes = 10};
            opts.deterministic.seed = 1;
            opts.log = [](const log_event&) {};
            all.push_back(std::make_unique<runtime>(std::move(opts)));
        }
    } catch (const limit_reached& e) {
        limit = e.limit();
    }
    EXPECT_EQ(limit, "runtimes");
    EXPECT_EQ(all.size(), 256u);
    EXPECT_EQ(all.back()->run([] { return 7; }), 7);
    all.pop_back();
    options opts{.workers = 1};
    opts.log = [](const log_event&) {};
    EXPECT_EQ(runtime(std::move(opts)).run([] { return 8; }), 8);
    std::_Exit(testing::Test::HasFailure() ? 1 : 0);
}

}  // namespace

TEST(limits, too_many_runtimes_is_an_error) {
    // In a program of its own: cases before this one leave runtimes behind on purpose.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(make_too_many_runtimes(), testing::ExitedWithCode(0), "");
}
