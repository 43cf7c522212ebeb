// The catalogue's rows about Elixir's child specifications and dynamic supervisors (el-), by their ids.
#include "children.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

TEST(conformance_behaviours, el_child_spec) {
    const auto body = [] {
        const child_spec plain = child<worker>("w", self(), "w");
        require(plain.id() == "w" && plain.restart() == permanent && plain.shutdown() == 5s);
        constexpr server_name<worker> name{"named"};
        child_spec changed =
            child<worker>(name, self(), "w").restart(transient).shutdown(1s).id("other");
        require(changed.id() == "other" && changed.restart() == transient &&
                changed.shutdown() == 1s);
        child_spec copy = changed;
        copy.shutdown(2s);
        require(changed.shutdown() == 1s, "a change to a copy reached the original");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, el_dyn_start) {
    const auto body = [] {
        auto sup = dynamic_supervisor::start_link().value();
        require_same(count_children(sup), 0, 0, 0, 0);
        const child_spec same = child<worker>("same", self(), "x");
        const pid one = start_child(sup, same).value(), two = start_child(sup, same).value();
        require(one != two);
        require_same(count_children(sup), 2, 2, 0, 2);
        auto ignored = start_child(sup, child<never_starts>("i", "ignores"));
        require(ignored && !ignored->pid);
        require(start_child(sup, child<never_starts>("f", "odd")).error().kind ==
                child_failure::start_failed);
        require_same(count_children(sup), 2, 2, 0, 2);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, el_dyn_max) {
    const auto body = [] {
        auto sup = dynamic_supervisor::start_link({.max_children = 2}).value();
        const child_spec w = child<worker>("w", self(), "w").restart(temporary);
        const pid one = start_child(sup, w).value();
        require(start_child(sup, child<never_starts>("f", "odd")).error().kind ==
                child_failure::start_failed);
        (void)start_child(sup, w).value();
        require(start_child(sup, w).error().kind == child_failure::max_children);
        end_process(one);
        require(bool(start_child(sup, w)));
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, el_dyn_terminate) {
    const auto body = [] {
        auto sup = dynamic_supervisor::start_link().value();
        const pid one = start_child(sup, child<worker>("w", self(), "w")).value();
        require(bool(terminate_child(sup, one)));
        require(!is_alive(one));
        require(terminate_child(sup, one).error().kind == child_failure::not_found);
        require(terminate_child(sup, self()).error().kind == child_failure::not_found);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, el_dyn_restart) {
    const auto body = [] {
        trap_exit(true);
        auto table = mood();
        auto sup = dynamic_supervisor::start_link({.intensity = {.restarts = 3}}).value();
        const pid one = start_child(sup, child<moody>("m", table)).value();
        const pid other =
            start_child(sup, child<worker>("w", self(), "w").restart(transient)).value();
        end_process(one);
        while (count_children(sup).active < 2) yield();
        require(is_alive(other));
        end_child_by(other, {reason::normal, false});
        require_same(count_children(sup), 1, 1, 0, 1);
        table.insert("fail"_a, 1);
        end_process(which_children(sup)[0].pid);
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// A restart that says ignore: a dynamic supervisor drops the child.
TEST(conformance_behaviours, el_dyn_restart_ignored) {
    const auto body = [] {
        auto table = mood();
        for (const bool simple_one : {false, true}) {
            table.insert("ignore"_a, 0);
            const child_spec spec = child<in_the_mood>("m", table);
            auto sup =
                simple_one
                    ? supervisor::start_link({.strategy = simple_one_for_one, .children = {spec}})
                          .value()
                    : dynamic_supervisor::start_link().value();
            const pid m = simple_one ? start_child(sup).value() : start_child(sup, spec).value();
            table.insert("ignore"_a, 1);
            end_process(m);
            while (count_children(sup).workers != 0) yield();
            require(which_children(sup).empty());
            table.insert("ignore"_a, 0);
            (void)(simple_one ? start_child(sup).value() : start_child(sup, spec).value());
            require_eq(count_children(sup).active, 1u);
            stop(sup);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, el_dyn_shutdown) {
    const auto body = [] {
        trap_exit(true);
        auto sup = dynamic_supervisor::start_link().value();
        // One after the other they would take 20 times as long.
        const int count = 20;
        std::vector<monitor_ref> refs;
        for (int i = 0; i < count; ++i)
            refs.push_back(
                monitor(start_child(sup, child<stubborn>("s", self()).shutdown(100ms)).value()));
        for (int i = 0; i < count; ++i) require_eq(next_said(), "stubborn up");
        const auto before = std::chrono::steady_clock::now();
        exit(sup, reason::shutdown);
        for (auto& ref : refs) require_eq(down_of(ref), reason::killed);
        require(std::chrono::steady_clock::now() - before < 1900ms, "one after the other");
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
