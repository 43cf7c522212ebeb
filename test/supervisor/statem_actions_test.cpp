// gen_statem's documented actions and the order in which they take effect (OTP 25: gen_statem, transition_option).
#include "servers.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace heirloom::test {
namespace {

using texts = std::vector<std::string>;

/// Runs what it is sent, as the callback of an event; every state and event writes a line.
class script {
public:
    struct red {};
    struct green {};
    struct amber {  // the same only if equal
        int n = 0;
        bool operator==(const amber&) const = default;
    };
    using states = one_of<red, green, amber>;
    struct run {
        std::string name;
        std::function<void(script&)> what;
    };
    struct seen {
        using reply = texts;
    };
    struct move_only {
        std::unique_ptr<int> n;
    };
    struct asked {
        using reply = int;
    };
    struct passed_on {
        reply_to<int> client;
    };
    struct jump {};  // in enter(green): goes on to amber

    script() = default;
    explicit script(std::function<void(script&)> first) { first(*this); }

    template <class S>
    void handle_event(S& s, const run& r) {
        log(s, r.name);
        if (r.what) r.what(*this);
    }
    template <class S>
    texts handle_event(S&, seen) {
        return log_;
    }
    template <class S>
    void handle_event(S& s, move_only m) {
        log(s, "moved " + std::to_string(*m.n));
    }
    template <class S>
    void handle_event(S&, asked, reply_to<int> client) {
        next_event(this, passed_on{std::move(client)});
    }
    template <class S>
    void handle_event(S&, passed_on p) {
        reply(std::move(p.client), 7);
    }
    template <class S>
    void handle_event(S& s, state_timeout) {
        log(s, "state_timeout");
    }
    template <class S>
    void handle_event(S& s, event_timeout) {
        log(s, "event_timeout");
    }
    template <class S>
    void handle_event(S& s, named_timeout t) {
        log(s, std::string(t.name.text()));
    }
    void enter(red& s) { log(s, "enter"); }
    void enter(green& s) {
        log(s, "enter");
        if (std::exchange(jumping_, false)) next_state<amber>(9);
    }
    template <class From>
    void enter(amber& s, const From& from) {
        log(s, "enter from " + name_of(from));
    }
    void terminate(green, const exit_reason& why) { last_words_ = "green " + to_string(why); }
    ~script() {
        if (boss_) try_send(boss_, note{last_words_});
    }
    struct note {
        std::string text;
    };

    void jump_next() { jumping_ = true; }
    void tell(pid boss) { boss_ = boss; }

private:
    static std::string name_of(const red&) { return "red"; }
    static std::string name_of(const green&) { return "green"; }
    static std::string name_of(const amber& a) { return "amber" + std::to_string(a.n); }
    template <class S>
    void log(const S& s, const std::string& what) {
        log_.push_back(name_of(s) + " " + what);
    }
    texts log_;
    bool jumping_ = false;
    pid boss_;
    std::string last_words_ = "none";
};
using red = script::red;
using green = script::green;
using amber = script::amber;
using run = script::run;

run inserted(std::string name) { return {std::move(name), {}}; }

/// What the machine has seen after these events, all sent while it was suspended: they wait in its mailbox together.
texts seen_after(std::vector<run> events) {
    auto m = start<script>().value();
    sys::suspend(m);
    for (auto& e : events) cast(m, std::move(e));
    sys::resume(m);
    return call(m, script::seen{});
}

TEST(statem_actions, inserted_events_come_first_then_postponed_ones_then_the_mailbox) {
    const auto body = [] {
        const texts seen = seen_after({
            {"p1", [](script&) { postpone(); }},
            {"p2", [](script&) { postpone(); }},
            {"go",
             [](script& m) {
                 next_event(&m, inserted("i1"));
                 next_state<green>();
                 next_event(&m, inserted("i2"));
             }},
            {"last", {}},
        });
        // p1 and p2 are postponed again, for their callback says so in every state.
        require_eq(seen, texts{"red enter", "red p1", "red p2", "red go", "green enter", "green i1",
                               "green i2", "green p1", "green p2", "green last"});
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, an_inserted_event_may_insert_others_before_those_that_wait) {
    const auto body = [] {
        const texts seen = seen_after({
            {"go",
             [](script& m) {
                 next_event(&m, run{"i1", [](script& n) { next_event(&n, inserted("i1a")); }});
                 next_event(&m, inserted("i2"));
             }},
            {"last", {}},
        });
        require_eq(seen, texts{"red enter", "red go", "red i1", "red i1a", "red i2", "red last"});
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, an_inserted_event_may_be_postponed_and_may_be_move_only) {
    const auto body = [] {
        const texts seen = seen_after({
            {"go",
             [](script& m) {
                 next_event(&m, run{"i1", [once = true](script&) mutable {
                                        if (std::exchange(once, false)) postpone();
                                    }});
                 next_event(&m, script::move_only{std::make_unique<int>(5)});
             }},
            {"change", [](script&) { next_state<green>(); }},
        });
        require_eq(seen, texts{"red enter", "red go", "red i1", "red moved 5", "red change",
                               "green enter", "green i1"});
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, a_request_can_be_passed_on_to_an_inserted_event) {
    const auto body = [] {
        auto m = start<script>().value();
        require_eq(call(m, script::asked{}), 7);
        require_eq(receive_response(send_request(m, script::asked{})).value(), 7);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(statem_actions, going_to_the_same_state_changes_nothing) {
    const auto body = [] {
        const texts seen = seen_after({
            {"wait", [](script&) { postpone(); }},
            {"same", [](script&) { next_state<red>(); }},
            {"there and back", [](script&) { next_state<green>(), next_state<red>(); }},
            {"amber", [](script&) { next_state<amber>(1); }},
            {"equal", [](script&) { next_state<amber>(1); }},
            {"other", [](script&) { next_state<amber>(2); }},
        });
        require_eq(seen, texts{"red enter", "red wait", "red same", "red there and back",
                               "red amber", "amber1 enter from red", "amber1 wait", "amber1 equal",
                               "amber1 other", "amber2 enter from amber1", "amber2 wait"});
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, repeat_state_calls_enter_again_and_nothing_else) {
    const auto body = [] {
        const texts seen = seen_after({
            {"wait", [](script&) { postpone(); }},
            {"again", [](script&) { repeat_state(); }},
        });
        require_eq(seen, texts{"red enter", "red wait", "red again", "red enter"});
        auto m = start<script>().value();
        cast(m, run{"timed", [](script&) { set_state_timeout(10ms); }});
        cast(m, run{"again", [](script&) { repeat_state(); }});
        sleep(20ms);
        require_eq(call(m, script::seen{}).back(), "red state_timeout");
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, enter_may_go_on_to_another_state) {
    const auto body = [] {
        const texts seen = seen_after({{"jump", [](script& m) {
                                            m.jump_next();
                                            next_state<green>();
                                        }}});
        require_eq(seen, texts{"red enter", "red jump", "green enter", "amber9 enter from green"});
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, a_timeout_of_0_comes_after_what_is_enqueued_and_before_the_mailbox) {
    const auto body = [] {
        texts seen = seen_after({
            {"go",
             [](script& m) {
                 set_timeout("named"_a, 0s);
                 set_state_timeout(0s);
                 next_event(&m, inserted("i1"));
             }},
            {"last", {}},
        });
        require_eq(seen, texts{"red enter", "red go", "red i1", "red named", "red state_timeout",
                               "red last"});
        // Taken back before its turn has come; a state's by leaving the state.
        seen = seen_after({
            {"go",
             [](script& m) {
                 set_timeout("named"_a, 0s);
                 set_state_timeout(0s);
                 next_event(&m, run{"i1", [](script&) {
                                        set_timeout("named"_a, forever);
                                        next_state<green>();
                                    }});
             }},
            {"last", {}},
        });
        require_eq(seen, texts{"red enter", "red go", "red i1", "green enter", "green last"});
        // Set together with a change of state, it is the new state's.
        seen = seen_after({{"go", [](script&) { next_state<green>(), set_state_timeout(0s); }}});
        require_eq(seen, texts{"red enter", "red go", "green enter", "green state_timeout"});
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, any_event_takes_the_event_timeout_back) {
    const auto body = [] {
        // Of 0: it comes only if nothing is enqueued, but before the mailbox.
        require_eq(seen_after({{"go", [](script&) { set_event_timeout(0s); }}, {"last", {}}}),
                   texts{"red enter", "red go", "red event_timeout", "red last"});
        require_eq(seen_after({{"go",
                                [](script& m) {
                                    set_event_timeout(0s);
                                    next_event(&m, inserted("i1"));
                                }}}),
                   texts{"red enter", "red go", "red i1"});
        // Another timeout is an event too.
        auto m = start<script>().value();
        cast(m, run{"go", [](script&) {
                        set_event_timeout(20ms);
                        set_timeout("named"_a, 10ms);
                    }});
        sleep(50ms);
        require_eq(call(m, script::seen{}), texts{"red enter", "red go", "red named"});
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, timeouts_are_replaced_taken_back_and_may_be_points_of_time) {
    const auto body = [] {
        auto m = start<script>().value();
        cast(m, run{"go", [](script&) {
                        set_state_timeout(10ms);
                        set_state_timeout(runtime_clock::now() + 30ms);  // replaces it
                        set_timeout("a"_a, runtime_clock::now() + 20ms);
                        set_timeout("b"_a, runtime_clock::now() - 20ms);  // at once
                        set_timeout("c"_a, 10ms);
                        set_timeout("c"_a, forever);
                        set_timeout("d"_a, time_point::max());
                    }});
        sleep(100ms);
        require_eq(call(m, script::seen{}),
                   texts{"red enter", "red go", "red b", "red a", "red state_timeout"});
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, the_constructor_chooses_the_state_sets_timeouts_and_inserts_events) {
    const auto body = [] {
        auto m = start<script>([](script& s) {
                     next_state<amber>(3);
                     set_state_timeout(0s);
                     next_event(&s, inserted("i1"));
                 }).value();
        require_eq(call(m, script::seen{}),
                   texts{"amber3 enter from amber3", "amber3 i1", "amber3 state_timeout"});
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, a_continuation_changes_the_state_before_any_message) {
    const auto body = [] {
        auto m = start<script>([](script& s) {
                     continue_with([&s] {
                         next_event(&s, inserted("i1"));
                         next_state<green>();
                     });
                 }).value();
        cast(m, inserted("last"));
        require_eq(call(m, script::seen{}),
                   texts{"red enter", "green enter", "green i1", "green last"});
        // The timeout of a state that a continuation leaves is taken back.
        auto n = start<script>([](script&) {
                     set_state_timeout(10ms);
                     continue_with([] { next_state<green>(); });
                 }).value();
        sleep(50ms);
        require_eq(call(n, script::seen{}), texts{"red enter", "green enter"});
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, terminate_may_know_the_state_and_reports_name_it) {
    log_keeper log;
    runtime rt({.workers = 1, .deterministic = {.seed = 1}, .log = log.sink()});
    const auto body = [] {
        auto m = start<script>([boss = self()](script& s) { s.tell(boss); }).value();
        cast(m, run{"go", [](script&) { next_state<green>(); }});
        require(sys::get_status(m).state.ends_with("green"), sys::get_status(m).state);
        // stop_and_reply: the event that stops it is answered as any other.
        const auto ref = monitor(m);
        cast(m, run{"end", [](script&) { stop("enough"_a); }});
        require_eq(down_of(ref), exit_reason("enough"_a));
        require_eq(receive<script::note>().text, "green enough");
    };
    EXPECT_TRUE(holds_inside(rt, body));
    EXPECT_TRUE(log.wait_for("server_terminated", "green"));
}

TEST(statem_actions, an_action_where_it_means_nothing_says_so) {
    const auto body = [] {
        auto refused = [](std::function<void(script&)> what) {
            auto m = start<script>().value();
            const auto ref = monitor(m);
            cast(m, run{"bad", std::move(what)});
            return std::string(down_of(ref).exception_type());
        };
        require_eq(refused([](script&) { next_state<int>(); }), "heirloom::bad_argument");
        require_eq(refused([](script&) {
                       script other;
                       next_event(&other, inserted("x"));
                   }),
                   "heirloom::bad_argument");
        require_eq(refused([](script&) { set_state_timeout(-1s); }), "heirloom::bad_argument");
        require_eq(refused([](script&) { set_timeout({}, 1s); }), "heirloom::bad_argument");
        require_eq(refused([](script&) { continue_with([] { postpone(); }); }),
                   "heirloom::bad_argument");
        require_throws<bad_argument>([] { next_state<red>(); });
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(statem_actions, many_postponed_events_cost_the_same_each) {
    const auto body = [] {
        auto m = start<script>().value();
        constexpr int many = 20'000;
        auto left = std::make_shared<int>(many);
        for (int i = 0; i < many; ++i)
            cast(m, run{{}, [left, once = true](script&) mutable {
                            if (std::exchange(once, false)) return postpone();
                            --*left;
                        }});
        cast(m, run{"go", [](script&) { next_state<green>(); }});
        call(m, script::seen{}, 60s);
        require_eq(*left, 0);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

}  // namespace
}  // namespace heirloom::test
