// The catalogue's rows about calls, casts and other messages to a server.
#include "servers.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

// --- gs: calls -------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, gs_call) {
    const auto body = [] {
        auto s = start<dummy>(40).value();
        require_eq(call(s, dummy::add{2}), 42);
        const pid boss = self();
        for (int i = 0; i < 3; ++i) spawn([s, boss] { send(boss, call(s, dummy::later{})); });
        while (call(s, dummy::answer_all{}) == 0) yield();
        long sum = receive<long>();
        while (sum < 3 && call(s, dummy::answer_all{}) >= 0) {
            if (auto more = receive_for<long>(1ms)) sum += *more;
        }
        // By another process than the server.
        struct helped {
            struct ask {
                using reply = long;
            };
            void handle_call(ask, reply_to<long> client) {
                spawn([client = std::move(client)]() mutable { reply(std::move(client), 7); });
            }
        };
        auto h = start<helped>().value();
        require_eq(call(h, helped::ask{}), 7);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_call_no_late_reply) {
    const auto body = [] {
        auto s = start<dummy>().value();
        require_eq(call_failure([&] { call(s, dummy::later{}, 5ms); }), reason::timeout);
        require_eq(call(s, dummy::answer_all{}), 1);
        require_eq(call(s, dummy::get{}), 0);
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_call_noproc) {
    const auto body = [] {
        auto s = start<dummy>().value();
        stop(s);
        require_eq(call_failure([&] { call(s, dummy::get{}); }), reason::no_process);
        require_eq(call_failure([&] { call(the_dummy, dummy::get{}); }), reason::no_process);
        require_eq(call_failure([&] { call(server<dummy>(), dummy::get{}); }), reason::no_process);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

class asks_itself {
public:
    struct ask {
        using reply = bool;
    };
    struct answer {
        using reply = int;
    };
    bool handle_call(ask) {
        const auto got = try_call(self<asks_itself>(), answer{}, 1h);
        return !got && got.error().reason == exit_reason("calling_self"_a);
    }
    int handle_call(answer) { return 1; }
};

TEST(call, to_oneself_fails_at_once) {
    const auto body = [] {
        auto s = start<asks_itself>().value();
        require(call(s, asks_itself::ask{}));
        require_eq(call(s, asks_itself::answer{}), 1);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_call_server_dies) {
    const auto body = [] {
        for (exit_reason why : {reason::normal, reason::shutdown, exit_reason("shutdown"_a, "x"_a),
                                exit_reason("odd"_a)}) {
            auto s = start<dummy>().value();
            require_eq(call_failure([&] { call(s, dummy::die{why}, 1h); }), why);
            auto t = start<dummy>().value();
            require_eq(call_failure([&] { call(t, dummy::quit_silently{why}, 1h); }), why);
        }
        auto s = start<dummy>().value();
        const auto crash = call_failure([&] { call(s, dummy::crash{"bang"}, 1h); });
        require(crash.is_crash() && crash.what() == "bang");
        auto t = start<dummy>().value();
        const pid boss = self();
        spawn([t, boss] { send(boss, call_failure([&] { call(t, dummy::later{}, 1h); })); });
        while (call(t, dummy::answer_all{}) != 0) {
        }
        spawn([t] { exit(t, reason::kill); });
        const auto why = receive<exit_reason>();
        require(why == reason::killed || why == reason::no_process);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_call_catchable) {
    const auto body = [] {
        auto s = start<dummy>().value();
        try {
            call(s, dummy::die{"odd"_a});
            require(false);
        } catch (const call_failed& e) {
            require_eq(e.reason(), exit_reason("odd"_a));
            require_eq(e.server(), pid(s));
            require(e.request().find("die") != std::string::npos);
        }
        require_clean();
        // Uncaught, it is the reason the caller ends with.
        auto [p, ref] = spawn_monitor([s] { call(s, dummy::get{}); });
        require_eq(down_of(ref), reason::no_process);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_call_order) {
    const auto body = [] {
        auto s = start<dummy>().value();
        for (int i = 0; i < 100; ++i) {
            cast(s, dummy::set{i});
            require_eq(call(s, dummy::get{}), i);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// Answers to requests of its own, in the same places as dummy.
class stranger {
public:
    struct get {
        using reply = long;
    };
    struct set {
        long n;
    };
    long handle_call(get) { return -1; }
    void handle_cast(set) {}
};

// Whoever vouches for the wrong pid is told so, and the server is not harmed.
TEST(conformance_behaviours, gs_call_wrong_class) {
    log_keeper log;
    {
        runtime rt({.workers = 1, .deterministic = {.seed = 1}, .log = log.sink()});
        const auto body = [] {
            auto s = start<dummy>(3).value();
            const server<stranger> mistaken{pid(s)};
            require_eq(call_failure([&] { call(mistaken, stranger::get{}); }),
                       exit_reason("wrong_server"_a));
            cast(mistaken, stranger::set{5});
            require_eq(call(s, dummy::get{}), 3);
        };
        EXPECT_TRUE(holds_inside(rt, body));
    }
    EXPECT_EQ(log.count("wrong_server"), 2u);
}

TEST(conformance_behaviours, gs_call_huge_queue) {
    const auto body = [] {
        auto s = start<dummy>().value();
        // The least of many short spells: one in which the system did not run us says nothing.
        auto time_of = [&] {
            auto least = std::chrono::steady_clock::duration::max();
            for (int spell = 0; spell < 50; ++spell) {
                const auto begin = std::chrono::steady_clock::now();
                for (int i = 0; i < 200; ++i) call(s, dummy::get{});
                least = std::min(least, std::chrono::steady_clock::now() - begin);
            }
            return least;
        };
        const auto empty = time_of();
        for (int i = 0; i < 500'000; ++i) send(self(), i);
        const auto full = time_of();
        require(full < 10 * empty, "with 500,000 messages queued a call takes " +
                                       std::to_string(full / empty) + " times as long");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_cast) {
    const auto body = [] {
        auto s = start<dummy>().value();
        cast(s, dummy::set{9});
        require_eq(call(s, dummy::get{}), 9);
        const auto ref = monitor(s);
        cast(s, dummy::cast_quit{"enough"_a});
        require_eq(down_of(ref), exit_reason("enough"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_cast_nobody) {
    const auto body = [] {
        auto s = start<dummy>().value();
        stop(s);
        cast(s, dummy::set{1});
        cast(the_dummy, dummy::set{1});
        cast(server<dummy>(), dummy::set{1});
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

class watches {
public:
    struct watch {
        using reply = bool;
        pid whom;
        bool link;
    };
    struct seen {
        using reply = std::vector<std::string>;
    };
    using info = handles<std::string, down, exit_signal>;
    watches() { trap_exit(true); }
    bool handle_call(watch w) {
        if (w.link)
            link(w.whom);
        else
            monitor(w.whom);
        return true;
    }
    std::vector<std::string> handle_call(seen) { return seen_; }
    void handle_info(std::string s) { seen_.push_back(s); }
    void handle_info(down d) { seen_.push_back("down " + to_string(d.reason)); }
    void handle_info(exit_signal e) { seen_.push_back("exit " + to_string(e.reason)); }

private:
    std::vector<std::string> seen_;
};

TEST(conformance_behaviours, gs_info) {
    const auto body = [] {
        auto s = start<watches>().value();
        send(s, std::string("hello"));
        for (bool linked : {false, true}) {
            pid other = spawn([] {
                receive<atom>();
                exit("gone"_a);
            });
            call(s, watches::watch{other, linked});
            send(other, "go"_a);
            const std::size_t wanted = linked ? 3 : 2;
            while (call(s, watches::seen{}).size() < wanted) yield();
        }
        require_eq(call(s, watches::seen{}),
                   std::vector<std::string>{"hello", "down gone", "exit gone"});
        send(s, 3.14);  // nobody's: logged and dropped
        require_eq(call(s, watches::seen{}).size(), 3u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
