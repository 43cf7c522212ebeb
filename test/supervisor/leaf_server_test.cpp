// Leaf servers (rule R17): run by whoever calls them, and in every other respect like any server.
#include "servers.hpp"

#include <string>
#include <vector>

namespace heirloom::test {
namespace {

class quick {
public:
    static constexpr bool leaf = true;
    struct next {
        using reply = long;
    };
    struct who {
        using reply = pid;
    };
    struct nothing {
        using reply = void;
    };
    struct crash {
        using reply = long;
    };
    struct leave {
        using reply = long;
        exit_reason why;
    };
    struct quit {
        using reply = long;
    };
    struct wait {
        using reply = long;
    };
    struct compute {
        using reply = long;
        duration how_long;
    };
    struct stop_and_crash {
        using reply = long;
    };
    struct tell {
        using reply = long;
        pid whom;
    };
    struct then {
        using reply = long;
    };
    struct seen {
        using reply = std::vector<std::string>;
    };
    struct hit {
        using reply = long;
        pid whom;
    };
    struct note {
        std::string text;
    };
    using info = handles<note, idle_timeout>;

    explicit quick(pid boss = {}) : boss_(boss) {}
    long handle_call(next) { return ++n_; }
    pid handle_call(who) { return self(); }
    void handle_call(nothing) { ++n_; }
    long handle_call(crash) { throw std::runtime_error("crashed"); }
    long handle_call(leave l) { exit(l.why); }
    long handle_call(quit) { return stop("enough"_a), n_; }
    long handle_call(wait) { return receive<long>(); }
    long handle_call(compute c) {
        const auto end = std::chrono::steady_clock::now() + c.how_long;
        while (std::chrono::steady_clock::now() < end) {
        }
        return ++n_;
    }
    long handle_call(stop_and_crash) {
        stop("not_this"_a);
        throw std::runtime_error("but this");
    }
    long handle_call(tell t) { return send(t.whom, std::string("first")), n_; }
    long handle_call(then) {
        continue_with([this] { seen_.push_back("continued"); });
        set_idle_timeout(0s);
        return n_;
    }
    long handle_call(hit h) { return exit(h.whom, "hit"_a), n_; }
    std::vector<std::string> handle_call(seen) { return seen_; }
    void handle_cast(next) { ++n_; }
    void handle_info(note n) { seen_.push_back(n.text); }
    void handle_info(idle_timeout) { seen_.push_back("idle"); }
    void terminate(const exit_reason& why) {
        if (boss_) try_send(boss_, "terminate " + to_string(why));
    }

private:
    pid boss_;
    long n_ = 0;
    std::vector<std::string> seen_;
};
inline constexpr server_name<quick> the_leaf{"leaf"};

}  // namespace

TEST(leaf_server, answers_as_itself) {
    const auto body = [] {
        auto s = start<quick>().value();
        require_eq(call(s, quick::who{}), pid(s));
        require(self() != pid(s));
        for (long i = 1; i <= 100; ++i) require_eq(call(s, quick::next{}), i);
        call(s, quick::nothing{});
        require_eq(try_call(s, quick::next{}).value(), 102);
        stop(s);
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(leaf_server, handles_what_was_sent_before_first) {
    const auto body = [] {
        auto s = start<quick>().value();
        for (long i = 0; i < 100; ++i) {
            cast(s, quick::next{});
            require_eq(call(s, quick::next{}), 2 * i + 2);
        }
        send(s, quick::note{"sent"});
        require_eq(call(s, quick::seen{}), std::vector<std::string>{"sent"});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(leaf_server, that_crashes_tells_its_caller_after_its_end) {
    log_keeper log;
    for (unsigned workers : {1u, 2u, 4u}) {
        runtime rt({.workers = workers, .log = log.sink()});
        rt.invoke([] {
            auto s = start(the_leaf, self()).value();
            const auto watch = monitor(s);
            const auto why = call_failure([&] { call(s, quick::crash{}); });
            require(why.is_crash() && why.what() == "crashed");
            require(!whereis(the_leaf), "its name was not free");
            require_eq(receive<std::string>(), "terminate std::runtime_error: crashed");
            require(down_of(watch).is_crash());
            auto t = start(the_leaf, self()).value();
            require_eq(call_failure([&] { call(t, quick::leave{"away"_a}); }),
                       exit_reason("away"_a));
            require_eq(receive<std::string>(), "terminate away");
            require_eq(call_failure([&] { call(t, quick::next{}); }), reason::no_process);
        });
    }
    EXPECT_TRUE(log.wait_for("crash", "crashed"));
    EXPECT_TRUE(log.wait_for("server_terminated", "last message: "));
}

TEST(leaf_server, answers_and_then_does_what_its_handler_asked_for) {
    const auto body = [] {
        auto s = start<quick>().value();
        const auto watch = monitor(s);
        call(s, quick::next{});
        require_eq(call(s, quick::then{}), 1);
        while (call(s, quick::seen{}).empty()) yield();
        require_eq(call(s, quick::seen{})[0], "continued");
        require_eq(call(s, quick::quit{}), 1);
        require_eq(down_of(watch), exit_reason("enough"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(leaf_server, that_waits_is_told_so_whoever_runs_it) {
    const auto body = [] {
        auto s = start<quick>().value();
        const auto why = call_failure([&] { call(s, quick::wait{}); });
        require(why.is_crash() &&
                    why.exception_type().find("cannot_wait") != std::string_view::npos,
                to_string(why));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(leaf_server, sends_what_it_sends_before_its_answer_arrives) {
    const auto body = [] {
        auto s = start<quick>().value();
        for (int i = 0; i < 100; ++i) {
            call(s, quick::tell{self()});
            require(receive_for<std::string>(0s).has_value(), "the message came after the answer");
        }
        auto [victim, watch] = spawn_monitor([s] {
            call(s, quick::hit{self()});
            exit("went_on"_a);
        });
        require_eq(down_of(watch), exit_reason("hit"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(leaf_server, that_computes_for_long_loses_its_worker_and_nothing_else) {
    const auto body = [] {
        auto s = start<quick>().value();
        std::vector<monitor_ref> others;
        for (int i = 0; i < 4; ++i)
            others.push_back(spawn_monitor([s] {
                                 for (int k = 0; k < 5; ++k) {
                                     call(s, quick::compute{30ms});
                                     for (int n = 0; n < 100; ++n) yield();
                                 }
                             }).ref);
        for (const auto& o : others) require_eq(down_of(o), reason::normal);
        require_eq(call(s, quick::next{}), 21);
        stop(s);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(leaf_server, that_stops_and_then_crashes_has_crashed) {
    const auto body = [] {
        auto s = start<quick>().value();
        const auto why = call_failure([&] { call(s, quick::stop_and_crash{}); });
        require(why.is_crash() && why.what() == "but this", to_string(why));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(leaf_server, can_be_killed_and_restarted_under_a_storm_of_calls) {
    const auto body = [] {
        auto sup = supervisor::start_link(
                       {.intensity = {.restarts = 1'000'000}, .children = {child<quick>(the_leaf)}})
                       .value();
        std::vector<monitor_ref> callers;
        for (int i = 0; i < 8; ++i)
            callers.push_back(spawn_monitor([] {
                                  for (int k = 0; k < 3000; ++k) {
                                      const auto got = try_call(the_leaf, quick::next{});
                                      require(got ? *got > 0
                                                  : got.error().reason == reason::killed ||
                                                        got.error().reason == reason::no_process,
                                              "an odd answer");
                                  }
                              }).ref);
        for (int i = 0; i < 200; ++i) {
            if (const auto now = whereis(the_leaf)) exit(now, reason::kill);
            yield();
        }
        for (const auto& c : callers) require_eq(down_of(c), reason::normal);
        stop(sup);
        require(!whereis(the_leaf));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(leaf_server, loses_no_call_of_many_callers) {
    const auto body = [] {
        auto s = start<quick>().value();
        std::vector<monitor_ref> callers;
        for (int i = 0; i < 16; ++i)
            callers.push_back(spawn_monitor([s] {
                                  for (int k = 0; k < 2000; ++k) call(s, quick::next{});
                              }).ref);
        for (const auto& c : callers) require_eq(down_of(c), reason::normal);
        require_eq(call(s, quick::next{}), 32'001);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace heirloom::test
