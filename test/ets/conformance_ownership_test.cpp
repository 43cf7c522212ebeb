// The catalogue's rows about owners and heirs, by their ids.
#include "tables.hpp"

#include <future>
#include <random>
#include <thread>

namespace heirloom::test {
namespace {

using storage = ets::set<atom, long>;

/// A table of `owner` whose heir is `heir`.
numbers created_for(worker& owner, const worker& heir) {
    numbers t;
    owner.run([&t, who = heir.id()] { t = numbers{{.heir = {who, 1}}}; });
    return t;
}

TEST(conformance_ets, own_creator) {
    const auto body = [] {
        auto t = numbers::create();
        require_eq(t.info()->owner, self());
        worker other;
        numbers theirs;
        other.run([&theirs] { theirs = numbers::create(); });
        require_eq(theirs.info()->owner, other.id());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, own_death_destroys) {
    const auto body = [] {
        for (const auto& why : {reason::kill, reason::shutdown, exit_reason("crash"_a)}) {
            worker owner;
            numbers t;
            owner.run([&t] { t = numbers{{.name = "dies"}}; });
            require(t.info().has_value());
            owner.end(why);
            require_throws<ets::no_such_table>([&] { t.lookup(1); });
            require(!t.info());
            numbers again{{.name = "dies"}};
            again.delete_table();
        }
        auto normal = spawn_monitor([] { numbers t{{.name = "dies"}}; });
        receive(when(normal.ref, [](down d) { require(d.reason == reason::normal); }));
        require(ets::whereis_any("dies").id() == 0);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, own_death_order) {
    const auto body = [] {
        for (int i = 0; i < 200; ++i) {
            trap_exit(true);
            const pid boss = self();
            auto owner = spawn_monitor({.name = "the_owner"}, [boss] {
                link(boss);
                numbers t{{.name = "the_table"}};
                send(boss, t);
                receive<int>();
            });
            auto t = receive<numbers>();
            exit(owner.pid, reason::kill);
            // Whoever finds the name free, or hears of the end, finds no table.
            while (whereis("the_owner"_a)) yield();
            require(!t.info() && ets::whereis_any("the_table").id() == 0);
            receive(when(owner.ref, [](down) {}));
            receive([](exit_signal) {});
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, own_not_collected) {
    const auto body = [] {
        {
            storage t{{.name = "forgotten"}};
            t.insert("a"_a, 1);
        }
        require_eq(ets::whereis<storage>("forgotten").at("a"_a), 1);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, own_many_large) {
    const auto body = [] {
        // One owner with many rows, one with many tables, five with tables that others have fixed.
        worker large;
        large.run([] {
            ets::set<long, std::string> t{{.name = "large"}};
            for (long i = 0; i < 50'000; ++i) t.insert(i, "a value that does not fit a word");
        });
        large.end();
        require(ets::whereis_any("large").id() == 0);
        worker many;
        many.run([] {
            for (int i = 0; i < 1'000; ++i) numbers::create().insert(1, i);
        });
        require_eq(ets::all().size(), 1'000u);
        many.end();
        require_eq(ets::all().size(), 0u);
        std::vector<worker> owners(5);
        std::vector<worker> fixers(5);
        std::vector<numbers> tables;
        for (auto& o : owners)
            o.run([&tables] {
                for (int i = 0; i < 200; ++i) tables.push_back(numbers::create());
            });
        for (auto& f : fixers)
            f.run([&tables] {
                for (auto& t : tables) t.safe_fixtable(true);
            });
        require_eq(tables.front().info()->fixations.size(), 5u);
        for (auto& o : owners) exit(o.id(), reason::kill);
        while (!ets::all().empty()) yield();
        for (auto& f : fixers) f.run([] {});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, heir_becomes_owner) {
    const auto body = [] {
        const pid heir = self();
        worker owner;
        numbers t;
        owner.run([&t, heir] {
            t = numbers{{.access = ets::access::private_, .heir = {heir, "data"_a}}};
            t.insert(1, 7);
        });
        require_throws<ets::access_denied>([&] { t.lookup(1); });
        owner.end();
        const auto got = receive<ets::transfer>();
        require(got.as<numbers>() == t);
        require_eq(t.info()->owner, self());
        require_eq(t.info()->heir, self());
        require_eq(t.at(1), 7);
        t.insert(1, 8);
        require_eq(t.info()->ownership_epoch, 1u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, heir_before_signals) {
    const auto body = [] {
        trap_exit(true);
        for (int i = 0; i < 300; ++i) {
            const pid heir = self();
            const bool linked = i % 3 == 1;
            auto owner = spawn_monitor([heir, linked] {
                if (linked) link(heir);
                numbers t{{.heir = {heir, "data"_a}}};
                send(heir, 1);
                receive<int>();
            });
            receive<int>();
            exit(owner.pid, reason::kill);
            // In arrival order, whatever comes first.
            int position = 0;
            int transfer_at = -1;
            for (; position < (linked ? 3 : 2); ++position)
                receive(
                    [&](ets::transfer x) {
                        transfer_at = position;
                        require(x.from == owner.pid);
                    },
                    [&](down) { require(transfer_at >= 0, "down before transfer"); },
                    [&](exit_signal) { require(transfer_at >= 0, "exit before transfer"); });
            require_eq(transfer_at, 0);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, heir_data) {
    const auto body = [] {
        struct compound {
            pid who;
            std::vector<std::string> words;
        };
        const pid heir = self();
        const auto inherit = [&](auto data) {
            worker owner;
            owner.run([heir, data] { numbers{{.heir = {heir, data}}}; });
            exit(owner.id(), reason::kill);
            for (;;)  // busy polling
                if (auto x = receive_for<ets::transfer>(0ms))
                    return *x;
                else
                    yield();
        };
        require(inherit("an atom"_a).data.is("an atom"_a));
        require(*inherit(std::string("text")).data.template get<std::string>() == "text");
        require(*inherit(42L).data.template get<long>() == 42);
        auto x = inherit(compound{heir, {"a", "b"}});
        require(x.data.template get<compound>()->words.size() == 2 &&
                x.data.template get<compound>()->who == heir);
        require(x.data.template get<long>() == nullptr);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, heir_none) {
    const auto body = [] {
        worker owner;
        numbers t;
        owner.run([&t] { t = numbers::create(); });
        owner.end();
        require(!t.info());
        require(!receive_for<ets::transfer>(0ms));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, heir_already_dead) {
    const auto body = [] {
        worker dead;
        dead.end();
        const pid heir = dead.id();
        worker owner;
        numbers t;
        owner.run([&t, heir] {
            t = numbers{{.heir = {heir, 1}}};
            require(!t.info()->heir);
            t.setopts({.heir = ets::heir{heir, 2}});
            require(!t.info()->heir);
        });
        owner.end();
        require(!t.info());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, heir_dies_first) {
    const auto body = [] {
        worker heir;
        worker owner;
        const numbers t = created_for(owner, heir);
        heir.end();
        require(t.info().has_value());
        owner.end();
        require(!t.info());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, heir_pid_reuse) {
    const auto body = [] {
        worker heir;
        worker owner;
        const pid dead = heir.id();
        const numbers t = created_for(owner, heir);
        heir.end();
        // Until another process has the dead heir's slot.
        for (int i = 0; i < 5'000; ++i) {
            auto next = spawn_monitor([] { receive<int>(); });
            const bool reused = next.pid.slot() == dead.slot();
            if (!reused) {
                exit(next.pid, reason::kill);
                receive(when(next.ref, [](down) {}));
                continue;
            }
            owner.end();
            require(!t.info(), "a stranger inherited");
            exit(next.pid, reason::kill);
            receive(when(next.ref, [](down) {}));
            return;
        }
        owner.end();  // slots are reused late; then at least nobody inherits
        require(!t.info());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, heir_is_owner) {
    const auto body = [] {
        worker owner;
        numbers t;
        owner.run([&t] {
            t = numbers{{.heir = {self(), 1}}};
            require_eq(t.info()->heir, self());
        });
        owner.end();
        require(!t.info());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, heir_no_chain) {
    const auto body = [] {
        worker heir;
        worker owner;
        const numbers t = created_for(owner, heir);
        const pid heir_pid = heir.id();
        owner.end();
        require_eq(t.info()->owner, heir_pid);
        heir.run([] { receive<ets::transfer>(); });
        heir.end();
        require(!t.info());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, heir_each_table) {
    const auto body = [] {
        worker owner;
        const pid heir = self();
        std::vector<numbers> with;
        std::vector<numbers> without;
        owner.run([&, heir] {
            for (int i = 0; i < 20; ++i) {
                with.push_back(numbers{{.heir = {heir, i}}});
                without.push_back(numbers::create());
            }
        });
        owner.end();
        std::set<int> seen;
        for (int i = 0; i < 20; ++i) {
            auto x = receive_for<ets::transfer>(0ms);
            require(x.has_value(), "the transfers came before the down");
            seen.insert(*x->data.get<int>());
        }
        require_eq(seen.size(), 20u);
        for (auto& t : with) require(t.info()->owner == heir);
        for (auto& t : without) require(!t.info());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, give_away) {
    const auto body = [] {
        numbers t{{.access = ets::access::private_}};
        t.insert(1, 1);
        worker other;
        const pid giver = self();
        require(bool(t.give_away(other, "gift"_a)));
        require_throws<ets::access_denied>([&] { t.lookup(1); });
        require_throws<ets::access_denied>([&] { t.insert(1, 5); });
        other.run([t, giver] {
            auto x = receive<ets::transfer>();
            require(x.from == giver && x.data.is("gift"_a));
            auto mine = x.as<numbers>();
            require(mine == t && mine.at(1) == 1);
            mine.insert(2, 2);
        });
        require_eq(t.info()->owner, other.id());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, give_away_back) {
    const auto body = [] {
        auto t = numbers::create();
        worker other;
        const pid boss = self();
        for (int i = 0; i < 100; ++i) {
            require(bool(t.give_away(other, i)));
            other.run([boss, i] {
                auto x = receive<ets::transfer>();
                require_eq(*x.data.get<int>(), i);
                require(bool(x.as<numbers>().give_away(boss, i + 1)));
            });
            require_eq(*receive<ets::transfer>().data.get<int>(), i + 1);
        }
        require_eq(t.info()->ownership_epoch, 200u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, give_away_keeps_heir) {
    const auto body = [] {
        numbers t{{.heir = {self(), "back"_a}}};
        for (int i = 1; i <= 20; ++i) {
            worker other;
            require(bool(t.give_away(other)));
            require_eq(t.info()->heir, self());
            other.run([t, i]() mutable { t.insert(1, i); });
            other.end();
            auto x = receive<ets::transfer>();
            require(x.from == other.id() && x.data.is("back"_a));
            require_eq(t.at(1), i);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, give_away_errors) {
    const auto body = [] {
        numbers t{{.access = ets::access::public_}};
        t.insert(1, 1);
        worker dead;
        dead.end();
        const auto refused = t.give_away(dead.id());
        require(!refused && refused.error().receiver == dead.id());
        require(!t.give_away(pid()));
        require_throws<ets::already_owner>([&] { (void)t.give_away(self()); });
        worker other;
        other.run([t]() mutable {
            require_throws<ets::not_owner>([&] { (void)t.give_away(self()); });
            require_throws<ets::not_owner>([&] { (void)t.give_away(parent()); });
        });
        require_eq(t.info()->owner, self());
        t.insert(1, 2);
        require_eq(t.info()->ownership_epoch, 2u);  // there and back
        t.delete_table();
        require_throws<ets::no_such_table>([&] { (void)t.give_away(other); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, give_away_mid_select) {
    const auto body = [] {
        auto t = numbers::create();
        for (long i = 0; i < 2'000; ++i) t.insert(i, i);
        worker other;
        auto page = t.select([](long, long) { return true; }, [](long k, long) { return k; }, 500);
        std::set<long> seen(page.rows().begin(), page.rows().end());
        require(bool(t.give_away(other)));
        for (page.next(); page; page.next()) seen.insert(page.rows().begin(), page.rows().end());
        require_eq(seen.size(), 2'000u);
        require(!t.info()->fixed);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(ownership, plain_threads_use_public_tables_only) {
    runtime rt({.workers = 2, .log = [](const log_event&) {}});
    std::promise<std::pair<numbers, numbers>> made;
    rt.spawn([&made] {
        made.set_value({numbers{{.name = "open", .access = ets::access::public_}},
                        numbers{{.name = "closed"}}});
        receive<int>();
    });
    auto [open, closed] = made.get_future().get();
    for (long i = 0; i < 1'000; ++i) open.insert(i, i);
    EXPECT_EQ(open.at(7), 7);
    EXPECT_EQ(open.size(), 1'000u);
    EXPECT_THROW(closed.lookup(1), ets::access_denied);
    EXPECT_THROW(closed.insert(1, 1), ets::access_denied);
    EXPECT_THROW(open.safe_fixtable(true), not_in_process);
    EXPECT_THROW((void)open.give_away(pid()), not_in_process);
}

TEST(ownership, a_handle_outlives_the_runtime) {
    numbers t;
    {
        runtime rt({.workers = 1, .log = [](const log_event&) {}});
        rt.run([&] { t = numbers::create(); });
    }
    EXPECT_FALSE(t.info());
    EXPECT_THROW(t.lookup(1), ets::no_such_table);
    EXPECT_THROW(numbers().lookup(1), ets::no_such_table);
    EXPECT_EQ(numbers().to_string(), "#table<none>");
}

TEST(ownership, two_deaths_at_once_lose_no_table_and_keep_none) {
    // Owner and heir are killed together: the table goes to the heir first or not at all, and then goes.
    const auto body = [] {
        for (int i = 0; i < 500; ++i) {
            worker heir;
            worker owner;
            numbers t;
            const pid heir_pid = heir.id();
            owner.run([&t, heir_pid] { t = numbers{{.name = "both", .heir = {heir_pid, 1}}}; });
            exit(i % 2 ? heir.id() : owner.id(), reason::kill);
            exit(i % 2 ? owner.id() : heir.id(), reason::kill);
            heir.end();
            owner.end();
            require(!t.info());
            require(ets::whereis_any("both").id() == 0);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(ownership, giving_to_the_dying_loses_no_table) {
    const auto body = [] {
        for (int i = 0; i < 500; ++i) {
            numbers t{{.heir = {self(), "back"_a}}};
            t.insert(1, i);
            worker other;
            exit(other.id(), reason::kill);
            if (t.give_away(other.id())) receive<ets::transfer>();
            require_eq(t.info()->owner, self());
            require_eq(t.at(1), i);
            other.end();
            t.delete_table();
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
