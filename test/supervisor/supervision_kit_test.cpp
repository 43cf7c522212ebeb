// Supervision under every seed: the kit that looks at trees, and trees that faults strike.
#include "heirloom/explore.hpp"
#include "heirloom/heirloom.hpp"
#include "heirloom/supervision_kit.hpp"
#include "support/effort.hpp"

#include <gtest/gtest.h>

using namespace heirloom;
using namespace std::chrono_literals;

namespace {

class tally {
public:
    struct next {
        using reply = long;
    };
    long handle_call(next) { return ++count_; }
    void terminate(const exit_reason&) {}

private:
    long count_ = 0;
};
inline constexpr server_name<tally> the_tally{"kit.tally"};
constexpr restart_intensity without_end{.restarts = 100'000, .within = 1s};

supervisor::init_result small_tree() {
    supervisor::init_result below{.intensity = without_end, .children = {child<tally>("leaf")}};
    return {.intensity = without_end,
            .children = {child<tally>(the_tally), child<supervisor>("below", below)}};
}

void kill_and_wait(server<supervisor> sup, std::size_t times) {
    auto last = next_incarnation(the_tally);
    for (std::size_t i = 0; i < times; ++i) {
        exit(last, reason::kill);
        last = next_incarnation(the_tally, last);
        require(call(last, tally::next{}) == 1, "that a restarted server begins anew");
    }
    require(restarts_of(sup, "kit.tally") == times, "that every restart is counted");
}

}  // namespace

TEST(supervision_kit, draws_the_tree) {
    const auto found = explore(
        [] {
            const auto sup = supervisor::start_link(small_tree()).value();
            require(draw(tree_of(sup)) == "kit.tally\nbelow\n  leaf\n", draw(tree_of(sup)));
            require(terminate_child(sup, "kit.tally").has_value(), "that it can be stopped");
            require(draw(tree_of(sup)) == "kit.tally (stopped)\nbelow\n  leaf\n",
                    draw(tree_of(sup)));
        },
        test::seeds());
    EXPECT_TRUE(found);
}

TEST(supervision_kit, counts_restarts_and_waits_for_the_next_incarnation) {
    const auto found = explore(
        [] { kill_and_wait(supervisor::start_link(small_tree()).value(), 3); }, test::seeds());
    EXPECT_TRUE(found);
}

TEST(supervision, comes_through_crashes_in_init_and_terminate_under_every_seed) {
    explore_options options;
    options.runtime.deterministic.faults = {
        .delay_worker = 1'000, .crash_init = 200'000, .crash_terminate = 300'000};
    const auto found = explore(
        [] {
            trap_exit(true);
            for (int attempt = 0;; ++attempt) {
                require(attempt < 100, "that the tree starts in the end");
                const auto sup = supervisor::start_link(small_tree());
                if (!sup) continue;
                auto last = next_incarnation(the_tally);
                for (int i = 0; i < 3; ++i) {
                    exit(last, i == 0 ? exit_reason("struck"_a) : exit_reason(reason::kill));
                    last = next_incarnation(the_tally, last);
                }
                const auto watch = monitor(*sup);
                exit(*sup, reason::shutdown);
                receive(when(watch, [](const down&) {}));
                break;
            }
            require(processes().size() == 1, "that nobody is left");
            require(registered().empty(), "that every name is free");
        },
        test::seeds(), options);
    EXPECT_TRUE(found);
}

TEST(supervision, loses_nobody_when_anybody_is_killed_anywhere) {
    explore_options options;
    options.runtime.deterministic.faults = {.kill = 2'000};
    const auto found = explore(
        [] {
            trap_exit(true);
            for (int round = 0; round < 3; ++round) {
                if (const auto sup = supervisor::start_link(small_tree())) {
                    for (int i = 0; i < 10; ++i) {
                        (void)try_call(the_tally, tally::next{}, 1ms);
                        yield();
                    }
                    const auto watch = monitor(*sup);
                    exit(*sup, reason::shutdown);
                    receive(when(watch, [](const down&) {}));
                }
                // Those whose supervisor was killed, also while it started them, end by the link, a
                // little later.
                for (int i = 0; i < 1000 && processes().size() > 1; ++i) sleep(10ms);
                require(processes().size() == 1, "that nobody is left");
            }
            require(registered().empty(), "that every name is free");
        },
        test::seeds(), options);
    EXPECT_TRUE(found);
}
