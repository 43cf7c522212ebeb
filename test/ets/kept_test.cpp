// Tables that nobody is left to inherit and that somebody may still claim (table_options::keep). OTP has no such thing.
#include "tables.hpp"

#include <memory>

namespace heirloom::test {
namespace {

ets::table_options kept(atom name, ets::access access = ets::access::protected_) {
    return {.name = name, .access = access, .keep = true};
}
/// A kept table with the row {1, 1} whose owner has ended.
template <class Table = numbers>
void leave_behind(const ets::table_options& options) {
    const auto owner = spawn_monitor([options] { Table::create(options).insert(1, 1); });
    receive(when(owner.ref, [](const down& d) { require_eq(d.reason, reason::normal); }));
}

TEST(kept_tables, stay_when_their_owner_ends_and_go_to_who_claims_them) {
    const auto body = [] {
        leave_behind(kept("left"));
        auto seen = ets::whereis<numbers>("left");
        require_eq(seen.at(1), 1);
        require(!seen.info()->owner);
        require_throws<ets::access_denied>([&] { seen.insert(2, 2); });
        auto mine = numbers::claim_or_create(
            {.name = "left", .access = ets::access::private_, .heir = {parent(), 7}});
        require(mine == seen);
        const auto info = mine.info().value();
        require_eq(info.owner, self());
        require_eq(info.access, ets::access::private_);
        mine.insert(2, 2);
        require_eq(mine.size(), 2u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(kept_tables, stay_however_their_owner_ends) {
    const auto body = [] {
        const auto owner = spawn_monitor([boss = self()] {
            auto t = numbers::create(kept("left"));
            t.insert(1, 1);
            send(boss, t);
            receive<atom>();
        });
        auto t = receive<numbers>();
        exit(owner.pid, reason::kill);
        receive(when(owner.ref, [](down) {}));
        require_eq(t.at(1), 1);
        require(numbers::claim_or_create(kept("left")) == t);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(kept_tables, go_to_a_living_heir_first) {
    const auto body = [] {
        auto options = kept("left");
        options.heir = {self(), 5};
        leave_behind(options);
        const auto got = receive<ets::transfer>();
        require_eq(*got.data.get<int>(), 5);
        require_eq(got.as<numbers>().info()->owner, self());
        require_throws<ets::name_taken>([] { numbers::claim_or_create(kept("left")); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(kept_tables, stay_when_owner_and_heir_die_at_once) {
    const auto body = [] {
        for (int i = 0; i < 20; ++i) {
            worker owner;
            worker heir;
            numbers t;
            owner.run([&t, to = heir.id()] {
                t = numbers::claim_or_create({.name = "left", .heir = {to}, .keep = true});
                t.insert_new(1, 0);
                t.update_counter(1, 1);
            });
            exit(i % 2 ? owner.id() : heir.id(), reason::kill);
            exit(i % 2 ? heir.id() : owner.id(), reason::kill);
            while (is_alive(owner.id()) || is_alive(heir.id())) yield();
            // Nobody is left, so soon nobody owns it.
            while (t.info()->owner) yield();
            require_eq(t.at(1), long{i} + 1);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(kept_tables, are_claimed_by_one_alone) {
    const auto body = [] {
        for (int i = 0; i < 20; ++i) {
            leave_behind(kept("left"));
            constexpr int claimers = 4;
            for (int c = 0; c < claimers; ++c)
                spawn([boss = self()] {
                    bool got = false;
                    try {
                        auto t = numbers::claim_or_create({.name = "left"});
                        got = t.size() == 1;
                        require(got, "the claimed table has lost its row");
                    } catch (const ets::name_taken&) {
                    }
                    send(boss, got);
                    sleep(10ms);
                });
            int owners = 0;
            for (int c = 0; c < claimers; ++c) owners += receive<bool>();
            require_eq(owners, 1);
            // Claimed without `keep`: it ends with its new owner.
            while (ets::whereis<numbers>("left")) sleep(1ms);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(kept_tables, of_another_type_are_refused_and_stay) {
    const auto body = [] {
        leave_behind(kept("left"));
        using others = ets::set<long, std::string>;
        require_throws<ets::wrong_table_type>([] { others::claim_or_create(kept("left")); });
        require_eq(numbers::claim_or_create(kept("left")).at(1), 1);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(kept_tables, need_a_name) {
    const auto body = [] {
        require_throws<ets::bad_table_argument>([] { numbers::create({.keep = true}); });
        require_throws<ets::bad_table_argument>(
            [] { numbers::create({.name = "label", .named = false, .keep = true}); });
        require(ets::all().empty());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(kept_tables, that_are_public_can_be_written_and_deleted_meanwhile) {
    const auto body = [] {
        leave_behind(kept("left", ets::access::public_));
        auto t = ets::whereis<numbers>("left");
        t.insert(2, 2);
        auto mine = numbers::claim_or_create(kept("left"));
        require_eq(mine.size(), 2u);
        require_eq(mine.info()->access, ets::access::protected_);
        mine.delete_table();

        leave_behind(kept("left", ets::access::public_));
        ets::whereis<numbers>("left").delete_table();
        require_eq(numbers::claim_or_create(kept("left")).size(), 0u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(kept_tables, are_of_every_type) {
    const auto body = [] {
        leave_behind<ets::ordered_set<long, long>>(kept("ordered"));
        leave_behind<ets::bag<long, long>>(kept("bag"));
        leave_behind<ets::duplicate_bag<long, long>>(kept("duplicates"));
        using ordered = ets::ordered_set<long, long>;
        using bag = ets::bag<long, long>;
        using duplicates = ets::duplicate_bag<long, long>;
        require_eq(ordered::claim_or_create(kept("ordered")).size(), 1u);
        require_eq(bag::claim_or_create(kept("bag")).size(), 1u);
        require_eq(duplicates::claim_or_create(kept("duplicates")).size(), 1u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(kept_tables, end_with_their_runtime) {
    std::weak_ptr<int> inside;
    numbers unclaimed;
    {
        runtime rt({.workers = 2, .log = no_log()});
        rt.invoke([&] {
            leave_behind(kept("left"));
            unclaimed = ets::whereis<numbers>("left");
            auto shared = std::make_shared<int>(1);
            inside = shared;
            const auto owner = spawn_monitor([shared] {
                ets::set<long, std::shared_ptr<const int>>::create(kept("boxes")).insert(1, shared);
            });
            receive(when(owner.ref, [](down) {}));
        });
        EXPECT_FALSE(inside.expired());
    }
    EXPECT_TRUE(inside.expired());
    EXPECT_FALSE(unclaimed);
}

}  // namespace
}  // namespace heirloom::test
