// A supervisor that is killed leaves its children dying. Its successor finds nothing of them in its way: no name, no table.
#include "inside.hpp"
#include "support/effort.hpp"

#include <random>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

using namespace std::chrono_literals;

using numbers = ets::set<long, long>;

// Has a name, and a table that has one; takes its time to end where it traps.
class holder {
public:
    struct number {
        using reply = long;
    };
    holder(const std::string& table, bool trapping)
        : table_{{.name = atom::intern(table), .access = ets::access::public_}} {
        trap_exit(trapping);
        table_.insert(1, 1);
    }
    long handle_call(number) { return table_.update_counter(1, 1); }

private:
    numbers table_;
};

inline constexpr server_name<holder> plain{"orphans.plain"}, trapping{"orphans.trapping"},
    below{"orphans.below"};
inline constexpr supervisor_name middle{"orphans.middle"}, lowest{"orphans.lowest"};

supervisor::init_result lower() { return {.children = {child<holder>(below, "orphans.c", true)}}; }
supervisor::init_result tree(restart_strategy strategy) {
    return {.strategy = strategy,
            .intensity = {.restarts = 0},
            .children = {child<holder>(plain, "orphans.a", false),
                         child<holder>(trapping, "orphans.b", true),
                         child<supervisor>(lowest, lower)}};
}
long ask(server_name<holder> who) {
    for (;;) {
        if (auto n = try_call(who, holder::number{})) return *n;
        yield();
    }
}

// Each kill is one restart: not one attempt fails.
void kill_and_wait(int kills) {
    for (int i = 0; i < kills; ++i) {
        for (auto who : {plain, trapping, below}) require_eq(ask(who), 2);
        const pid victim = whereis(middle);
        const auto watch = monitor(victim);
        exit(victim, reason::kill);
        require_eq(down_of(watch), reason::killed);
        while (!whereis(middle) || whereis(middle) == server<supervisor>(victim)) yield();
    }
}
void in_a_static_tree(restart_strategy strategy, int kills) {
    auto top = supervisor::start_link({.intensity = {.restarts = kills, .within = 1h},
                                       .children = {child<supervisor>(middle, tree, strategy)}})
                   .value();
    kill_and_wait(kills);
    require_eq(which_children(top).at(0).restarts, static_cast<std::size_t>(kills));
    stop(top);
}

TEST(orphans, are_gone_before_the_successor_of_their_supervisor_starts) {
    const auto body = [] {
        for (auto strategy : {one_for_one, one_for_all, rest_for_one})
            in_a_static_tree(strategy, static_cast<int>(scaled(100)));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(orphans, are_gone_before_the_successor_under_a_dynamic_supervisor) {
    const auto body = [] {
        const int kills = static_cast<int>(scaled(100));
        auto top = dynamic_supervisor::start_link({.intensity = {.restarts = kills, .within = 1h}})
                       .value();
        start_child(top, child<supervisor>(middle, tree, one_for_one)).value();
        kill_and_wait(kills);
        stop(top);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(orphans, are_gone_before_their_supervisor_is_started_by_request) {
    const auto body = [] {
        auto top =
            supervisor::start_link(
                {.children = {child<supervisor>(middle, tree, one_for_one).shutdown(brutal_kill)}})
                .value();
        for (int i = 0; i < 50; ++i) {
            terminate_child(top, "orphans.middle").value();
            require(!whereis(plain) && !whereis(trapping) && !whereis(lowest) && !whereis(below));
            require(!ets::whereis_any("orphans.a"_a).info());
            restart_child(top, "orphans.middle").value();
        }
        stop(top);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(orphans, that_do_not_end_hold_nobody_up_for_longer_than_the_grace) {
    const auto body = [] {
        const pid boss = self();
        const auto stubborn = [boss] {
            return spawn_link([boss] {
                trap_exit(true);
                send(boss, self());
                for (;;) receive([](exit_signal) {});
            });
        };
        const auto tree_of_one = [stubborn]() -> supervisor::init_result {
            return {.children = {child_function("stubborn", stubborn)}};
        };
        auto top = supervisor::start_link(
                       {.children = {child<supervisor>(middle, tree_of_one)}, .grace = 100ms})
                       .value();
        const pid first = receive<pid>();
        const auto before = runtime_clock::now();
        exit(whereis(middle), reason::kill);
        const pid second = receive<pid>();
        const duration took = runtime_clock::now() - before;
        require(first != second && is_alive(first));
        require(took >= 100ms && took < 1s, std::to_string(took.count()));
        require_eq(which_children(top).at(0).restarts, 1u);
        exit(first, reason::kill);
        exit(second, reason::kill);
        stop(top);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(orphans, are_gone_for_every_seed) {
    for (std::size_t seed = 1; seed <= seeds(); ++seed) {
        runtime rt({.workers = static_cast<unsigned>(1 + seed % 4),
                    .deterministic = {.seed = seed, .faults = {.delay_worker = 2'000}},
                    .log = no_log()});
        const auto body = [seed] {
            constexpr restart_strategy all[] = {one_for_one, one_for_all, rest_for_one};
            in_a_static_tree(all[seed % 3], 5);
        };
        ASSERT_TRUE(holds_inside(rt, body)) << "seed " << seed;
    }
}

}  // namespace
}  // namespace heirloom::test
