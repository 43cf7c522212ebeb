// The catalogue's rows about what a server does between two messages, and about its end.
#include "servers.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

// --- gs: idle timeout, continue ----------------------------------------------------------------------------------

TEST(conformance_behaviours, gs_idle_timeout) {
    const auto body = [] {
        auto s = start<dummy>().value();
        call(s, dummy::idle{50ms});
        sleep(10ms);
        call(s, dummy::get{});  // cancels it
        sleep(100ms);
        require(call(s, dummy::seen{}).empty(), "a message did not cancel it");
        call(s, dummy::idle{20ms});
        sleep(100ms);
        require_eq(call(s, dummy::seen{}), std::vector<std::string>{"idle"});
        sleep(50ms);
        require_eq(call(s, dummy::seen{}).size(), 1u);  // not asked for again
        // Casts and messages cancel it as well; requests of sys.hpp do not.
        call(s, dummy::idle{20ms});
        cast(s, dummy::set{1});
        sleep(100ms);
        call(s, dummy::idle{20ms});
        send(s, 1);
        sleep(100ms);
        require_eq(call(s, dummy::seen{}).size(), 1u);
        call(s, dummy::idle{20ms});
        sleep(10ms);
        (void)sys::get_status(s);
        sleep(15ms);
        require_eq(call(s, dummy::seen{}).size(), 2u);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

// A message that is in the mailbox before it takes a timeout back that has passed already.
TEST(conformance_behaviours, gs_idle_timeout_overtaken) {
    const auto body = [] {
        auto s = start<dummy>().value();
        call(s, dummy::idle{10ms});
        suspend(s);
        send(s, dummy::note{"note"});
        sleep(50ms);
        resume(s);
        require_eq(call(s, dummy::seen{}), std::vector<std::string>{"note"});
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

// Asks for it while a note is in its mailbox.
struct zero {
    struct go {
        using reply = bool;
    };
    struct seen {
        using reply = std::vector<std::string>;
    };
    using info = handles<dummy::note, idle_timeout>;
    bool handle_call(go) {
        send(heirloom::self(), dummy::note{"queued"});
        set_idle_timeout(0s);
        return true;
    }
    std::vector<std::string> handle_call(seen) { return log; }
    void handle_info(dummy::note n) { log.push_back(n.text); }
    void handle_info(idle_timeout) { log.push_back("idle"); }
    std::vector<std::string> log;
};

TEST(conformance_behaviours, gs_idle_timeout_zero) {
    const auto body = [] {
        auto s = start<dummy>().value();
        // With something queued it does not fire.
        auto z = start<zero>().value();
        call(z, zero::go{});
        require_eq(call(z, zero::seen{}), std::vector<std::string>{"queued"});
        call(s, dummy::idle{0s});
        while (call(s, dummy::seen{}).empty()) call(s, dummy::idle{0s});
        require_eq(call(s, dummy::seen{}).front(), "idle");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

class continues {
public:
    struct from_call {
        using reply = int;
    };
    struct from_late_call {
        using reply = int;
    };
    struct from_cast {};
    struct chain {
        using reply = int;
    };
    struct chain_stop {
        using reply = int;
    };
    struct seen {
        using reply = std::vector<std::string>;
    };
    struct info_message {};
    using info = handles<info_message, dummy::note>;
    continues() { go("init"); }
    int handle_call(from_call) { return go("call"), 1; }
    void handle_call(from_late_call, reply_to<int> client) {
        reply(std::move(client), 2);
        go("late");
    }
    void handle_cast(from_cast) { go("cast"); }
    void handle_info(info_message) { go("info"); }
    void handle_info(dummy::note n) { log_.push_back(n.text); }
    int handle_call(chain) {
        send(self(), dummy::note{"queued"});
        continue_with([this] {
            log_.push_back("one");
            continue_with([this] { log_.push_back("two"); });
        });
        return 3;
    }
    int handle_call(chain_stop) {
        continue_with([] { continue_with([] { stop("chained"_a); }); });
        return 4;
    }
    std::vector<std::string> handle_call(seen) { return std::exchange(log_, {}); }

private:
    void go(std::string where) {
        send(self(), dummy::note{"queued before " + where});
        continue_with([this, where] { log_.push_back(where); });
    }
    std::vector<std::string> log_;
};

TEST(conformance_behaviours, gs_continue) {
    const auto body = [] {
        using list = std::vector<std::string>;
        auto s = start<continues>().value();
        require_eq(call(s, continues::seen{}), list{"init", "queued before init"});
        call(s, continues::from_call{});
        require_eq(call(s, continues::seen{}), list{"call", "queued before call"});
        call(s, continues::from_late_call{});
        require_eq(call(s, continues::seen{}), list{"late", "queued before late"});
        // The note is queued when the callback runs, which may be after our next question.
        auto two_seen = [&] {
            list all;
            while (all.size() < 2)
                for (auto& text : call(s, continues::seen{})) all.push_back(text);
            return all;
        };
        cast(s, continues::from_cast{});
        require_eq(two_seen(), list{"cast", "queued before cast"});
        send(s, continues::info_message{});
        require_eq(two_seen(), list{"info", "queued before info"});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_continue_chain) {
    const auto body = [] {
        auto s = start<continues>().value();
        (void)call(s, continues::seen{});
        require_eq(call(s, continues::chain{}), 3);
        require_eq(call(s, continues::seen{}), std::vector<std::string>{"one", "two", "queued"});
        const auto ref = monitor(s);
        require_eq(call(s, continues::chain_stop{}), 4);
        require_eq(down_of(ref), exit_reason("chained"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_throw_is_return) {
    const auto body = [] {
        // Here a throw is a crash, whatever is thrown: a C++ handler returns by returning. See DESIGN.md.
        struct thrower {
            struct ask {
                using reply = int;
            };
            int handle_call(ask) { throw 7; }
        };
        auto s = start<thrower>().value();
        require(call_failure([&] { call(s, thrower::ask{}); }).is_crash());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_hibernate_after) {
    const auto body = [] {
        // At once, not after a time: between two messages a server has no stack. See DESIGN.md.
        auto s = start<dummy>().value();
        for (int i = 0; i < 3; ++i) {
            call(s, dummy::get{});
            require_eq(process_info(s)->stack_size, 0u);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// --- gs: the end ------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, gs_stop_return) {
    const auto body = [] {
        auto s = start<told>(self(), false).value();
        const auto ref = monitor(s);
        require(call(s, told::stop_with{"done"_a}));  // what the callback returns is still answered
        require_eq(next_told(), "terminate done");
        require_eq(next_told(), "destroyed");
        require_eq(down_of(ref), exit_reason("done"_a));
        require(nothing_queued(), "terminate ran twice");
        auto t = start<dummy>().value();
        require_eq(call_failure([&] { call(t, dummy::quit_silently{"quiet"_a}); }),
                   exit_reason("quiet"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_terminate_on_crash) {
    const auto body = [] {
        auto s = start<told>(self(), false).value();
        const auto why = call_failure([&] { call(s, told::crash{}); });
        require(why.is_crash() && why.what() == "crashed");
        require_eq(next_told(), "terminate " + to_string(why));
        require_eq(next_told(), "destroyed");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_terminate_crash) {
    const auto body = [] {
        auto s = start_monitor<told>(self(), false, true).value();
        call(s.server, told::stop_with{"stopped"_a});
        require_eq(down_of(s.ref), exit_reason("terminate_failed"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_terminate_optional) {
    const auto body = [] {
        auto s = start_monitor<dummy>().value();
        call(s.server, dummy::quit{"plain"_a});
        require_eq(down_of(s.ref), exit_reason("plain"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_parent_exit) {
    const auto body = [] {
        const pid boss = self();
        for (exit_reason why : {reason::normal, reason::shutdown, exit_reason("odd"_a)}) {
            auto [parent, ref] = spawn_monitor([boss, why] {
                auto s = start_link<told>(boss, true).value();
                send(boss, s);
                receive<atom>();
                exit(why);
            });
            auto s = receive<server<told>>();
            const auto watch = monitor(s);
            send(parent, "go"_a);
            require_eq(next_told(), "terminate " + to_string(why));
            require_eq(next_told(), "destroyed");
            require_eq(down_of(watch), why);
            down_of(ref);
        }
        // From anyone else it is handle_info: this one has none, so it logs it and lives.
        auto s = start<told>(self(), true).value();
        exit(s, "stranger"_a);
        require(call(s, told::stay{}));
        stop(s);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_parent_exit_nontrapping) {
    const auto body = [] {
        auto s = start_monitor<told>(self(), false).value();
        exit(s.server, "odd"_a);
        require_eq(down_of(s.ref), exit_reason("odd"_a));
        require_eq(next_told(), "destroyed");  // no terminate before it
        auto t = start_monitor<told>(self(), true).value();
        exit(t.server, reason::kill);
        require_eq(down_of(t.ref), reason::killed);
        require_eq(next_told(), "destroyed");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_no_report_reasons) {
    for (unsigned workers : {1u, 2u, 4u}) {
        log_keeper log;
        {
            runtime rt({.workers = workers, .log = log.sink()});
            rt.invoke([] {
                for (exit_reason why :
                     {reason::normal, reason::shutdown, exit_reason("shutdown"_a, "x"_a)})
                    call(start<dummy>().value(), dummy::quit{why});
                auto bad = start<dummy>().value();
                (void)try_call(bad, dummy::quit_silently{"bad"_a});
            });
            EXPECT_TRUE(log.wait_for("crash", "bad"));
        }
        EXPECT_EQ(log.count("server_terminated"), 1u);
        EXPECT_EQ(log.count("crash"), 1u);
        for (const auto& e : log.events())
            if (e.event == "server_terminated") {
                EXPECT_NE(e.text.find("quit"), std::string::npos)
                    << "does not name the last message: " << e.text;
                EXPECT_NE(e.text.find("dummy"), std::string::npos) << e.text;
            }
    }
}

TEST(conformance_behaviours, gs_crash_names_the_last_message) {
    for (unsigned workers : {1u, 2u, 4u}) {
        std::string last;  // written by the log's thread, read when it has ended
        {
            options opts{.workers = workers};
            opts.log = [&last](const log_event& e) {
                if (e.event != "crash") return;
                for (const auto& [name, value] : e.fields) {
                    if (name == "last_message") last = value;
                }
            };
            runtime rt(std::move(opts));
            rt.invoke([] { call(start<dummy>().value(), dummy::quit{"bad"_a}); });
        }
        EXPECT_NE(last.find("quit"), std::string::npos) << last;
    }
}

// The server report says whose request it was.
TEST(conformance_behaviours, gs_no_report_reasons_client) {
    log_keeper log;
    std::string client, answered;
    {
        runtime rt({.workers = 1, .deterministic = {.seed = 1}, .log = log.sink()});
        const auto body = [&] {
            client = to_string(self());
            (void)try_call(start<dummy>().value(), dummy::crash{"mine"});
            // Whoever waits for an answer of another kind is not who asked for this.
            auto s = start<dummy>().value();
            auto waiting = send_request(s, dummy::later{});
            auto other = async_nolink([s] { return call(s, dummy::later{}); });
            while (call(s, dummy::get{}),
                   !heirloom::yield(other, 1ms) && process_info(s)->message_queue_len) {
            }
            answered = to_string(pid(s));
            cast(s, dummy::cast_crash{});
            (void)receive_response(waiting);
            (void)heirloom::yield(other, 5s);
        };
        EXPECT_TRUE(holds_inside(rt, body));
    }
    for (const auto& e : log.events()) {
        if (e.event != "server_terminated") continue;
        const bool by_call = e.text.find(answered) == std::string::npos;
        EXPECT_EQ(e.text.find("dummy::crash from " + client) != std::string::npos, by_call)
            << e.text;
        EXPECT_EQ(e.text.find(" from <") != std::string::npos, by_call) << e.text;
    }
    EXPECT_EQ(log.count("server_terminated"), 2u);
}

TEST(conformance_behaviours, gs_stop) {
    const auto body = [] {
        auto s = start<told>(self(), false).value();
        stop(s, "odd"_a, 5s);
        require_eq(next_told(), "terminate odd");
        require_eq(next_told(), "destroyed");
        auto named = start(the_dummy).value();
        stop(the_dummy, reason::shutdown, 5s);
        require(!is_alive(named));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
