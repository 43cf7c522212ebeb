// The examples of docs/testing.md.
#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/heirloom.hpp>
// [example headers]
#include <heirloom/explore.hpp>          // every schedule a seed gives
#include <heirloom/supervision_kit.hpp>  // what stands in a tree, how often it was restarted
#include <heirloom/test_kit.hpp>         // require, next_incarnation, stepper
// [example end]

using namespace heirloom;
using namespace std::chrono_literals;

namespace {

// [example lease]
/// Lends a thing for a second at a time.
class lease {
public:
    struct take {
        using reply = bool;
    };
    using info = handles<idle_timeout>;
    bool handle_call(take) {
        set_idle_timeout(1s);
        return !std::exchange(taken_, true);
    }
    void handle_info(idle_timeout) { taken_ = false; }

private:
    bool taken_ = false;
};
inline constexpr server_name<lease> the_lease{"docs.lease"};
// [example end]

// [example plain]
TEST(lease, is_lent_once) {
    runtime rt({.workers = 2});
    const int lent = rt.invoke([] {
        const auto l = start_link(the_lease).value();
        int n = 0;
        for (int i = 0; i < 3; ++i) n += call(l, lease::take{});
        stop(l);
        return n;
    });
    EXPECT_EQ(lent, 1);
}
// [example end]

// [example virtual_time]
TEST(lease, comes_back_after_a_second_of_silence) {
    runtime rt({.deterministic = {.seed = 1}});  // time is virtual: this takes no second
    rt.invoke([] {
        const auto l = start_link(the_lease).value();
        require(call(l, lease::take{}), "that it is there");
        sleep(999ms);
        require(!call(l, lease::take{}), "that it is lent");
        sleep(1001ms);
        require(call(l, lease::take{}), "that it has come back");
        stop(l);
    });
}
// [example end]

// [example stepped]
TEST(lease, comes_back_at_the_very_moment) {
    runtime rt({.deterministic = {.seed = 1}});
    stepper steps(rt);  // now the clock stands
    bool first = false;
    bool second = false;
    rt.spawn([&] {
        const auto l = start(the_lease).value();
        first = call(l, lease::take{});
        receive<atom>();
        second = call(l, lease::take{});
    });
    steps.settle();
    EXPECT_TRUE(first);
    const pid asker = rt.processes().front();
    steps.advance(1s);
    rt.send(asker, "again"_a);
    steps.settle();
    EXPECT_TRUE(second);
}
// [example end]

// [example explored]
supervisor::init_result init_lease() {
    return {.intensity = {.restarts = 100'000}, .children = {child<lease>(the_lease).shutdown(1s)}};
}

/// The tree stands under any kill: the name comes back, and the restart is counted.
void lease_survives() {
    const auto sup = supervisor::start_link(init_lease).value();
    auto last = next_incarnation(the_lease);
    for (int i = 0; i < 3; ++i) {
        exit(last, reason::kill);
        last = next_incarnation(the_lease, last);
        require(try_call(the_lease, lease::take{}).has_value(), "that a restarted lease answers");
    }
    require(restarts_of(sup, "docs.lease") == 3, "that each restart is counted");
    require(draw(tree_of(sup)) == "docs.lease\n", "that nothing else runs");
    stop(sup);
}

TEST(lease, survives_under_every_seed) {
    EXPECT_TRUE(explore(lease_survives, 100, {.name = "lease_survives"}));
}
// [example end]

// [example faults]
TEST(lease, starts_in_the_end_when_its_constructor_fails_now_and_then) {
    explore_options options;
    options.runtime.deterministic.faults = {.delay_worker = 1'000, .crash_init = 200'000};
    const auto body = [] {
        trap_exit(true);
        for (int attempt = 0; attempt < 100; ++attempt)
            if (const auto sup = supervisor::start_link(init_lease)) return stop(*sup);
        require(false, "that the tree starts in the end");
    };
    EXPECT_TRUE(explore(body, 100, options));
}
// [example end]

}  // namespace
