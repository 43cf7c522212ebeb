// The examples of docs/semantics.md, and some of what that page says that no other test says in these words.
#include "inside.hpp"

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include <heirloom/explore.hpp>
#include <heirloom/test_kit.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

// [example once]
struct saved {
    long count = 0;
    std::uint64_t last = 0;  // the request that made it: in one row, so both change at once
};
using storage = ets::set<atom, saved>;

class counter {
public:
    struct increment {
        using reply = long;
        std::uint64_t id;
    };
    explicit counter(storage table) : table_(table), now_(table_.at("counter"_a)) {}
    long handle_call(increment i) {
        if (i.id != now_.last) table_.insert("counter"_a, now_ = {now_.count + 1, i.id});
        return now_.count;
    }

private:
    storage table_;
    saved now_;
};
inline constexpr server_name<counter> the_counter{"docs.counter"};

long increment_once(std::uint64_t id) {
    for (;;) {
        if (const auto n = try_call(the_counter, counter::increment{id})) return *n;
        sleep(1ms);  // whoever answers next knows whether this one has counted
    }
}
// [example end]

// [example once_under_kills]
supervisor::init_result init_counter() {
    auto table = storage::claim_or_create(
        {.name = "docs.storage", .access = ets::access::public_, .keep = true});
    table.insert_new("counter"_a, {});
    return {.intensity = {.restarts = 100'000}, .children = {child<counter>(the_counter, table)}};
}

void counts_every_request_once() {
    trap_exit(true);
    auto sup = supervisor::start_link(init_counter);
    while (!sup) sup = supervisor::start_link(init_counter);  // killed before it was up
    for (std::uint64_t id = 1; id <= 20; ++id)
        require(increment_once(id) == static_cast<long>(id), "that each counts once");
    stop(*sup);
}
// [example end]

TEST(docs_semantics, a_request_with_an_id_counts_once_whenever_its_server_is_killed) {
    explore_options options;
    options.runtime.deterministic.faults = {.kill = 20'000, .kill_only = "docs.counter"};
    EXPECT_TRUE(explore(counts_every_request_once, 50, options));
}

// [example shielded]
void write_both(storage accounts, atom from, atom to, long amount) {
    shield both;  // a kill waits until the brace below
    accounts.update(from, [&](saved& s) { s.count -= amount; });
    accounts.update(to, [&](saved& s) { s.count += amount; });
}
// [example end]

TEST(docs_semantics, a_shield_holds_a_kill_back) {
    const bool whole = inside([] {
        storage accounts{{.access = ets::access::public_}};
        accounts.insert("a"_a, {100, 0});
        accounts.insert("b"_a, {0, 0});
        for (int i = 0; i < 50; ++i) {
            const auto mover = spawn_monitor([accounts] {
                for (;;) {
                    write_both(accounts, "a"_a, "b"_a, 1);
                    yield();  // here it dies: inside the shield there is no safe point
                }
            });
            sleep(100us);
            exit(mover.pid, reason::kill);
            receive(when(mover.ref, [](const down&) {}));
            if (accounts.at("a"_a).count + accounts.at("b"_a).count != 100) return false;
        }
        return true;
    });
    EXPECT_TRUE(whole);
}

// What is said of exit(reason), failed calls and exceptions of no kind.
TEST(docs_semantics, an_exit_can_be_caught_a_failed_call_is_the_reason) {
    const auto [caught, failed, odd] = inside([] {
        bool seen = false;
        try {
            exit("over"_a);
        } catch (const std::exception&) {
            seen = false;
        } catch (...) {
            seen = true;
        }
        const auto end_of = [](auto f) {
            return receive(when(spawn_monitor(f).ref, [](const down& d) { return d.reason; }));
        };
        const exit_reason of_call =
            end_of([] { call(server<counter>(pid()), counter::increment{1}); });
        const exit_reason of_int = end_of([] { throw 7; });
        return std::make_tuple(seen, of_call, of_int.is_crash());
    });
    EXPECT_TRUE(caught);
    EXPECT_EQ(failed, reason::no_process);
    EXPECT_TRUE(odd);
}

/// Says its name for ever when it goes, or a hundred times inside a shield.
struct talkative {
    pid to;
    bool shielded;
    ~talkative() {
        std::optional<shield> held;
        if (shielded) held.emplace();
        for (int i = 0; i < 100 || !shielded; ++i) send(to, i);
    }
};

exit_reason end_of_a_talkative_one(bool shielded) {
    const auto victim = spawn_monitor([boss = self(), shielded] { talkative t{boss, shielded}; });
    receive<int>();
    exit(victim.pid, reason::kill);
    return receive(when(victim.ref, [](const down& d) { return d.reason; }));
}

TEST(docs_semantics, a_destructor_with_safe_points_needs_a_shield) {
    const exit_reason why = inside([] { return end_of_a_talkative_one(true); });
    EXPECT_TRUE(why == reason::killed || why == reason::normal) << why;
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(inside([] { return end_of_a_talkative_one(false); }), "std::terminate in process");
}

TEST(docs_semantics, who_is_woken_to_die_runs_only_its_destructors) {
    const auto said = inside([] {
        struct farewell {
            pid to;
            ~farewell() { try_send(to, std::string("cleaned up")); }
        };
        const auto victim = spawn_monitor([boss = self()] {
            farewell f{boss};
            send(boss, 1);
            receive<int>();
            send(boss, std::string("went on"));
        });
        receive<int>();
        exit(victim.pid, reason::kill);
        receive(when(victim.ref, [](const down&) {}));
        return receive_for<std::string>(0s).value_or("nothing");  // it came before the down
    });
    EXPECT_EQ(said, "cleaned up");
}

}  // namespace
