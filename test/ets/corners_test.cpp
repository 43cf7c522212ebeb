// What OTP's documentation says of tables and no row of the catalogue names.
#include "support/effort.hpp"
#include "tables.hpp"

namespace heirloom::test {
namespace {

TEST(corners, an_heir_can_be_taken_back) {
    const auto body = [] {
        worker heir;
        worker owner;
        numbers t;
        const pid who = heir.id();
        owner.run([&t, who] {
            t = numbers{{.heir = {who, 1}}};
            require_eq(t.info()->heir, who);
            t.setopts({.heir = ets::heir{}});
            require(!t.info()->heir);
        });
        owner.end();
        require(!t.info());
        heir.run([] { require(!receive_for<ets::transfer>(0ms)); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(corners, the_heir_named_last_inherits_what_was_said_last) {
    const auto body = [] {
        worker first;
        worker owner;
        numbers t;
        const pid former = first.id();
        const pid latter = self();
        owner.run([&t, former, latter] {
            t = numbers{{.heir = {former, 1}}};
            t.setopts({.heir = ets::heir{latter, 2}});
            t.setopts({.heir = ets::heir{latter, 3}});
        });
        owner.end();
        require_eq(*receive<ets::transfer>().data.get<int>(), 3);
        require(!receive_for<ets::transfer>(0ms));
        first.run([] { require(!receive_for<ets::transfer>(0ms)); });
        require_eq(t.info()->owner, self());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(corners, a_name_is_free_as_soon_as_its_table_has_another) {
    const auto body = [] {
        numbers a{{.name = "first"}};
        numbers b{{.name = "second"}};
        require_throws<ets::name_taken>([&] { b.rename("first"); });
        a.rename("third");
        b.rename("first");
        require(ets::whereis<numbers>("first") == b && ets::whereis<numbers>("third") == a);
        b.delete_table();
        a.rename("first");
        require(ets::whereis<numbers>("first") == a);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(corners, fixations_of_the_dead_are_released_and_only_theirs) {
    const auto body = [](auto t) {
        t.insert(1, 1);
        std::vector<worker> fixers(3);
        for (auto& f : fixers)
            f.run([t]() mutable {
                t.safe_fixtable(true);
                t.safe_fixtable(true);
            });
        t.safe_fixtable(true);
        require_eq(t.info()->fixations.size(), 4u);
        fixers[0].end();
        fixers[1].run([t]() mutable { require(t.safe_fixtable(false)); });
        auto left = t.info()->fixations;
        std::size_t counted = 0;
        for (const auto& f : left) {
            require(f.process != fixers[0].id());
            counted += f.count;
        }
        require_eq(left.size(), 3u);
        require_eq(counted, 4u);  // 1 + 2 + our own
        fixers[1].end();
        fixers[2].end();
        require(t.info()->fixed);
        require(t.safe_fixtable(false));
        require(!t.info()->fixed && t.info()->fixations.empty());
        require(!t.safe_fixtable(false));
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(corners, a_fixed_table_tells_what_follows_a_key_that_was_erased) {
    const auto body = [](auto t) {
        for (long k = 0; k < 100; ++k) t.insert(k, k);
        t.safe_fixtable(true);
        std::set<long> met;
        for (auto k = t.first(); k;) {
            require(met.insert(*k).second);
            t.erase(*k);
            k = t.next(*k);
        }
        require_eq(met.size(), 100u);
        require_eq(t.size(), 0u);
        require(!t.first() && !t.last());
        t.safe_fixtable(false);
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(corners, an_empty_table_has_neither_keys_nor_rows) {
    const auto body = [](auto t) {
        require(!t.first() && !t.last());
        require(!t.select(every, key_only, 1));
        require(t.select(every).empty() && t.to_vector().empty());
        require_eq(t.select_count(every), 0u);
        require_eq(t.select_delete(every), 0u);
        require_eq(t.size(), 0u);
        require(!t.erase(1) && !t.member(1));
        t.clear();
        t.insert(std::vector<std::pair<long, long>>());
        require(t.insert_new(std::vector<std::pair<long, long>>()));
        require_eq(t.size(), 0u);
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(corners, of_one_key_twice_in_a_list_the_later_stays_and_a_bag_keeps_both) {
    const auto body = [] {
        const std::vector<std::pair<long, long>> twice{{1, 1}, {2, 2}, {1, 3}, {1, 1}};
        const auto check = [&](auto t, std::size_t size) {
            t.insert(twice);
            require_eq(t.size(), size);
            t.clear();
            require(t.insert_new(twice));
            require_eq(t.size(), size);
            require(!t.insert_new(std::vector<std::pair<long, long>>{{3, 3}, {2, 5}}));
            require(!t.member(3));
            return t;
        };
        require_eq(check(numbers::create(), 2).at(1), 1);
        require_eq(check(ordered::create(), 2).at(1), 1);
        require(check(bag::create(), 3).lookup(1) == std::vector<long>{1, 3});
        require(check(duplicate_bag::create(), 4).lookup(1) == std::vector<long>{1, 3, 1});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(corners, objects_of_a_bag_stay_in_the_order_they_came) {
    const auto body = [] {
        const auto check = [](auto t, bool duplicates) {
            for (const long v : {3, 1, 2}) t.insert(7, v);
            t.insert(std::vector<std::pair<long, long>>{{7, 5}, {8, 0}, {7, 4}});
            t.insert(7, 1);
            std::vector<long> expected{3, 1, 2, 5, 4};
            if (duplicates) expected.push_back(1);
            require(t.lookup(7) == expected);
            require_eq(t.erase_object(7, 1), duplicates ? 2u : 1u);
            require_eq(t.erase_object(7, 1), 0u);
            require_eq(t.size(), 5u);
            require(t.take(7) == std::vector<long>{3, 2, 5, 4});
            require_eq(t.size(), 1u);
        };
        check(bag::create(), false);
        check(duplicate_bag::create(), true);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(corners, pages_meet_what_stays_once_while_the_table_grows_and_shrinks) {
    const auto body = [](auto t) {
        for (long k = 0; k < 300; ++k) t.insert(k, k);
        std::multiset<long> met;
        long fresh = 1'000;
        for (auto page = t.select(every, key_only, 10); page; page.next()) {
            for (const long k : page.rows()) met.insert(k);
            for (int i = 0; i < 100; ++i, ++fresh) t.insert(fresh, fresh);
            if (fresh > 3'000)
                for (long k = fresh - 100; k < fresh; ++k) t.erase(k);
            if (fresh > 6'000) t.select_delete([](long k, long) { return k >= 1'000; });
            if (fresh > 20'000) break;  // an ordered walk runs after what is added behind it
        }
        for (long k = 0; k < 300; ++k) require_eq(met.count(k), 1u);
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(corners, a_counter_begins_with_the_default_and_only_if_it_is_absent) {
    const auto body = [] {
        const auto check = [](auto t) {
            require_eq(t.update_counter(1, 2, 40L), 42);
            require_eq(t.update_counter(1, 2, 40L), 44);
            require_throws<ets::no_such_key>([&] { t.update_counter(2, 1); });
            require(!t.member(2));
            t.erase(1);
            require_eq(t.update_counter(1, {.add = 5, .threshold = 10, .reset = 0}, 9L), 0);
            require_eq(t.size(), 1u);
        };
        check(numbers::create());
        check(ordered::create());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// An owner's insert rests between its steps, and a kill may strike at each of them: the heir finds all rows or none.
TEST(corners, rows_of_an_owner_killed_while_it_inserts_them_are_in_or_not) {
    const auto body = [] {
        constexpr long n = 3'000;
        bool was_in = false;
        bool was_not = false;
        for (int turns = 0; turns < 120; ++turns) {
            const pid heir = self();
            const auto owner = spawn_monitor([heir] {
                ets::set<long, std::string> t{{.heir = {heir, 0}}};
                for (long k = 0; k < n; k += 2) t.insert(k, "old");
                send(heir, t);
                std::vector<std::pair<long, std::string>> rows;
                for (long k = 0; k < n; ++k) rows.emplace_back(k, "new");
                t.insert(rows);
                receive<int>();
            });
            auto t = receive<ets::set<long, std::string>>();
            for (int i = 0; i < turns; ++i) {
                yield();
                // Whoever has met one new row meets no old one afterwards.
                bool met = false;
                for (const long k : {0L, n - 2, 2L, n / 2}) {
                    const auto value = t.lookup(k);
                    require(value && (*value == "new" || (*value == "old" && !met)),
                            "a part of the insert");
                    met = *value == "new";
                }
            }
            exit(owner.pid, reason::kill);
            receive<ets::transfer>();
            receive(when(owner.ref, [](down) {}));
            const bool in = t.at(0) == "new";
            (in ? was_in : was_not) = true;
            std::size_t found = 0;
            t.for_each([&](long, const std::string& value) {
                require(value == (in ? "new" : "old"), "a part of the insert");
                ++found;
            });
            require_eq(found, t.size());
            require_eq(t.size(), static_cast<std::size_t>(in ? n : n / 2));
            t.insert(1, "written afterwards");
            require_eq(t.at(1), "written afterwards");
            t.delete_table();
        }
        require(was_not, "no kill came early");
        (void)was_in;
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(corners, a_key_of_a_bag_with_a_million_objects_goes_as_any_other) {
    const auto body = [] {
        const auto n = static_cast<long>(scaled(3'000'000));
        std::vector<std::pair<long, long>> objects;
        for (long i = 0; i < n; ++i) objects.emplace_back(1, i);
        auto t = duplicate_bag::create({.access = ets::access::public_});
        t.insert(objects);
        require_eq(static_cast<long>(t.size()), n);
        // What was made ready in vain goes on the stack of who wanted it.
        const auto small = spawn_monitor({.stack_size = 32 * 1024}, [&objects, t]() mutable {
            require(!t.insert_new(objects));
        });
        receive(when(small.ref, [](const down& d) { require_eq(d.reason, reason::normal); }));
        require(t.erase(1));
        t.insert(objects);
        t.clear();
    };
    runtime rt({.workers = 1, .log = no_log()});
    EXPECT_TRUE(holds_inside(rt, body));
}

}  // namespace
}  // namespace heirloom::test
