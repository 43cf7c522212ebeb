// The catalogue's rows about restarts and their intensity (sv-), by their ids.
#include "children.hpp"

#include <string>
#include <vector>

namespace heirloom::test {
namespace {

// --- When is what restarted ---------------------------------------------------------------------------------------

TEST(conformance_behaviours, sv_permanent) {
    const auto body = [] {
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one}) {
            auto sup = supervisor::start_link(three(self(), s)).value();
            for (const ending& how : endings()) {
                const pid b = pid_of(sup, "b");
                end_child_by(b, how);
                wait_for_new(sup, "b", b);
                require_eq(ids_of(sup), std::vector<std::string>{"a", "b", "c"});
            }
            stop(sup);
        }
        auto sup = supervisor::start_link(simple(self())).value();
        (void)start_child(sup, "x").value();
        for (const ending& how : endings()) {
            const pid x = which_children(sup).at(0).pid;
            end_child_by(x, how);
            wait_for_new(sup, "worker", x);
        }
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_transient) {
    const auto body = [] {
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one})
            for (const ending& how : endings()) {
                auto sup = supervisor::start_link(three(self(), s, transient)).value();
                const pid b = pid_of(sup, "b"), a = pid_of(sup, "a");
                end_child_by(b, how);
                if (how.why.is_orderly()) {
                    require(status_of(sup, "b") == child_status::stopped);
                    require_eq(pid_of(sup, "a"), a);
                    require_same(count_children(sup), 3, 2, 0, 3);
                    require(bool(restart_child(sup, "b")));
                } else {
                    wait_for_new(sup, "b", b);
                }
                stop(sup);
            }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_temporary) {
    const auto body = [] {
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one})
            for (const ending& how : endings()) {
                auto sup = supervisor::start_link(
                               {.strategy = s,
                                .intensity = {.restarts = 0},
                                .children = {child<worker>("a", self(), "a").restart(temporary)}})
                               .value();
                end_child_by(pid_of(sup, "a"), how);
                require(which_children(sup).empty());
                require_same(count_children(sup), 0, 0, 0, 0);
                stop(sup);
            }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_spec_after_exit) {
    const auto body = [] {
        const pid boss = self();
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one}) {
            auto sup = supervisor::start_link(
                           {.strategy = s,
                            .intensity = {.restarts = 100},
                            .children = {child<worker>("permanent", boss, "p"),
                                         child<worker>("transient", boss, "t").restart(transient),
                                         child<worker>("stopped", boss, "s"),
                                         child<worker>("temporary", boss, "x").restart(temporary)}})
                           .value();
            auto again = [&](std::string id) {
                return start_child(sup, child<worker>(id, boss, id));
            };
            end_child_by(pid_of(sup, "temporary"), {reason::normal, false});
            end_child_by(pid_of(sup, "transient"), {reason::normal, false});
            require(bool(terminate_child(sup, "stopped")));
            require(again("transient").error().kind == child_failure::already_present);
            require(again("stopped").error().kind == child_failure::already_present);
            require(bool(again("temporary")));
            const pid p = pid_of(sup, "permanent");
            end_child_by(p, {reason::killed, true});
            const pid now = wait_for_new(sup, "permanent", p);
            auto running = again("permanent");
            require(running.error().kind == child_failure::already_started &&
                    running.error().process == now);
            stop(sup);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_one_for_one) {
    const auto body = [] {
        auto sup = supervisor::start_link(three(self())).value();
        const pid a = pid_of(sup, "a"), b = pid_of(sup, "b"), c = pid_of(sup, "c");
        end_process(b);
        wait_for_new(sup, "b", b);
        require_eq(pid_of(sup, "a"), a);
        require_eq(pid_of(sup, "c"), c);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

supervisor::init_result three_trapping(pid boss, restart_strategy s) {
    return {.strategy = s,
            .intensity = {.restarts = 100},
            .children = {child<worker>("a", boss, "a", true), child<worker>("b", boss, "b", true),
                         child<worker>("c", boss, "c", true), child<worker>("d", boss, "d", true)}};
}

TEST(conformance_behaviours, sv_one_for_all) {
    const auto body = [] {
        auto sup = supervisor::start_link(three_trapping(self(), one_for_all)).value();
        said_so_far();
        const pid b = pid_of(sup, "b"), a = pid_of(sup, "a"), d = pid_of(sup, "d");
        end_process(b);
        wait_for_new(sup, "d", d);
        require_eq(said_so_far(),
                   std::vector<std::string>{"d down shutdown", "c down shutdown", "a down shutdown",
                                            "a up", "b up", "c up", "d up"});
        require(pid_of(sup, "a") != a);
        require_eq(which_children(sup)[0].recent_restarts, 1u);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_rest_for_one) {
    const auto body = [] {
        auto sup = supervisor::start_link(three_trapping(self(), rest_for_one)).value();
        said_so_far();
        const pid a = pid_of(sup, "a"), b = pid_of(sup, "b"), d = pid_of(sup, "d");
        end_process(b);
        wait_for_new(sup, "d", d);
        require_eq(said_so_far(), std::vector<std::string>{"d down shutdown", "c down shutdown",
                                                           "b up", "c up", "d up"});
        require_eq(pid_of(sup, "a"), a);
        require_eq(which_children(sup)[0].recent_restarts, 1u);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_dynamic_lost) {
    const auto body = [] {
        const pid boss = self();
        auto top = supervisor::start_link(
                       {.children = {child<supervisor>("inner", [boss] { return three(boss); })}})
                       .value();
        server<supervisor> inner(pid_of(top, "inner"));
        require(bool(start_child(inner, child<worker>("added", boss, "added"))));
        end_process(inner);
        server<supervisor> again(wait_for_new(top, "inner", inner));
        require_eq(ids_of(again), std::vector<std::string>{"a", "b", "c"});
        stop(top);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// Ends by itself, badly, when it is told to stop.
class crashes_when_stopped {
public:
    crashes_when_stopped() { trap_exit(true); }
    void terminate(const exit_reason&) { exit("on_its_own"_a); }
};

TEST(conformance_behaviours, sv_group_one_count) {
    const auto body = [] {
        auto sup = supervisor::start_link({.strategy = one_for_all,
                                           .intensity = {.restarts = 1, .within = 1h},
                                           .children = {child<worker>("a", self(), "a"),
                                                        child<crashes_when_stopped>("b"),
                                                        child<crashes_when_stopped>("c")}})
                       .value();
        const pid a = pid_of(sup, "a"), c = pid_of(sup, "c");
        end_process(a);
        wait_for_new(sup, "c", c);
        require_eq(which_children(sup)[0].recent_restarts, 1u);
        require(is_alive(sup));
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// --- Intensity ----------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, sv_intensity) {
    const auto body = [] {
        trap_exit(true);
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one, simple_one_for_one}) {
            const bool many = s == simple_one_for_one;
            auto sup = supervisor::start_link(many ? simple(self(), permanent, 2)
                                                   : three(self(), s, permanent, 2))
                           .value();
            if (many) (void)start_child(sup, "x").value();
            const std::string id = many ? "worker" : "a";
            for (int i = 0; i < 2; ++i) {
                const pid old = pid_of(sup, id);
                end_process(old);
                wait_for_new(sup, id, old);
            }
            std::vector<pid> all;
            for (auto& c : which_children(sup)) all.push_back(c.pid);
            said_so_far();
            end_process(pid_of(sup, id));
            require_eq(receive<exit_signal>().reason, reason::shutdown);
            for (pid p : all) require(!is_alive(p));
            for (auto& s2 : said_so_far())
                require(s2.find(" up") == std::string::npos, "restarted once too often");
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_intensity_window) {
    const auto body = [] {
        auto init = three(self(), one_for_one, permanent, 1);
        init.intensity.within = 1s;
        trap_exit(true);
        auto sup = supervisor::start_link(init).value();
        for (int i = 0; i < 4; ++i) {
            const pid a = pid_of(sup, "a");
            end_process(a);
            wait_for_new(sup, "a", a);
            sleep(2100ms);
        }
        require(is_alive(sup));
        const pid a = pid_of(sup, "a");
        end_process(a);
        wait_for_new(sup, "a", a);
        sleep(900ms);
        end_process(pid_of(sup, "a"));
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(conformance_behaviours, sv_intensity_zero) {
    const auto body = [] {
        trap_exit(true);
        auto sup =
            supervisor::start_link({.intensity = {.restarts = 0},
                                    .children = {child<worker>("t", self(), "t").restart(transient),
                                                 child<worker>("x", self(), "x").restart(temporary),
                                                 child<worker>("p", self(), "p")}})
                .value();
        end_child_by(pid_of(sup, "t"), {reason::normal, false});
        end_process(pid_of(sup, "x"));
        require_same(count_children(sup), 2, 1, 0, 2);
        end_process(pid_of(sup, "p"));
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_intensity_all_children) {
    const auto body = [] {
        trap_exit(true);
        auto sup = supervisor::start_link(three(self(), one_for_one, permanent, 2)).value();
        for (const char* id : {"a", "b"}) {
            const pid old = pid_of(sup, id);
            end_process(old);
            wait_for_new(sup, id, old);
        }
        end_process(pid_of(sup, "c"));
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_intensity_escalates) {
    const auto body = [] {
        auto table = mood();
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one, simple_one_for_one}) {
            for (restart_type when : {permanent, transient}) {
                table.insert("fail"_a, 0);
                supervisor::init_result what{.strategy = s, .intensity = {.restarts = 4}};
                if (s != simple_one_for_one)
                    what.children.push_back(child<worker>("a", self(), "a"));
                what.children.push_back(child<moody>("m", table));
                auto top = supervisor::start_link(
                               {.intensity = {.restarts = 100},
                                .children = {child<supervisor>("inner", what).restart(when)}})
                               .value();
                server<supervisor> inner(pid_of(top, "inner"));
                if (s == simple_one_for_one) start_child(inner).value();
                const auto ref = monitor(inner);
                const pid m = pid_of(inner, "m");
                table.insert("fail"_a, 1);
                end_process(m);
                require_eq(down_of(ref), reason::shutdown);
                if (when == transient) {
                    require(status_of(top, "inner") == child_status::stopped);
                } else {
                    table.insert("fail"_a, 0);
                    wait_for_new(top, "inner", inner);
                }
                stop(top);
            }
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_retry_counts) {
    const auto body = [] {
        trap_exit(true);
        auto table = mood();
        auto sup = supervisor::start_link(
                       {.intensity = {.restarts = 4}, .children = {child<moody>("m", table)}})
                       .value();
        table.insert("fail"_a, 1);
        const long before = table.at("starts"_a);
        end_process(pid_of(sup, "m"));
        require_eq(receive<exit_signal>().reason, reason::shutdown);
        require_eq(table.at("starts"_a) - before, 4);  // each failed attempt counted
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

struct restarting_tree {
    moody::storage table = mood();
    server<supervisor> sup;
    pid old;
    explicit restarting_tree(restart_strategy s = one_for_one) {
        sup = supervisor::start_link(
                  {.strategy = s,
                   .intensity = {.restarts = 1'000'000'000},
                   .children = {child<worker>("a", self(), "a"), child<moody>("m", table),
                                child<worker>("c", self(), "c")}})
                  .value();
        old = pid_of(sup, "m");
        table.insert("fail"_a, 1);
        end_process(old);
        while (status_of(sup, "m") != child_status::restarting) yield();
    }
};

TEST(conformance_behaviours, sv_retry_responsive) {
    const auto body = [] {
        restarting_tree t;
        require(status_of(t.sup, "m") == child_status::restarting);
        require_same(count_children(t.sup), 3, 2, 0, 3);
        require(start_child(t.sup, child<moody>("m", t.table)).error().kind ==
                child_failure::already_present);
        require(restart_child(t.sup, "m").error().kind == child_failure::restarting);
        require(delete_child(t.sup, "m").error().kind == child_failure::restarting);
        t.table.insert("fail"_a, 0);
        wait_for_new(t.sup, "m", t.old);
        stop(t.sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_retry_terminate) {
    const auto body = [] {
        restarting_tree t;
        require(bool(terminate_child(t.sup, "m")));
        require(status_of(t.sup, "m") == child_status::stopped);
        const long starts = t.table.at("starts"_a);
        for (int i = 0; i < 20; ++i) (void)count_children(t.sup);
        require_eq(t.table.at("starts"_a), starts);  // the attempts have ended
        t.table.insert("fail"_a, 0);
        require(bool(restart_child(t.sup, "m")));
        stop(t.sup);

        auto table = mood();
        auto many = supervisor::start_link({.strategy = simple_one_for_one,
                                            .intensity = {.restarts = 1'000'000'000},
                                            .children = {child<moody>("m", table)}})
                        .value();
        const pid one = start_child(many).value();
        table.insert("fail"_a, 1);
        end_process(one);
        while (count_children(many).active != 0) yield();
        require_same(count_children(many), 1, 0, 0, 1);
        require(bool(terminate_child(many, one)), "by the old pid");
        require_same(count_children(many), 1, 0, 0, 0);
        stop(many);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_retry_shutdown) {
    const auto body = [] {
        trap_exit(true);
        constexpr supervisor_name name{"retrying"};
        for (restart_strategy s : {one_for_one, rest_for_one, one_for_all, simple_one_for_one}) {
            auto table = mood();
            supervisor::init_result what{.strategy = s, .intensity = {.restarts = 1'000'000'000}};
            if (s != simple_one_for_one) what.children.push_back(child<worker>("a", self(), "a"));
            what.children.push_back(child<moody>("m", table));
            auto sup = supervisor::start_link(name, std::move(what)).value();
            if (s == simple_one_for_one) start_child(sup).value();
            table.insert("fail"_a, 1);
            end_process(pid_of(sup, "m"));
            while (status_of(sup, "m") != child_status::restarting) yield();
            exit(sup, reason::shutdown);
            require_eq(receive<exit_signal>().reason, reason::shutdown);
            require(!whereis(name), "its name is not free");
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_retry_rest_for_one) {
    const auto body = [] {
        restarting_tree t(rest_for_one);
        require(status_of(t.sup, "a") == child_status::running);
        require(status_of(t.sup, "m") == child_status::restarting);
        require(status_of(t.sup, "c") == child_status::stopped);
        require_same(count_children(t.sup), 3, 1, 0, 3);
        require(bool(terminate_child(t.sup, "m")));
        require_eq(ids_of(t.sup), std::vector<std::string>{"a", "m", "c"});
        stop(t.sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sv_retry_rest_other) {
    const auto body = [] {
        auto table = mood();
        auto sup = supervisor::start_link(
                       {.strategy = rest_for_one,
                        .intensity = {.restarts = 1'000'000'000},
                        .children = {child<worker>("a", self(), "a"),
                                     child<worker>("b", self(), "b"), child<moody>("m", table)}})
                       .value();
        const pid b = pid_of(sup, "b"), m = pid_of(sup, "m");
        table.insert("fail"_a, 1);
        end_process(b);
        while (status_of(sup, "m") != child_status::restarting) yield();
        const pid b2 = pid_of(sup, "b");
        require(b2 && b2 != b);
        table.insert("fail"_a, 0);
        wait_for_new(sup, "m", m);
        require_eq(pid_of(sup, "b"), b2);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
