// The catalogue's rows from Elixir (el-) about tasks, agents and registries, the bridge, and what no row names: state
// machines, event managers, partitions, applications, back-off and budgets.
#include "inside.hpp"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

using namespace std::chrono_literals;

exit_reason down_of(const monitor_ref& ref) {
    return receive(when(ref, [](const down& d) { return d.reason; }));
}
void require_clean(std::source_location where = std::source_location::current()) {
    const auto about = process_info(self());
    require(about->message_queue_len == 0, "something is left in the mailbox", where);
    require(about->monitors.empty(), "a monitor is left", where);
    require(about->links.empty(), "a link is left", where);
}

// --- Tasks --------------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, el_task_await) {
    on_all_workers([] {
        auto t = async([](int a, int b) { return a + b; }, 40, 2);
        require_eq(await(std::move(t)), 42);
        auto nothing = async([] {});
        await(std::move(nothing));
        auto slow = async_nolink([] {
            receive<atom>();
            return 1;
        });
        const pid process = slow.pid();
        require_eq(call_failure([&] { await(std::move(slow), 2ms); }), reason::timeout);
        send(process, "go"_a);
        const auto ref = monitor(process);
        down_of(ref);
        require_clean();  // no late reply
        auto mine = async([] { return 1; });
        auto other = async([&mine] {
            try {
                await(std::move(mine));
                return false;
            } catch (const bad_argument&) {
                return true;
            }
        });
        require(await(std::move(other)), "another process may await");
    });
}

TEST(conformance_behaviours, el_task_crash) {
    on_all_workers([] {
        auto [p, ref] = spawn_monitor([] { await(async([]() -> int { exit("crashed"_a); })); });
        require_eq(down_of(ref), exit_reason("crashed"_a));
        trap_exit(true);
        auto t = async([]() -> int { exit("crashed"_a); });
        require_eq(call_failure([&] { await(std::move(t)); }), exit_reason("crashed"_a));
        require_eq(receive<exit_signal>().reason, exit_reason("crashed"_a));
        auto n = async_nolink([]() -> int { throw std::runtime_error("alone"); });
        require(call_failure([&] { await(std::move(n)); }).is_crash());
        require_clean();
    });
}

TEST(conformance_behaviours, el_task_yield) {
    on_all_workers([] {
        auto t = async_nolink([] { return receive<int>(); });
        require(!heirloom::yield(t, 1ms));
        require(!heirloom::yield(t, 0s));
        send(t.pid(), 5);
        require_eq(heirloom::yield(t, 5s)->value(), 5);
        auto bad = async_nolink([]() -> int { exit("bad"_a); });
        require_eq(heirloom::yield(bad, 5s)->error().reason, exit_reason("bad"_a));
        std::vector<task<int>> many;
        for (int i = 0; i < 4; ++i) many.push_back(async_nolink([] { return receive<int>(); }));
        for (int i : {3, 0, 1}) send(many[static_cast<std::size_t>(i)].pid(), i);
        auto ends = yield_many(many, 50ms);
        require(ends[0]->value() == 0 && ends[1]->value() == 1 && !ends[2] &&
                ends[3]->value() == 3);
        send(many[2].pid(), 2);
        require_eq(heirloom::yield(many[2], 5s)->value(), 2);
        std::vector<task<int>> all;
        for (int i = 0; i < 10; ++i) all.push_back(async([](int n) { return n * n; }, i));
        const auto squares = await_many(std::move(all));
        require_eq(squares.back(), 81);
        require_clean();
    });
}

TEST(conformance_behaviours, el_task_shutdown) {
    on_all_workers([] {
        auto stopped = async([] {
            receive<atom>();
            return 1;
        });
        require(!shutdown(std::move(stopped)));
        auto killed = async([] {
            receive<atom>();
            return 1;
        });
        require(!shutdown(std::move(killed), brutal_kill));
        auto done = async([] { return 7; });
        const auto ref = monitor(done.pid());
        down_of(ref);
        require_eq(shutdown(std::move(done))->value(), 7);
        auto failed = async_nolink([]() -> int { exit("failed"_a); });
        down_of(monitor(failed.pid()));
        require_eq(shutdown(std::move(failed))->error().reason, exit_reason("failed"_a));
        auto stubborn = async([] {
            trap_exit(true);
            for (;;) receive([](exit_signal) {});
            return 1;
        });
        while (!process_info(stubborn.pid())->trap_exit) yield();
        require(!shutdown(std::move(stubborn), 5ms));
        require_clean();
    });
}

TEST(conformance_behaviours, el_task_stream) {
    on_all_workers([] {
        std::vector<int> numbers(50);
        std::iota(numbers.begin(), numbers.end(), 0);
        int next = 0;
        for (auto& r : async_stream(numbers, [](int n) { return n * 2; }, {.max_concurrency = 4})) {
            require_eq(r.value(), next * 2);
            ++next;
        }
        require_eq(next, 50);
        // Never more than four at a time.
        auto table = ets::set<atom, long>({.access = ets::access::public_});
        table.insert("now"_a, 0);
        table.insert("most"_a, 0);
        auto busy = [table](int n) mutable {
            const long now = table.update_counter("now"_a, +1);
            if (now > table.at("most"_a)) table.insert("most"_a, now);
            yield();
            table.update_counter("now"_a, -1);
            return n;
        };
        int sum = 0;
        for (auto& r : async_stream(numbers, busy, {.max_concurrency = 4, .ordered = false}))
            sum += r.value();
        require_eq(sum, 49 * 50 / 2);
        require(table.at("most"_a) <= 4);
        int late = 0, good = 0;
        for (auto& r : async_stream(std::vector<int>{0, 1, 2},
                                    [](int n) {
                                        if (n == 1) receive<atom>();
                                        return n;
                                    },
                                    {.limit = 20ms, .on_timeout = on_task_timeout::kill_task}))
            r ? ++good : (require_eq(r.error().reason, reason::timeout), ++late);
        require(late == 1 && good == 2);
        std::vector<pid> started;
        {
            auto stream =
                async_stream(numbers, [](int n) { return n == 0 ? 0 : (receive<atom>(), n); },
                             {.max_concurrency = 3});
            require_eq(stream.next()->value(), 0);
        }  // stopped early: those that ran are killed
        for (int i = 0; i < 100 && process_info(self())->message_queue_len == 0; ++i) yield();
        require(process_info(self())->links.empty());
    });
}

// --- Agent, registry -----------------------------------------------------------------------------------------------

TEST(conformance_behaviours, el_agent) {
    on_all_workers([] {
        auto total = agent<long>::start([] { return 1L; }).value();
        total.update([](long& n) { n += 4; });
        require_eq(total.get([](const long& n) { return n; }), 5);
        total.update([](long n) { return n * 2; });
        require_eq(total.get_and_update([](long& n) { return n++; }), 10);
        total.cast([](long& n) { n += 100; });
        require_eq(total.get([](const long& n) { return n; }), 111);
        const auto ref = monitor(total);
        require(call_failure([&] {
                    total.update([](long&) { throw std::runtime_error("bad"); });
                }).is_crash());
        require(down_of(ref).is_crash());
    });
}

using rooms = registry<std::string, int>;
inline constexpr server_name<rooms> the_rooms{"rooms"};

TEST(conformance_behaviours, el_reg_unregister) {
    on_all_workers([] {
        auto r = start_link(the_rooms, registry_keys::duplicate).value();
        register_key(the_rooms, "a", 1).value();
        register_key(the_rooms, "a", 2).value();
        const pid other = spawn([boss = self()] {
            register_key(the_rooms, "a", 3).value();
            send(boss, "in"_a);
            receive<atom>();
        });
        receive<atom>();
        require_eq(lookup(the_rooms, "a").size(), 3u);
        unregister_match<std::string, int>(the_rooms, "a", [](const int& v) { return v == 2; });
        require_eq(lookup(the_rooms, "a").size(), 2u);
        unregister_key(the_rooms, "a");
        unregister_key(the_rooms, "none");
        require_eq(lookup(the_rooms, "a").size(), 1u);
        require_eq(lookup(the_rooms, "a")[0].first, other);
        exit(other, reason::kill);
        stop(r);
    });
}

TEST(conformance_behaviours, el_reg_auto) {
    on_all_workers([] {
        trap_exit(true);
        auto r = start_link(the_rooms, registry_keys::unique).value();
        auto join = [boss = self()](std::string key) {
            auto got = register_key(the_rooms, key, 0);
            send(boss, got ? "in"_a : "taken"_a);
            receive<atom>();
        };
        auto [p, ref] = spawn_monitor(join, "hall");
        require_eq(receive<atom>(), "in"_a);
        auto second = register_key(the_rooms, "hall", 0);
        require(!second && second.error().process == p);
        exit(p, reason::kill);
        down_of(ref);
        while (!lookup(the_rooms, "hall").empty()) yield();
        require_eq(count_entries(the_rooms), 0u);
        auto [q, watch] = spawn_monitor(join, "hall");
        require_eq(receive<atom>(), "in"_a);
        exit(r, reason::kill);  // takes those in it along
        require_eq(down_of(watch), reason::killed);
        receive<exit_signal>();
    });
}

TEST(conformance_behaviours, el_reg_update) {
    on_all_workers([] {
        auto r = start_link(the_rooms, registry_keys::unique).value();
        register_key(the_rooms, "a", 5).value();
        const auto changed = update_value(the_rooms, "a", [](const int& n) { return n + 1; });
        require(changed && changed->first == 6 && changed->second == 5);
        require_eq(lookup(the_rooms, "a")[0].second, 6);
        require(!update_value(the_rooms, "b", [](const int& n) { return n; }));
        stop(r);
    });
}

TEST(conformance_behaviours, el_reg_listeners) {
    on_all_workers([] {
        register_name("listener"_a, self());
        auto r =
            start_link(the_rooms, registry_keys::unique, std::vector<atom>{"listener"_a}).value();
        register_key(the_rooms, "a", 5).value();
        unregister_key(the_rooms, "a");
        auto in = receive<registry_event<std::string, int>>(),
             out = receive<registry_event<std::string, int>>();
        require(in.registered && in.key == "a" && in.process == self() && in.value == 5);
        require(!out.registered && out.key == "a");
        put_meta(the_rooms, "colour", "blue");
        require_eq(get_meta(the_rooms, "colour").value(), "blue");
        require(!get_meta(the_rooms, "none"));
        stop(r);
    });
}

// --- gen_server of Elixir -----------------------------------------------------------------------------------------

class plain {
public:
    struct get {
        using reply = int;
    };
    int handle_call(get) { return 1; }
};

TEST(conformance_behaviours, el_call_shape) {
    on_all_workers([] {
        auto s = start<plain>().value();
        stop(s);
        try {
            call(s, plain::get{});
            require(false);
        } catch (const call_failed& e) {
            require_eq(e.reason(), reason::no_process);
            require_eq(e.server(), pid(s));
            require(e.request().find("get") != std::string::npos);
        }
        require(default_call_limit == 5s);
    });
}

TEST(conformance_behaviours, el_default_callbacks) {
    log_keeper log;
    {
        runtime rt({.workers = 2, .log = log.sink()});
        rt.invoke([] {
            auto s = start<plain>().value();
            send(s, std::string("unhandled"));
            require_eq(call(s, plain::get{}),
                       1);  // logged and ignored; calls and casts unhandled do not compile
            stop(s);
        });
        EXPECT_TRUE(log.wait_for("unexpected_message", "string"));
    }
}

TEST(conformance_behaviours, el_whereis) {
    on_all_workers([] {
        constexpr server_name<plain> name{"plain"};
        require(!whereis(name));
        auto s = start(name).value();
        require(whereis(name) == s);
        stop(s);
        require(!whereis(name));
    });
}

// --- The bridge -----------------------------------------------------------------------------------------------------

class legacy {
public:
    legacy(pid boss, std::string how) : boss_(boss) {
        if (how == "ignore") ignore_start();
        if (how == "error") exit("no_legacy"_a);
        inner_ = spawn([] {
            receive<atom>();
            exit("inner_died"_a);
        });
        send(boss_, inner_);
    }
    pid inner() const { return inner_; }
    void terminate(const exit_reason& why) { try_send(boss_, "terminated: " + to_string(why)); }

private:
    pid boss_, inner_;
};

TEST(conformance_behaviours, sb_bridge) {
    on_all_workers([] {
        using bridge = supervisor_bridge<legacy>;
        trap_exit(true);
        const pid boss = self();
        require(start_link<bridge>(boss, "ignore").error().kind == start_failure::ignored);
        require_eq(start_link<bridge>(boss, "error").error().reason, exit_reason("no_legacy"_a));
        receive<exit_signal>();
        receive<exit_signal>();
        constexpr server_name<bridge> name{"bridge"};
        auto sup =
            supervisor::start_link({.children = {child<bridge>(name, boss, "good")}}).value();
        const pid first = receive<pid>();
        require(start(name, boss, "good").error().kind == start_failure::already_started);
        send(first, "die"_a);
        require_eq(receive<std::string>(), "terminated: inner_died");
        const pid second = receive<pid>();
        require(second != first);
        exit(second, reason::kill);
        require_eq(receive<std::string>(), "terminated: killed");
        receive<pid>();
        stop(sup);
    });
}

// --- State machines -------------------------------------------------------------------------------------------------

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
    on_all_workers([] {
        auto m = start<machine>().value();
        require_eq(call(m, machine::ask{}), "off");
        cast(m, machine::push{5});
        require_eq(call(m, machine::ask{}), "on since 5");
        cast(m, machine::push{6});
        require_eq(call(m, machine::seen{}),
                   std::vector<std::string>{"enter off", "off 5", "enter on", "on 6", "enter off"});
    });
}

TEST(statem, handles_what_was_postponed_in_order_and_before_anything_else) {
    on_all_workers([] {
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
    });
}

TEST(statem, answers_a_postponed_call_later) {
    on_all_workers([] {
        auto m = start<machine>().value();
        auto waiting = async([m] { return call(m, machine::wait_on{}); });
        auto asked = send_request(m, machine::wait_on{});
        require(!wait_response(asked, 2ms));
        cast(m, machine::push{9});
        require_eq(await(std::move(waiting)), 9);
        require_eq(receive_response(asked).value(), 9);
    });
}

TEST(statem, ends_by_an_event_that_its_state_does_not_handle) {
    on_all_workers([] {
        auto m = start<machine>().value();
        const auto ref = monitor(m);
        cast(m, machine::fix{});
        const auto why = down_of(ref);
        require(why.is_crash() && why.exception_type() == "heirloom::unhandled_event");
    });
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
    rt.invoke([] {
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
    });
}

// --- Event managers ---------------------------------------------------------------------------------------------------

class summing {
public:
    struct sum {
        using reply = int;
    };
    explicit summing(int first) : sum_(first) {}
    void handle_event(const int& n) {
        if (n < 0) throw std::runtime_error("negative");
        sum_ += n;
    }
    int handle_call(sum) { return sum_; }

private:
    int sum_;
};

TEST(event_manager, hands_every_event_to_every_handler) {
    on_all_workers([] {
        auto m = start<event_manager<int>>().value();
        require(add_handler<summing>(m, "one"_a, 0));
        require(add_handler<summing>(m, "two"_a, 100));
        require(!add_handler<summing>(m, "two"_a, 100), "an id was taken twice");
        notify(m, 5);
        sync_notify(m, 6);
        require_eq(ask_handler<summing>(m, "one"_a, summing::sum{}).value(), 11);
        require_eq(ask_handler<summing>(m, "two"_a, summing::sum{}).value(), 111);
        require(delete_handler<summing>(m, "one"_a));
        require(!delete_handler<summing>(m, "one"_a));
        require_eq(ask_handler<summing>(m, "one"_a, summing::sum{}).error().reason,
                   exit_reason("bad_handler"_a));
        require_eq(which_handlers(m).size(), 1u);
    });
}

TEST(event_manager, takes_out_a_handler_that_throws_and_goes_on) {
    on_all_workers([] {
        auto m = start<event_manager<int>>().value();
        require(add_handler<summing>(m, "one"_a, 0));
        sync_notify(m, -1);
        require(which_handlers(m).empty());
        const pid owner = spawn([m, boss = self()] {
            add_linked_handler<summing>(m, "mine"_a, 0);
            send(boss, "in"_a);
            receive<atom>();
        });
        receive<atom>();
        require_eq(which_handlers(m).size(), 1u);
        exit(owner, reason::kill);
        while (!which_handlers(m).empty()) yield();
    });
}

// --- Partitions, applications ------------------------------------------------------------------------------------------

class cell {
public:
    struct who {
        using reply = pid;
    };
    pid handle_call(who) { return self(); }
};

TEST(partitions, a_key_is_always_served_by_the_same_one) {
    on_all_workers([] {
        const partitions<cell> cells("cells", 4);
        auto sup = supervisor::start_link(cells.supervised()).value();
        std::vector<pid> seen;
        for (int key = 0; key < 100; ++key) {
            const pid p = call(cells.of(key), cell::who{});
            require_eq(call(cells.of(key), cell::who{}), p);
            if (std::find(seen.begin(), seen.end(), p) == seen.end()) seen.push_back(p);
        }
        require_eq(seen.size(), 4u);
        stop(sup);
    });
}

class fragile {
public:
    explicit fragile(int lives) {
        if (lives == 0) exit("no_lives"_a);
    }
};
application app(std::string name, std::vector<std::string> needs = {},
                restart_type type = permanent) {
    return {.name = name,
            .needs = std::move(needs),
            .start =
                [name] {
                    return supervisor::start_link(
                        {.intensity = {.restarts = 0},
                         .children = {child<fragile>(
                             server_name<fragile>(atom::intern(name + ".child")), 1)}});
                },
            .type = type};
}

TEST(application, starts_what_it_needs_first_and_stops_in_reverse) {
    on_all_workers([] {
        auto c =
            start(the_applications, std::vector<application>{app("shop", {"store", "log"}),
                                                             app("store", {"log"}), app("log")})
                .value();
        start_application("shop").value();
        require_eq(which_applications(), std::vector<std::string>{"log", "store", "shop"});
        require(stop_application("log").error().kind == application_failure::needed);
        require(start_application("none").error().kind == application_failure::unknown);
        stop_application("shop").value();
        stop_application("store").value();
        require_eq(which_applications(), std::vector<std::string>{"log"});
        stop(c);
        require(!whereis("log.child"_a));
    });
}

TEST(application, that_cannot_be_right_is_refused_before_anything_starts) {
    on_all_workers([] {
        for (auto& bad : {std::vector<application>{app("a", {"b"}), app("b", {"a"})},
                          {app("a", {"none"})},
                          {app("a"), app("a")}}) {
            auto c = start(the_applications, bad);
            require(!c && c.error().reason.is_crash());
            require(!whereis("a.child"_a));
        }
    });
}

TEST(application, a_program_ends_with_status_1_when_its_root_gives_up) {
    const auto killer = [](std::string victim) {
        return application{.name = "killer", .needs = {"shop"}, .start = [victim] {
                               return supervisor::start_link([victim]() -> supervisor::init_result {
                                   exit(whereis(atom::intern(victim)), reason::kill);
                                   return {};
                               });
                           }};
    };
    testing::internal::CaptureStderr();
    const int status = run_applications({app("shop"), killer("shop.child")}, {.log = no_log()});
    const std::string report = testing::internal::GetCapturedStderr();
    EXPECT_EQ(status, 1);
    EXPECT_NE(report.find("shop"), std::string::npos) << report;
}

TEST(application, a_program_that_is_stopped_ends_with_status_0) {
    application stopper{.name = "stopper", .start = [] {
                            spawn([] { stop_applications(); });
                            return supervisor::start_link({});
                        }};
    EXPECT_EQ(run_applications({app("shop"), stopper}, {.log = no_log()}), 0);
}

// --- Beyond OTP ---------------------------------------------------------------------------------------------------------

class dies_at_once {
public:
    explicit dies_at_once(pid boss) {
        send(boss, runtime_clock::now());
        continue_with([] { exit("at_once"_a); });
    }
};

TEST(back_off, waits_longer_and_longer_and_starts_again_after_a_quiet_time) {
    runtime rt({.workers = 1, .deterministic = {.seed = 5}, .log = no_log()});
    rt.invoke([] {
        auto sup = supervisor::start_link(
                       {.intensity = {.restarts = 100},
                        .children = {child<dies_at_once>("d", self())
                                         .delay({.initial = 10ms, .factor = 2, .maximum = 50ms})}})
                       .value();
        std::vector<time_point> starts;
        for (int i = 0; i < 6; ++i) starts.push_back(receive<time_point>());
        const duration wanted[] = {10ms, 20ms, 40ms, 50ms, 50ms};
        for (std::size_t i = 0; i < 5; ++i) {
            const duration waited = starts[i + 1] - starts[i];
            require(waited >= wanted[i] && waited < wanted[i] + 5ms,
                    "wait " + std::to_string(i) + ": " + std::to_string(waited.count()));
        }
        // A pending restart never revives a child that was stopped meanwhile.
        while (which_children(sup)[0].status != child_status::restarting) yield();
        terminate_child(sup, "d").value();
        while (receive_for<time_point>(0s)) {
        }
        require(!receive_for<time_point>(1s), "it was revived");
        stop(sup);
    });
}

TEST(budget, of_one_child_stops_that_child_alone) {
    on_all_workers([] {
        auto sup =
            supervisor::start_link(
                {.intensity = {.restarts = 1000},
                 .children = {child<cell>("good"), child<dies_at_once>("bad", self())
                                                       .budget({.restarts = 3, .within = 1h})}})
                .value();
        for (int i = 0; i < 4; ++i) receive<time_point>();
        while (which_children(sup)[1].status != child_status::stopped) yield();
        require(!receive_for<time_point>(5ms));
        require(which_children(sup)[0].status == child_status::running);
        stop(sup);
    });
}

std::atomic<bool> let_go{false}, spinning{false};
class spins {
public:
    struct spin {};
    void handle_cast(spin) {
        spinning = true;
        while (!let_go.load()) {
        }  // no safe point: it cannot be killed
    }
};
inline constexpr server_name<spins> the_spinner{"spinner"};

TEST(held, a_child_that_cannot_be_killed_is_reported_and_left_behind) {
    let_go = spinning = false;
    log_keeper log;
    runtime rt({.workers = 2, .log = log.sink()});
    rt.invoke([&] {
        auto sup = supervisor::start_link(
                       {.children = {child<spins>(the_spinner).shutdown(5ms), child<cell>("other")},
                        .grace = 20ms})
                       .value();
        const pid spinner = whereis(the_spinner);
        cast(the_spinner, spins::spin{});
        while (!spinning.load()) yield();
        terminate_child(sup, "spinner").value();
        require(log.wait_for("child_held", "spinner"));
        require_eq(count_children(sup).active, 1u);
        // Its name stays with it until it unwinds; a start that needs the name fails.
        require_eq(whereis(the_spinner), server<spins>(spinner));
        require(restart_child(sup, "spinner").error().kind == child_failure::start_failed);
        let_go = true;
        const auto ref = monitor(spinner);
        down_of(ref);
        restart_child(sup, "spinner").value();
        require(whereis(the_spinner) && whereis(the_spinner) != server<spins>(spinner));
        stop(sup);
    });
}

class never_up {
public:
    explicit never_up(pid boss) {
        send(boss, self());
        receive<atom>();
    }
};

TEST(starting_child, does_not_keep_its_supervisor_from_ending) {
    on_all_workers([] {
        trap_exit(true);
        auto sup = dynamic_supervisor::start_link().value();
        spawn([sup, boss = self()] { (void)start_child(sup, child<never_up>("slow", boss)); });
        const pid starting = receive<pid>();
        const auto ref = monitor(starting);
        exit(sup, reason::shutdown);
        require_eq(down_of(ref), reason::killed);
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    });
}

}  // namespace
}  // namespace heirloom::test
