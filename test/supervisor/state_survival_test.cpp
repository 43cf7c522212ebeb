// What survives, whoever dies whenever; and what a server can do when what survived is what kills it.
#include "children.hpp"

#include <optional>
#include <string>
#include <vector>

#include <heirloom/explore.hpp>
#include <heirloom/supervision_kit.hpp>

namespace heirloom::test {
namespace {

// --- restarted(): what a server knows of its earlier lives --------------------------------------------------------------

struct life {
    std::string id;
    restart_history past;
};

/// Reports its history, and lives as long as it is told: 0, it does not even start.
class lives {
public:
    lives(pid boss, std::string id, pid script = {}) {
        try_send(boss, life{id, restarted()});
        if (!script) return;
        send(script, self());
        const duration span = receive<duration>();
        if (span == 0s) throw std::runtime_error("no start");
        continue_with([span] {
            sleep(span);
            exit("spent"_a);
        });
    }
    struct ask_late {
        using reply = bool;
    };
    bool handle_call(ask_late) {
        try {
            (void)restarted();
            return true;
        } catch (const bad_argument&) {
            return false;
        }
    }
};

void require_life(std::string_view id, std::size_t restarts, std::size_t in_a_row,
                  std::string_view last,
                  std::source_location where = std::source_location::current()) {
    const auto l = receive<life>();
    const std::string text = l.id + " " + std::to_string(l.past.restarts) + " " +
                             std::to_string(l.past.in_a_row) + " " + to_string(l.past.last);
    require(l.id == id && l.past.restarts == restarts && l.past.in_a_row == in_a_row &&
                to_string(l.past.last).find(last) != std::string::npos,
            text, where);
}

TEST(restarted, counts_lives_that_were_short_and_failed_starts_in_a_row) {
    const auto body = [] {
        for (const bool dynamic : {false, true}) {
            const child_spec spec = child<lives>("a", self(), "a", self());
            const restart_intensity often{.restarts = 100, .within = 5s};
            // The supervisor waits for the child, and the child for us: so somebody else starts them.
            const pid starter = spawn([=] {
                if (dynamic) {
                    auto sup = dynamic_supervisor::start_link({.intensity = often}).value();
                    (void)start_child(sup, spec);
                } else {
                    (void)supervisor::start_link({.intensity = often, .children = {spec}});
                }
                receive<atom>();
            });
            const auto next_lives = [](duration span) { send(receive<pid>(), span); };
            require_life("a", 0, 0, "normal");
            next_lives(1s);
            require_life("a", 1, 1, "spent");
            next_lives(0s);
            require_life("a", 2, 2, "no start");
            next_lives(1s);
            require_life("a", 3, 3, "spent");
            next_lives(6s);  // longer than the period
            require_life("a", 4, 1, "spent");
            next_lives(1s);
            require_life("a", 5, 2, "spent");
            exit(starter, reason::kill);
            (void)receive<pid>();
        }
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(restarted, is_of_the_child_that_ended_not_of_those_restarted_with_it) {
    const auto body = [] {
        require_throws<bad_argument>([] { (void)restarted(); });
        auto sup = supervisor::start_link({.strategy = one_for_all,
                                           .intensity = {.restarts = 100},
                                           .children = {child<lives>("a", self(), "a"),
                                                        child<lives>("b", self(), "b")}})
                       .value();
        require_life("a", 0, 0, "normal");
        require_life("b", 0, 0, "normal");
        for (std::size_t n : {std::size_t{1}, std::size_t{2}}) {
            exit(pid_of(sup, "b"), "bad"_a);
            require_life("a", 0, 0, "normal");
            require_life("b", n, n, "bad");
        }
        require(!call(find_child<lives>(sup), lives::ask_late{}));
        // Nobody's child.
        auto alone = start<lives>(self(), "alone").value();
        require_life("alone", 0, 0, "normal");
        stop(alone);
        stop(sup);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

// State that ends its server whenever it is restored: without a look at its earlier lives the server would use up the
// intensity, and its supervisors' after it.
class careful {
public:
    using storage = ets::set<atom, long>;
    struct put {
        using reply = long;
        long n;
    };
    explicit careful(storage table) : table_(table) {
        if (restarted().in_a_row >= 2) {
            table_.insert("aside"_a, table_.at("state"_a));
            table_.insert("state"_a, 0);
        }
        if (table_.at("state"_a) < 0) throw std::logic_error("poisoned");
    }
    long handle_call(put p) {
        table_.insert("state"_a, p.n);
        if (p.n < 0) throw std::logic_error("poison");
        return p.n;
    }

private:
    storage table_;
};
inline constexpr server_name<careful> the_careful{"careful"};

TEST(poisoned_state, is_put_aside_and_the_tree_lives_on) {
    const auto body = [] {
        careful::storage table({.access = ets::access::public_});
        table.insert("state"_a, 0);
        auto sup = supervisor::start_link({.intensity = {.restarts = 3, .within = 5s},
                                           .children = {child<careful>(the_careful, table)}})
                       .value();
        for (long n = 1; n < 20; ++n) {
            require_eq(call(the_careful, careful::put{n}), n);
            if (n % 5 != 0) continue;
            require(call_failure([&] { call(the_careful, careful::put{-n}); }).is_crash());
            sleep(6s);  // longer than the period: the next crash is the first in a row again
            require_eq(table.at("aside"_a), -n);
        }
        stop(sup);
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

// --- Agents whose value outlives them ------------------------------------------------------------------------------------

inline constexpr agent_name<long> the_kept{"kept.agent"};
using rows = ets::set<atom, long>;

supervisor::init_result init_kept() {
    auto table =
        rows::claim_or_create({.name = "kept.rows", .access = ets::access::public_, .keep = true});
    return {.intensity = {.restarts = 1'000'000, .within = 1s},
            .children = {agent<long>::kept_child(the_kept, table, "n"_a, [] { return 100L; })}};
}

TEST(kept_agent, goes_on_from_the_last_value_that_anybody_heard_of) {
    const auto body = [] {
        auto sup = supervisor::start_link(init_kept).value();
        require_eq(the_kept.get([](long n) { return n; }), 100);
        require_eq(the_kept.get_and_update([](long& n) { return ++n; }), 101);
        the_kept.update([](long n) { return n + 1; });
        the_kept.cast([](long& n) { ++n; });
        require_eq(the_kept.get([](long n) { return n; }), 103);
        auto last = next_incarnation(the_kept.target());
        // A function that fails half way leaves nothing behind.
        require(call_failure([] {
                    the_kept.update([](long& n) {
                        n = -1;
                        throw std::runtime_error("half way");
                    });
                }).is_crash());
        last = next_incarnation(the_kept.target(), last);
        require_eq(the_kept.get([](long n) { return n; }), 103);
        exit(last, reason::kill);
        last = next_incarnation(the_kept.target(), last);
        require_eq(the_kept.get([](long n) { return n; }), 103);
        // Its supervisor too.
        trap_exit(true);
        const auto ref = monitor(last);
        exit(sup, reason::kill);
        down_of(ref);
        sup = supervisor::start_link(init_kept).value();
        require_eq(the_kept.get_and_update([](long& n) { return ++n; }), 104);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// Anybody may be killed anywhere: what was answered is never taken back, and the tree always comes back.
TEST(kept_agent, loses_nothing_when_anybody_is_killed_anywhere) {
    explore_options opts;
    opts.name = "kept_agent_storm";
    opts.runtime.deterministic.faults = {.kill = 3'000, .crash_init = 20'000};
    const auto found = explore(
        [] {
            trap_exit(true);
            long last = 100;
            for (int round = 0; round < 4; ++round) {
                auto sup = supervisor::start_link([] {
                    return supervisor::init_result{
                        .intensity = {.restarts = 1'000'000, .within = 1s},
                        .children = {child<supervisor>("below", init_kept)}};
                });
                for (int i = 0; sup && i < 10; ++i) {
                    try {
                        const long now =
                            the_kept.get_and_update([](long& n) { return ++n; }, 100ms);
                        require(now > last, std::to_string(now) + " after " + std::to_string(last));
                        last = now;
                    } catch (const call_failed&) {
                        yield();
                    }
                }
                if (sup) {
                    const auto watch = monitor(*sup);
                    exit(*sup, reason::shutdown);
                    down_of(watch);
                }
                // Those whose supervisor was killed end by the link, a little later.
                for (int i = 0; i < 1000 && processes().size() > 1; ++i) sleep(10ms);
                require_eq(processes().size(), 1u);
            }
            require(registered().empty(), "a name is left");
        },
        test::seeds(), opts);
    EXPECT_TRUE(found) << found.why;
}

// --- A machine whose state outlives it --------------------------------------------------------------------------------------

/// Counts coins while open, refuses them while shut, and comes back as what it was.
class till {
public:
    using storage = ets::set<atom, long>;
    struct shut {
        bool operator==(const shut&) const = default;
    };
    struct open {
        long coins = 0;
        bool operator==(const open&) const = default;
    };
    using states = one_of<shut, open>;
    struct unlock {
        using reply = void;
    };
    struct coin {
        using reply = long;
    };
    explicit till(storage table) : table_(table) {
        if (const auto coins = table_.lookup("coins"_a)) next_state<open>(*coins);
    }
    void handle_event(shut, unlock) {
        table_.insert("coins"_a, 0);
        next_state<open>();
    }
    void handle_event(open, unlock) {}
    long handle_event(shut, coin) { return postpone(), 0; }
    long handle_event(open& s, coin) {
        table_.insert("coins"_a, ++s.coins);
        return s.coins;
    }

private:
    storage table_;
};
inline constexpr server_name<till> the_till{"till"};

TEST(kept_machine, comes_back_in_the_state_it_had_under_every_seed) {
    explore_options opts;
    opts.name = "kept_machine";
    opts.runtime.deterministic.faults = {.kill = 5'000, .kill_only = "till"_a};
    const auto found = explore(
        [] {
            till::storage table({.access = ets::access::public_});
            trap_exit(true);
            const auto started = [&] {
                return supervisor::start_link({.intensity = {.restarts = 1'000'000, .within = 1s},
                                               .children = {child<till>(the_till, table)}});
            };
            auto sup = started();
            while (!sup) sup = started();  // it may be killed while it is started
            const auto insists = [](auto request) {
                for (;;)
                    if (auto r = try_call(the_till, request, 1s)) return r;
            };
            // Postponed until it is unlocked, or lost with the machine, and asked again.
            auto first = async([insists] { return insists(till::coin{}).value(); });
            (void)insists(till::unlock{});
            long last = await(std::move(first), 1min);
            for (int i = 0; i < 20; ++i) {
                const long now = insists(till::coin{}).value();
                require(now > last, "a coin is lost");
                last = now;
            }
            stop(*sup);
        },
        test::seeds(), opts);
    EXPECT_TRUE(found) << found.why;
}

}  // namespace
}  // namespace heirloom::test
