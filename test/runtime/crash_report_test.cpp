// What is said of a process that crashes (R16): who, why, where it was thrown, what it had not read.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"
#include "support/migrate.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <heirloom/blocking.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

// With external linkage, so that the symbol table has them.
namespace heirloom::test {

[[gnu::noinline]] void throws_here(int n) {
    asm volatile("" : "+r"(n));
    throw std::runtime_error("number " + std::to_string(n));
}
[[gnu::noinline]] void calls_what_throws(int n) {
    throws_here(n);
    asm volatile("");  // no tail call
}

}  // namespace heirloom::test

namespace {

/// Whether one of the return addresses lies in a function, which is one that this program exports.
bool passes_through(const std::vector<void*>& stack, void (*function)(int)) {
    return std::any_of(stack.begin(), stack.end(), [&](void* address) {
        Dl_info found;
        return ::dladdr(static_cast<char*>(address) - 1, &found) != 0 &&
               found.dli_saddr == reinterpret_cast<void*>(function);
    });
}

options logged(const setting& how, captured_log& log) {
    options opts{.workers = how.workers};
    opts.deterministic.seed = how.seed;
    opts.log = log.sink();
    return opts;
}

/// What `body` logs in a runtime of this kind.
captured_log log_of(const setting& how, const std::function<void()>& body) {
    captured_log log;
    runtime(logged(how, log)).run(body);
    return log;
}

/// The one crash that was logged, once the sink has it.
log_event the_crash(const std::function<void()>& body, const setting& how,
                    const spawn_options& spawned_with = {}) {
    const auto log = log_of(how, [&] {
        auto crasher = spawn_monitor(spawned_with, [&body] { body(); });
        for (int i = 1; i <= 3; ++i) send(crasher.pid, number{i});
        send(crasher.pid, std::string("the last one"));
        send(crasher.pid, go{});
        (void)reason_of(crasher.ref);
    });
    const auto crashes = log.events("crash");
    EXPECT_EQ(crashes.size(), 1u) << how.text() << "\n" << log.text();
    return crashes.empty() ? log_event{} : crashes.front();
}

const setting settings[] = {{1, {}}, {2, {}}, {3, 11}};

void crashes_when_told() {
    receive<go>();
    calls_what_throws(7);
}

}  // namespace

TEST(crash_report, says_who_and_why) {
    for (const auto& how : settings) {
        const auto e = the_crash(crashes_when_told, how, {.name = "the_crasher"});
        EXPECT_EQ(e.level, log_level::error);
        EXPECT_TRUE(e.about);
        EXPECT_EQ(field(e, "exception"), "std::runtime_error");
        EXPECT_EQ(field(e, "what"), "number 7");
        EXPECT_EQ(field(e, "name"), "the_crasher");
        EXPECT_NE(field(e, "entry"), "");
        EXPECT_NE(field(e, "parent"), "");
        EXPECT_NE(field(e, "parent"), to_string(pid()));
        EXPECT_EQ(field(e, "message_queue_len"), "4");
        EXPECT_NE(field(e, "messages").find("number; "), std::string::npos);
        EXPECT_NE(field(e, "messages").find("the last one"), std::string::npos);
        EXPECT_NE(e.text.find("the_crasher"), std::string::npos);
        EXPECT_NE(e.text.find("number 7"), std::string::npos);
        EXPECT_NE(e.text.find(to_string(e.about)), std::string::npos);
    }
}

namespace {

/// Its value is told by a number, and by text that a move takes away.
struct labelled {
    int n = 0;
    std::string label = "intact";
    friend std::ostream& operator<<(std::ostream& out, const labelled& l) {
        return out << "number " << l.n << ", " << l.label;
    }
};
struct waits_when_printed {
    friend std::ostream& operator<<(std::ostream& out, const waits_when_printed&) {
        receive<labelled>();
        return out << "printed";
    }
};
struct plain_value {
    int n = 0;
    friend std::ostream& operator<<(std::ostream& out, plain_value v) { return out << v.n; }
};

/// What the report of `body`'s crash says that it handled last; it has been told to go on.
std::string last_message(const setting& how, const std::function<void()>& body) {
    const auto crashes = [&body] {
        receive<go>();
        body();
    };
    return field(the_crash(crashes, how), "last_message");
}
bool ends_with(const std::string& text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

TEST(crash_report, shows_what_the_throwing_handler_was_lent) {
    for (const auto& how : settings) {
        const auto text = last_message(how, [] {
            send(self(), labelled{7});
            receive([](const labelled&) { throws_here(1); });
        });
        EXPECT_TRUE(ends_with(text, "labelled number 7, intact")) << how.text() << ": " << text;
        // Whatever the handler returns, and from whatever depth it was left.
        const auto of_a_value = last_message(how, [] {
            send(self(), labelled{8});
            const std::string never = receive([](const labelled&) -> std::string {
                yield();
                throws_here(1);
                return "never";
            });
            send(self(), never);
        });
        EXPECT_TRUE(ends_with(of_a_value, "number 8, intact")) << how.text() << ": " << of_a_value;
        const auto of_an_exit = last_message(how, [] {
            send(self(), labelled{9});
            receive([](const labelled&) { exit("odd"_a); });
        });
        EXPECT_TRUE(ends_with(of_an_exit, "number 9, intact")) << how.text() << ": " << of_an_exit;
    }
}

TEST(crash_report, names_what_has_been_moved_into_the_handler) {
    for (const auto& how : settings) {
        const auto moved = last_message(how, [] {
            send(self(), labelled{7});
            receive([](labelled) { throws_here(1); });
        });
        EXPECT_TRUE(ends_with(moved, "labelled")) << how.text() << ": " << moved;
        // A copy is as good as the value.
        const auto copied = last_message(how, [] {
            send(self(), plain_value{7});
            receive([](plain_value) { throws_here(1); });
        });
        EXPECT_TRUE(ends_with(copied, "plain_value 7")) << how.text() << ": " << copied;
    }
}

TEST(crash_report, shows_the_innermost_message_of_the_exception_that_escaped) {
    for (const auto& how : settings) {
        const auto text = last_message(how, [] {
            send(self(), plain_value{1});
            send(self(), labelled{2});
            send(self(), plain_value{3});
            receive([](plain_value) {
                try {
                    receive([](const labelled&) { throws_here(1); });
                } catch (const std::runtime_error&) {  // was not the end
                }
                receive([](plain_value) { throws_here(1); });
            });
        });
        EXPECT_TRUE(ends_with(text, "plain_value 3")) << how.text() << ": " << text;
    }
}

// What was received is the process's own: nobody knows where it is, or whether it still has its value.
TEST(crash_report, names_the_type_of_what_was_received_last) {
    for (const auto& how : settings) {
        EXPECT_TRUE(ends_with(last_message(how, [] { throws_here(1); }), "go")) << how.text();
        const auto taken = last_message(how, [] {
            send(self(), labelled{1});
            send(self(), plain_value{2});
            (void)receive<labelled>();
            const auto value = receive<plain_value>();
            throws_here(value.n);
        });
        EXPECT_TRUE(ends_with(taken, "plain_value")) << how.text() << ": " << taken;
        // Also when its handler has returned.
        const auto handled = last_message(how, [] {
            send(self(), plain_value{1});
            receive([](plain_value) {});
            throws_here(1);
        });
        EXPECT_TRUE(ends_with(handled, "plain_value")) << how.text() << ": " << handled;
        // One that nobody has taken is not what it had last.
        const auto left = last_message(how, [] {
            send(self(), labelled{1});
            send(self(), plain_value{2});
            (void)receive<labelled>();
            throws_here(1);
        });
        EXPECT_TRUE(ends_with(left, "labelled")) << how.text() << ": " << left;
    }
    const auto nothing = the_crash([] { throws_here(1); }, settings[0]);
    EXPECT_EQ(field(nothing, "last_message"), "");
}

TEST(crash_report, survives_a_message_that_cannot_be_printed) {
    for (const auto& how : settings) {
        const auto text = last_message(how, [] {
            send(self(), waits_when_printed{});
            receive([](const waits_when_printed&) { throws_here(1); });
        });
        EXPECT_TRUE(ends_with(text, "waits_when_printed")) << how.text() << ": " << text;
    }
}

TEST(crash_report, stack_holds_the_throwing_function_and_its_caller) {
    for (const auto& how : settings) {
        const auto e = the_crash(crashes_when_told, how);
        EXPECT_TRUE(passes_through(e.stack, &throws_here)) << how.text();
        EXPECT_TRUE(passes_through(e.stack, &calls_what_throws)) << how.text();
        ASSERT_FALSE(e.stack.empty());
        // Innermost first, and no frame of the unwinder before it.
        EXPECT_TRUE(passes_through({e.stack.front()}, &throws_here)) << symbolise(e.stack).front();
    }
}

TEST(crash_report, stack_is_symbolised) {
    const auto e = the_crash(crashes_when_told, settings[0]);
    const auto lines = symbolise(e.stack);
    EXPECT_EQ(lines.size(), e.stack.size());
    const auto mentions = [&](std::string_view name) {
        return std::any_of(lines.begin(), lines.end(),
                           [&](const std::string& l) { return l.find(name) != std::string::npos; });
    };
    EXPECT_TRUE(mentions("throws_here"));
    EXPECT_TRUE(mentions("calls_what_throws"));
}

TEST(crash_report, stack_is_that_of_the_exception_that_escaped) {
    for (const auto& how : settings) {
        const auto e = the_crash(
            [] {
                receive<go>();
                // Caught ones, before and in between, leave no trace.
                try {
                    calls_what_throws(1);
                } catch (const std::runtime_error&) {
                }
                yield();
                throw std::logic_error("another");
            },
            how);
        EXPECT_EQ(field(e, "what"), "another");
        EXPECT_FALSE(e.stack.empty());
        EXPECT_FALSE(passes_through(e.stack, &throws_here));
    }
}

TEST(crash_report, stack_of_a_rethrown_exception_is_where_it_left_last) {
    for (const auto& how : settings) {
        const auto e = the_crash(
            [] {
                receive<go>();
                try {
                    calls_what_throws(1);
                } catch (const std::runtime_error&) {
                    yield();
                    throw;
                }
            },
            how);
        EXPECT_EQ(field(e, "what"), "number 1");
        EXPECT_FALSE(e.stack.empty());
    }
}

TEST(crash_report, stack_survives_a_wait_in_a_destructor) {
    // Unwinding passes a destructor that waits while others crash: the stack is still ours.
    for (const auto& how : settings) {
        const auto log = log_of(how, [] {
            (void)reason_of(spawn_monitor([] {
                                struct crashes_others {
                                    ~crashes_others() {
                                        for (int i = 0; i < 3; ++i)
                                            (void)reason_of(spawn_monitor([] { throw 42; }).ref);
                                    }
                                } c;
                                calls_what_throws(7);
                            }).ref);
        });
        bool found = false;
        for (const auto& e : log.events("crash"))
            if (field(e, "what") == "number 7") {
                found = true;
                EXPECT_TRUE(passes_through(e.stack, &throws_here)) << how.text();
            }
        EXPECT_TRUE(found) << how.text();
    }
}

TEST(crash_report, stack_of_an_exception_from_blocking_is_the_throwing_one) {
    for (const auto& how : {settings[0], settings[1]}) {
        const auto e = the_crash(
            [] {
                receive<go>();
                blocking([] { calls_what_throws(7); });
            },
            how);
        EXPECT_EQ(field(e, "what"), "number 7");
        EXPECT_TRUE(passes_through(e.stack, &throws_here)) << how.text();
    }
}

TEST(crash_report, comes_only_for_what_is_somebodys_fault) {
    for (const auto& how : settings) {
        const auto log = log_of(how, [] {
            (void)reason_of(spawn_monitor([] {}).ref);
            (void)reason_of(spawn_monitor([] { exit(reason::shutdown); }).ref);
            (void)reason_of(spawn_monitor([] { exit(exit_reason("shutdown"_a, "x"_a)); }).ref);
            (void)reason_of(spawn_monitor([] { exit(reason::normal); }).ref);
        });
        EXPECT_EQ(log.events("crash").size(), 0u) << log.text();
    }
}

TEST(crash_report, of_the_main_process_comes_before_run_returns) {
    for (const auto& how : settings) {
        captured_log log;
        runtime rt(logged(how, log));
        EXPECT_EQ(rt.run([] { calls_what_throws(7); }), 1);
        EXPECT_EQ(log.events("crash").size(), 1u);
        try {
            rt.run([]() -> std::string { throw std::runtime_error("no string"); });
            ADD_FAILURE() << "run must throw";
        } catch (const main_process_failed& e) {
            EXPECT_EQ(e.reason().what(), "no string");
        }
        EXPECT_EQ(rt.run([] { return 42; }), 42);
        EXPECT_EQ(rt.run([] { return std::string("text"); }), "text");
    }
}

TEST(crash_report, tells_that_a_signal_ended_the_main_process) {
    // Nobody supervises it, and an int is all that its caller hears.
    for (const auto& how : settings) {
        captured_log log;
        runtime rt(logged(how, log));
        const auto ended_by = [&](const exit_reason& why) {
            return rt.run([why] {
                spawn([main = self(), why] { exit(main, why); });
                receive<stop>();
            });
        };
        EXPECT_EQ(ended_by(reason::kill), 1);
        EXPECT_EQ(log.events("main_process_ended").size(), 1u) << how.text() << log.text();
        EXPECT_EQ(ended_by("odd"_a), 1);
        const auto told = log.events("main_process_ended");
        ASSERT_EQ(told.size(), 2u) << how.text() << log.text();
        EXPECT_EQ(field(told[0], "reason"), to_string(exit_reason(reason::killed)));
        EXPECT_EQ(field(told[1], "reason"), to_string(exit_reason("odd"_a)));
        EXPECT_EQ(told[1].level, log_level::error);
        // An orderly end is nobody's fault, and other processes have who tells of them.
        EXPECT_EQ(ended_by(reason::shutdown), 1);
        rt.run([] {
            auto victim = spawn_monitor([] { receive<stop>(); });
            exit(victim.pid, reason::kill);
            (void)reason_of(victim.ref);
        });
        EXPECT_EQ(log.events("main_process_ended").size(), 2u) << how.text() << log.text();
        EXPECT_EQ(log.events("crash").size(), 0u) << how.text() << log.text();
    }
}

TEST(log, drops_what_is_too_much_and_says_how_much) {
    std::atomic<bool> open{false};
    std::atomic<long> events{0}, dropped_reports{0};
    {
        options opts{.workers = 2};
        opts.log = [&](const log_event& e) {
            while (!open) std::this_thread::yield();
            if (e.event == "flood") ++events;
            if (e.event == "log_dropped") ++dropped_reports;
        };
        runtime rt(std::move(opts));
        rt.invoke([&] {
            for (int i = 0; i < 30'000; ++i)
                heirloom::log({.event = "flood", .text = "x"});  // never waits
            open = true;
        });
    }
    EXPECT_GE(events, 1'000);
    EXPECT_LT(events, 30'000);
    EXPECT_GE(dropped_reports, 1);
}
