// State machines: states, postponed events, timeouts.
#include "servers.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

class machine {
public:
    struct off {};
    struct on {
        int since = 0;
    };
    struct broken {};
    using states = one_of<off, on, broken>;
    struct push {
        int n = 0;
    };
    struct ask {
        using reply = std::string;
    };
    struct wait_on {
        using reply = int;
    };
    struct fix {};
    struct seen {
        using reply = std::vector<std::string>;
    };

    void handle_event(off, push p) {
        log_.push_back("off " + std::to_string(p.n));
        next_state<on>(p.n);
    }
    void handle_event(on&, push p) {
        if (p.n < 0) return next_state<broken>();
        log_.push_back("on " + std::to_string(p.n));
        next_state<off>();
    }
    void handle_event(broken, push) { postpone(); }
    void handle_event(broken, fix) { next_state<off>(); }
    std::string handle_event(off, ask) { return "off"; }
    std::string handle_event(on& s, ask) { return "on since " + std::to_string(s.since); }
    std::string handle_event(broken, ask) { return "broken"; }
    void handle_event(off, wait_on, reply_to<int> client) { postpone(std::move(client)); }
    void handle_event(on& s, wait_on, reply_to<int> client) { reply(std::move(client), s.since); }
    std::vector<std::string> handle_event(off, seen) { return log_; }
    std::vector<std::string> handle_event(on&, seen) { return log_; }
    std::vector<std::string> handle_event(broken, seen) {
        postpone();
        return {};
    }
    void enter(on&) { log_.push_back("enter on"); }
    void enter(off) { log_.push_back("enter off"); }

private:
    std::vector<std::string> log_;
};

TEST(statem, goes_through_its_states_and_tells_when_it_enters_one) {
    const auto body = [] {
        auto m = start<machine>().value();
        require_eq(call(m, machine::ask{}), "off");
        cast(m, machine::push{5});
        require_eq(call(m, machine::ask{}), "on since 5");
        cast(m, machine::push{6});
        require_eq(call(m, machine::seen{}),
                   std::vector<std::string>{"enter off", "off 5", "enter on", "on 6", "enter off"});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(statem, handles_what_was_postponed_in_order_and_before_anything_else) {
    const auto body = [] {
        auto m = start<machine>().value();
        cast(m, machine::push{1});
        cast(m, machine::push{-1});
        require_eq(call(m, machine::ask{}), "broken");
        for (int i : {2, 3, 4}) cast(m, machine::push{i});
        auto later = send_request(m, machine::seen{});
        cast(m, machine::fix{});
        require_eq(receive_response(later).value(),
                   std::vector<std::string>{"enter off", "off 1", "enter on", "enter off", "off 2",
                                            "enter on", "on 3", "enter off", "off 4", "enter on"});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(statem, answers_a_postponed_call_later) {
    const auto body = [] {
        auto m = start<machine>().value();
        auto waiting = async([m] { return call(m, machine::wait_on{}); });
        auto asked = send_request(m, machine::wait_on{});
        require(!wait_response(asked, 2ms));
        cast(m, machine::push{9});
        require_eq(await(std::move(waiting)), 9);
        require_eq(receive_response(asked).value(), 9);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// Handles nothing in the state it is in.
class picky {
public:
    struct any {};
    using states = one_of<any, machine::on>;
    struct ask {
        using reply = int;
    };
    struct ask_later {
        using reply = int;
    };
    int handle_event(machine::on, ask) { return 1; }
    void handle_event(machine::on, ask_later, reply_to<int> client) { reply(std::move(client), 1); }
};

TEST(statem, ends_by_an_event_that_its_state_does_not_handle) {
    const auto body = [] {
        auto m = start<machine>().value();
        const auto ref = monitor(m);
        cast(m, machine::fix{});
        const auto why = down_of(ref);
        require(why.is_crash() && why.exception_type() == "heirloom::unhandled_event");
        // Whoever asked for it hears that, however it was asked.
        const auto unhandled = [](const exit_reason& r) {
            require(r.exception_type() == "heirloom::unhandled_event", to_string(r));
        };
        unhandled(call_failure([] { call(start<picky>().value(), picky::ask{}); }));
        unhandled(call_failure([] { call(start<picky>().value(), picky::ask_later{}); }));
        unhandled(
            receive_response(send_request(start<picky>().value(), picky::ask{})).error().reason);
        unhandled(receive_response(send_request(start<picky>().value(), picky::ask_later{}))
                      .error()
                      .reason);
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

class timed {
public:
    struct a {};
    struct b {};
    using states = one_of<a, b>;
    struct go {
        duration limit;
    };
    struct poke {};
    struct named {
        atom name;
        duration limit;
    };
    struct seen {
        using reply = std::vector<std::string>;
    };
    void handle_event(a, go g) {
        next_state<b>();
        set_state_timeout(g.limit);
    }
    void handle_event(b, go) { next_state<a>(); }
    void handle_event(b, state_timeout) {
        log_.push_back("state");
        next_state<a>();
    }
    template <class S>
    void handle_event(S, poke) {
        set_event_timeout(5ms);
    }
    template <class S>
    void handle_event(S, event_timeout) {
        log_.push_back("event");
    }
    template <class S>
    void handle_event(S, named n) {
        set_timeout(n.name, n.limit);
    }
    template <class S>
    void handle_event(S, named_timeout t) {
        log_.push_back(std::string(t.name.text()));
    }
    template <class S>
    std::vector<std::string> handle_event(S, seen) {
        return log_;
    }

private:
    std::vector<std::string> log_;
};

TEST(statem, has_timeouts_of_its_state_its_events_and_by_name) {
    runtime rt({.workers = 1, .deterministic = {.seed = 3}, .log = no_log()});
    const auto body = [] {
        auto m = start<timed>().value();
        cast(m, timed::go{10ms});
        cast(m, timed::go{});  // leaves the state: its timeout is off
        sleep(50ms);
        require(call(m, timed::seen{}).empty());
        cast(m, timed::go{10ms});
        sleep(50ms);
        require_eq(call(m, timed::seen{}), std::vector<std::string>{"state"});
        cast(m, timed::poke{});
        call(m, timed::seen{});  // any event takes it back
        sleep(50ms);
        require_eq(call(m, timed::seen{}).size(), 1u);
        cast(m, timed::poke{});
        sleep(50ms);
        require_eq(call(m, timed::seen{}).back(), "event");
        cast(m, timed::named{"x", 20ms});
        cast(m, timed::named{"y", 10ms});
        cast(m, timed::named{"z", 10ms});
        cast(m, timed::named{"z", forever});
        sleep(50ms);
        require_eq(call(m, timed::seen{}), std::vector<std::string>{"state", "event", "y", "x"});
    };
    EXPECT_TRUE(holds_inside(rt, body));
}

}  // namespace
}  // namespace heirloom::test
