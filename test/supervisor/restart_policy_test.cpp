// What goes beyond OTP: back-off, budgets of one child, held children; and a supervisor that ends while it starts one.
#include "servers.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

class cell {};

class dies_at_once {
public:
    explicit dies_at_once(pid boss) {
        send(boss, runtime_clock::now());
        continue_with([] { exit("at_once"_a); });
    }
};

TEST(back_off, waits_longer_and_longer_and_never_revives_a_child_that_was_stopped) {
    runtime rt({.workers = 1, .deterministic = {.seed = 5}, .log = no_log()});
    const auto body = [] {
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
    };
    EXPECT_TRUE(holds_inside(rt, body));
}

// Lives for as long as it is told by whoever it sends the time of its start.
class dies_when_told {
public:
    explicit dies_when_told(pid boss) {
        send(boss, runtime_clock::now());
        continue_with([boss] {
            send(boss, self());
            sleep(receive<duration>());
            exit("told"_a);
        });
    }
};

TEST(back_off, starts_again_after_a_child_has_lived_for_a_while) {
    const auto body = [] {
        auto sup = supervisor::start_link(
                       {.intensity = {.restarts = 100},
                        .children = {child<dies_when_told>("d", self())
                                         .delay({.initial = 10ms, .reset_after = 1min})}})
                       .value();
        // How long it lives, and how long it then waits.
        const std::pair<duration, duration> lives[] = {
            {1s, 10ms}, {1s, 20ms}, {1s, 40ms}, {61s, 10ms}, {1s, 20ms}};
        auto started = receive<time_point>();
        for (const auto& [life, wanted] : lives) {
            send(receive<pid>(), life);
            const auto next = receive<time_point>();
            const duration waited = next - started - life;
            require(waited >= wanted && waited < wanted + 5ms, std::to_string(waited.count()));
            started = next;
        }
        stop(sup);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(budget, of_one_child_stops_that_child_alone) {
    const auto body = [] {
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
    };
    EXPECT_TRUE(holds_on_all_workers(body));
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
    const auto body = [&] {
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
    };
    EXPECT_TRUE(holds_inside(rt, body));
}

class never_up {
public:
    explicit never_up(pid boss) {
        send(boss, self());
        receive<atom>();
    }
};

TEST(starting_child, does_not_keep_its_supervisor_from_ending) {
    const auto body = [] {
        trap_exit(true);
        auto sup = dynamic_supervisor::start_link().value();
        spawn([sup, boss = self()] { (void)start_child(sup, child<never_up>("slow", boss)); });
        const pid starting = receive<pid>();
        const auto ref = monitor(starting);
        exit(sup, reason::shutdown);
        require_eq(down_of(ref), reason::killed);
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
