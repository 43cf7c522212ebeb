// Edges of OTP's and Elixir's behaviours that no row of the catalogue names.
#include "children.hpp"
#include "servers.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <heirloom/explore.hpp>

namespace heirloom::test {
namespace {

using texts = std::vector<std::string>;

// --- Supervisors -----------------------------------------------------------------------------------------------------

// A start function runs in the supervisor: a question to that is one to itself.
TEST(start_function, that_asks_its_own_supervisor_fails_at_once) {
    const auto body = [] {
        constexpr supervisor_name name{"edges.asked"};
        auto sup = supervisor::start_link(name, {}).value();
        const auto before = runtime_clock::now();
        const auto r = start_child(sup, child_function("c", [name] {
                                       (void)count_children(name);
                                       return pid();
                                   }));
        require(!r && r.error().reason == exit_reason("calling_self"_a),
                r ? "it started" : text_of(r.error().reason));
        require(runtime_clock::now() - before < 1s);
        require_same(count_children(sup), 0, 0, 0, 0);
        stop(sup);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

// OTP: the child is kept, undefined; it counts as restarted, and the rest of its group starts.
TEST(restart, that_says_ignore_keeps_the_child_stopped_and_the_group_goes_on) {
    for (const restart_strategy s : {one_for_one, one_for_all, rest_for_one}) {
        const auto body = [s] {
            auto table = mood();
            auto sup = supervisor::start_link({.strategy = s,
                                               .intensity = {.restarts = 1, .within = 1h},
                                               .children = {child<in_the_mood>("m", table),
                                                            child<worker>("w", self(), "w")}})
                           .value();
            const pid w = pid_of(sup, "w");
            table.insert("ignore"_a, 1);
            end_process(pid_of(sup, "m"));
            while (status_of(sup, "m") != child_status::stopped || !pid_of(sup, "w")) yield();
            require_same(count_children(sup), 2, 1, 0, 2);
            require((pid_of(sup, "w") == w) == (s == one_for_one));
            require_eq(which_children(sup)[0].recent_restarts, 1u);
            table.insert("ignore"_a, 0);
            require(bool(restart_child(sup, "m")));
            stop(sup);
        };
        EXPECT_TRUE(holds_in_virtual_time(body));
    }
}

// A child that asks its supervisor to end it is ended while it waits for the answer.
class ends_itself {
public:
    struct go {};
    ends_itself(supervisor_name sup, pid boss) : sup_(sup), boss_(boss) {}
    ~ends_itself() { try_send(boss_, std::string("destroyed")); }
    void handle_cast(go) {
        terminate_child(sup_, "e").value();
        try_send(boss_, std::string("went on"));
    }

private:
    supervisor_name sup_;
    pid boss_;
};

TEST(terminate_child, by_the_child_itself_ends_it) {
    const auto body = [] {
        constexpr supervisor_name name{"edges.suicide"};
        auto sup =
            supervisor::start_link(name, {.children = {child<ends_itself>("e", name, self())}})
                .value();
        const server<ends_itself> e = find_child<ends_itself>(sup);
        const auto ref = monitor(e);
        cast(e, ends_itself::go{});
        require_eq(down_of(ref), reason::shutdown);
        require_eq(receive<std::string>(), "destroyed");
        require(status_of(sup, "e") == child_status::stopped);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// --- sys --------------------------------------------------------------------------------------------------------------

TEST(sys_suspended, server_stops_and_dies_and_tells_those_who_wait) {
    const auto body = [] {
        const std::pair<exit_reason, std::function<void(server<dummy>)>> ends[] = {
            {"told"_a, [](server<dummy> s) { stop(s, "told"_a); }},
            {reason::killed, [](server<dummy> s) { exit(s, reason::kill); }}};
        for (const auto& [why, end] : ends) {
            auto s = start<dummy>().value();
            sys::suspend(s);
            auto waits = send_request(s, dummy::get{});
            auto calls = async_nolink([s] { return call(s, dummy::get{}, forever); });
            while (process_info(calls.pid())->status != process_status::waiting) yield();
            cast(s, dummy::order{std::string(100, 'x')});  // destroyed, though never handled
            (void)sys::get_status(s);                      // all of that is on the shelf by now
            const auto ref = monitor(s);
            end(s);
            require_eq(down_of(ref), why);
            require_eq(receive_response(waits).error().reason, why);
            require_eq(yield(calls, 5s)->error().reason, why);
        }
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

struct lamp {
    struct on {};
    struct off {};
    using states = one_of<on, off>;
    struct is_on {
        using reply = bool;
    };
    lamp() { set_state_timeout(10ms); }
    bool handle_event(on, is_on) { return true; }
    bool handle_event(off, is_on) { return false; }
    void handle_event(on, state_timeout) { next_state<off>(); }
};

TEST(sys_suspended, machine_keeps_its_timeouts_for_later) {
    const auto body = [] {
        auto m = start<lamp>().value();
        sys::suspend(m);
        sleep(1s);
        require(sys::get_status(m).state.ends_with("on"), sys::get_status(m).state);
        sys::resume(m);
        require(!call(m, lamp::is_on{}));
        require(sys::get_status(m).state.ends_with("off"));
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

// --- Agents, registries, events, applications ----------------------------------------------------------------------------

TEST(agent, ends_by_a_function_that_throws_whichever_verb_brought_it) {
    const auto body = [] {
        using verb = std::function<void(const agent<long>&)>;
        const auto fails = [](auto&&...) -> long { throw std::runtime_error("bad"); };
        const std::pair<bool, verb> verbs[] = {
            {true, [=](const agent<long>& a) { (void)a.get(fails); }},
            {true, [=](const agent<long>& a) { a.update(fails); }},
            {true, [=](const agent<long>& a) { (void)a.get_and_update(fails); }},
            {false, [=](const agent<long>& a) { a.cast(fails); }}};
        for (const auto& [answers, use] : verbs) {
            auto a = agent<long>::start([] { return 1L; }).value();
            const auto ref = monitor(a);
            if (answers)
                require(call_failure([&] { use(a); }).is_crash());
            else
                use(a);
            require(down_of(ref).is_crash());
        }
        // One that exits gives its own reason.
        auto a = agent<long>::start([] { return 1L; }).value();
        require_eq(call_failure([&] { a.update([](long&) { exit("mine"_a); }); }),
                   exit_reason("mine"_a));
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

using rooms = registry<std::string, int>;
inline constexpr server_name<rooms> edge_rooms{"edges.rooms"};

TEST(registry, changes_and_takes_out_what_is_the_caller_s_alone) {
    const auto body = [] {
        auto r = start_link(edge_rooms, registry_keys::unique).value();
        auto [other, watch] = spawn_monitor([boss = self()] {
            register_key(edge_rooms, "theirs", 1).value();
            send(boss, "in"_a);
            receive<atom>();
        });
        receive<atom>();
        require(!update_value(edge_rooms, "theirs", [](int) { return 99; }));
        unregister_key(edge_rooms, "theirs");
        require_eq(lookup(edge_rooms, "theirs").at(0), (std::pair{other, 1}));
        // A key of one's own is taken too.
        register_key(edge_rooms, "mine", 1).value();
        const auto again = register_key(edge_rooms, "mine", 2);
        require(!again && again.error().process == self());
        require_eq(lookup(edge_rooms, "mine").at(0).second, 1);
        // Who has seen the end finds the key free, also to take it.
        exit(other, reason::kill);
        down_of(watch);
        register_key(edge_rooms, "theirs", 2).value();
        require_eq(keys_of(edge_rooms, self()), texts{"mine", "theirs"});
        stop(r);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(registry, stays_linked_to_who_started_it) {
    const auto body = [] {
        auto [starter, ref] = spawn_monitor([boss = self()] {
            auto r = start_link(edge_rooms, registry_keys::unique).value();
            register_key(edge_rooms, "a", 1).value();
            unregister_key(edge_rooms, "a");
            send(boss, pid(r));
            receive<atom>();
            exit("over"_a);
        });
        const pid r = receive<pid>();
        require_eq(process_info(r)->links, std::vector<pid>{starter});
        const auto gone = monitor(r);
        send(starter, "go"_a);
        require_eq(down_of(ref), exit_reason("over"_a));
        require_eq(down_of(gone), exit_reason("over"_a));
        // A stranger's link goes with its last entry.
        auto other = start(edge_rooms, registry_keys::unique).value();
        register_key(edge_rooms, "a", 1).value();
        require_eq(process_info(other)->links.size(), 1u);
        unregister_key(edge_rooms, "a");
        require_eq(process_info(other)->links.size(), 0u);
        stop(other);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(registry, forgets_who_died_while_it_was_being_registered) {
    explore_options opts;
    opts.name = "registration_race";
    const auto found = explore(
        [] {
            auto r = start_link(edge_rooms, registry_keys::duplicate).value();
            std::vector<monitor_ref> gone;
            for (int i = 0; i < 4; ++i) {
                auto [p, ref] = spawn_monitor([i] { (void)register_key(edge_rooms, "k", i); });
                if (i % 2 == 0) yield();
                exit(p, reason::kill);
                gone.push_back(ref);
            }
            for (const auto& ref : gone) down_of(ref);
            // Whoever is dispatched to may be dead by then; afterwards nobody is listed.
            dispatch(edge_rooms, "k", [](pid who, int) { send(who, 1); });
            require_eq(count_entries(edge_rooms), 0u);
            require(process_info(r)->links.size() == 1);  // us
            stop(r);
        },
        {200}, opts);
    EXPECT_TRUE(found) << found.why;
}

struct asks_its_manager {
    explicit asks_its_manager(int) {}
    void handle_event(int) { (void)which_handlers(server<event_manager<int>>(self())); }
};

TEST(event_handler, that_asks_its_own_manager_is_taken_out_at_once) {
    const auto body = [] {
        auto m = start<event_manager<int>>().value();
        require(add_linked_handler<asks_its_manager>(m, "a"_a, 0));
        sync_notify(m, 1);
        require_eq(receive<handler_gone>().reason, exit_reason("calling_self"_a));
        require(which_handlers(m).empty());
        // Its owner had died before it was added: it is gone again.
        auto [owner, ref] = spawn_monitor([] {});
        down_of(ref);
        stop(m);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(application_start, that_starts_another_fails_instead_of_waiting_for_itself) {
    const auto body = [] {
        application inner{.name = "inner", .start = [] { return supervisor::start_link({}); }};
        application outer{.name = "outer", .start = [] {
                              start_application("inner").value();
                              return supervisor::start_link({});
                          }};
        auto c = start(the_applications, std::vector<application>{inner, outer}).value();
        const auto r = start_application("outer");
        require(!r && r.error().kind == application_failure::start_failed);
        require_eq(r.error().reason, exit_reason("calling_self"_a));
        require(which_applications().empty());
        require(bool(start_application("inner")));
        stop(c);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

// --- Starting ----------------------------------------------------------------------------------------------------------

// OTP: {timeout, T}. The name is free and nothing arrives, however the limit and the end of init meet.
class takes_a_while {
public:
    explicit takes_a_while(duration how_long) { sleep(how_long); }
};
inline constexpr server_name<takes_a_while> a_slow_one{"edges.slow"};

TEST(start_limit, that_meets_the_end_of_init_gives_one_or_the_other) {
    explore_options opts;
    opts.name = "start_limit_race";
    const auto found = explore(
        [] {
            trap_exit(true);
            auto s = start_link(start_options{.limit = 10ms}, a_slow_one, duration(10ms));
            if (s) {
                require(whereis(a_slow_one) == *s);
                stop(*s);
                require_eq(receive<exit_signal>().reason, reason::normal);
            } else {
                require(s.error().kind == start_failure::timed_out);
                require(!is_alive(s.error().process) && !whereis(a_slow_one));
            }
            require_clean();
        },
        {200}, opts);
    EXPECT_TRUE(found) << found.why;
}

}  // namespace
}  // namespace heirloom::test
