// The catalogue's rows about making tables, their names and who may do what with them, by their ids.
#include "tables.hpp"

#include <random>
#include <thread>

namespace heirloom::test {
namespace {

using storage = ets::set<atom, long>;

TEST(conformance_ets, new_defaults) {
    const auto body = [] {
        auto t = numbers::create();
        const auto info = t.info().value();
        require_eq(info.kind, ets::kind::set);
        require_eq(info.access, ets::access::protected_);
        require(!info.heir && !info.named && !info.name);
        require_eq(info.owner, self());
        require_eq(info.size, 0u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, new_bad_options) {
    // What OTP refuses at run time the types exclude; what is left is that a refused table leaves nothing behind.
    const auto body = [] {
        storage first{{.name = "taken"}};
        const auto before = ets::all().size();
        for (int i = 0; i < 100; ++i)
            require_throws<ets::name_taken>([] { storage{{.name = "taken"}}; });
        require_eq(ets::all().size(), before);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
    EXPECT_THROW(numbers::create(), not_in_process);
}

TEST(conformance_ets, new_named_returns_name) {
    const auto body = [] {
        storage t{{.name = "named"}};
        t.insert("a"_a, 1);
        require_eq(ets::whereis<storage>("named").at("a"_a), 1);
        require_eq(t.name(), "named"_a);
        require(t.info()->named);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, new_named_collision) {
    const auto body = [] {
        storage t{{.name = "one"}};
        t.insert("a"_a, 1);
        const auto tables = ets::all().size();
        require_throws<ets::name_taken>([] { numbers{{.name = "one"}}; });
        require_eq(ets::all().size(), tables);
        require_eq(t.at("a"_a), 1);
        require(ets::whereis<storage>("one") == t);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, ids_unique) {
    const auto body = [] {
        std::uint64_t last = 0;
        for (int i = 0; i < 20'000; ++i) {
            auto t = numbers::create();
            require(t.id() > last);
            last = t.id();
            t.delete_table();
        }
        require_eq(ets::all().size(), 0u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, whereis_stale) {
    const auto body = [] {
        storage old{{.name = "again"}};
        require(ets::whereis<storage>("again") == old);
        old.delete_table();
        require(ets::whereis<storage>("again").id() == 0);
        storage fresh{{.name = "again"}};
        require(ets::whereis<storage>("again") == fresh);
        require_throws<ets::no_such_table>([&] { old.lookup("a"_a); });
        require(!old.info());
        require_throws<ets::wrong_table_type>([] { ets::whereis<numbers>("again"); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, rename_unnamed) {
    const auto body = [] {
        numbers t{{.name = "label", .named = false}};
        require(ets::whereis_any("label").id() == 0);
        t.rename("other");
        require_eq(t.info()->name, "other"_a);
        require(ets::whereis_any("other").id() == 0);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, rename_taken) {
    const auto body = [] {
        storage a{{.name = "a"}};
        storage b{{.name = "b"}};
        require_throws<ets::name_taken>([&] { a.rename("b"); });
        require_throws<ets::name_taken>([&] { a.rename("a"); });
        require(ets::whereis<storage>("a") == a && ets::whereis<storage>("b") == b);
        a.rename("c");
        require(ets::whereis<storage>("c") == a);
        require(ets::whereis<storage>("a").id() == 0);
        storage again{{.name = "a"}};
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, rename_under_load) {
    const auto body = [] {
        numbers t{{.name = "r0", .access = ets::access::public_}};
        const pid boss = self();
        constexpr int fixers = 200;
        for (int i = 0; i < fixers; ++i)
            spawn([t, boss]() mutable {
                t.safe_fixtable(true);
                send(boss, 1);
                receive<long>();
            });
        for (int i = 0; i < fixers; ++i) receive<int>();
        worker inserter;
        inserter.begin([t]() mutable {
            std::vector<std::pair<long, long>> rows;
            for (long i = 0; i < 20'000; ++i) rows.emplace_back(i, i);
            t.insert(rows);
        });
        const atom names[] = {"r0"_a, "r1"_a};
        for (int i = 1; i <= 500; ++i) {
            t.rename(names[i % 2]);
            require(ets::whereis<numbers>(names[i % 2]) == t);
        }
        inserter.finish();
        require_eq(t.size(), 20'000u);
        require_eq(t.info()->fixations.size(), std::size_t{fixers});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, name_table_random) {
    const auto body = [] {
        // One process against a model, then many against each other on names of their own class.
        const atom names[] = {"n1"_a, "n2"_a, "n3"_a, "n4"_a};
        std::map<int, numbers> model;
        std::mt19937 random(7);
        for (int i = 0; i < 4'000; ++i) {
            const int n = static_cast<int>(random() % 4);
            const int m = static_cast<int>(random() % 4);
            switch (random() % 3) {
            case 0:
                if (model.contains(n))
                    require_throws<ets::name_taken>([&] { numbers{{.name = names[n]}}; });
                else
                    model[n] = numbers{{.name = names[n]}};
                break;
            case 1:
                if (model.contains(n)) {
                    model[n].delete_table();
                    model.erase(n);
                }
                break;
            default:
                if (!model.contains(n)) break;
                if (model.contains(m)) {
                    require_throws<ets::name_taken>([&] { model[n].rename(names[m]); });
                } else {
                    model[n].rename(names[m]);
                    model[m] = model[n];
                    model.erase(n);
                }
            }
            for (int k = 0; k < 4; ++k) {
                const auto found = ets::whereis<numbers>(names[k]);
                require(model.contains(k) ? found == model[k] : found.id() == 0);
            }
        }
        for (auto& [n, t] : model) t.delete_table();
        std::vector<worker> crowd(4);
        for (auto& w : crowd)
            w.begin([&names] {
                std::mt19937 mine(static_cast<unsigned>(self().slot()));
                for (int i = 0; i < 1'000; ++i) {
                    try {
                        numbers t{{.name = names[mine() % 4]}};
                        t.insert(1, i);
                        require(t.at(1) == i);
                        t.delete_table();
                    } catch (const ets::name_taken&) {
                        yield();
                    }
                }
            });
        for (auto& w : crowd) w.finish();
        for (const atom n : names) require(ets::whereis_any(n).id() == 0);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, acc_public) {
    const auto body = [] {
        numbers t{{.name = "open", .access = ets::access::public_}};
        worker other;
        other.run([t]() mutable {
            t.insert(1, 2);
            require_eq(t.at(1), 2);
            t.rename("renamed");
        });
        require_eq(t.name(), "renamed"_a);
        other.run([t]() mutable { t.delete_table(); });
        require(!t.info());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, acc_protected) {
    const auto body = [] {
        auto t = numbers::create();
        t.insert(1, 1);
        worker other;
        other.run([t]() mutable {
            require_eq(t.at(1), 1);
            require_throws<ets::access_denied>([&] { t.insert(1, 2); });
            require_throws<ets::access_denied>([&] { t.insert({{1, 2}, {3, 4}}); });
            require_throws<ets::access_denied>([&] { t.insert_new(2, 2); });
            require_throws<ets::access_denied>([&] { t.erase(1); });
            require_throws<ets::access_denied>([&] { t.take(1); });
            require_throws<ets::access_denied>([&] { t.update_counter(1, 1); });
            require_throws<ets::access_denied>([&] { t.update(1, [](long& v) { ++v; }); });
            require_throws<ets::access_denied>([&] { t.clear(); });
            require_throws<ets::access_denied>([&] { t.rename("x"); });
            require_throws<ets::access_denied>([&] { t.delete_table(); });
            require_throws<ets::access_denied>(
                [&] { t.select_delete([](long, long) { return true; }); });
            require(!t.try_erase(1));
        });
        require_eq(t.at(1), 1);
        require_eq(t.size(), 1u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, acc_private) {
    const auto body = [] {
        numbers t{{.name = "mine", .access = ets::access::private_}};
        t.insert(1, 1);
        worker other;
        other.run([t]() mutable {
            require_throws<ets::access_denied>([&] { t.lookup(1); });
            require_throws<ets::access_denied>([&] { t.member(1); });
            require_throws<ets::access_denied>([&] { t.insert(1, 2); });
            require_throws<ets::access_denied>([] { ets::whereis<numbers>("mine").at(1); });
            require(t.info().has_value());
        });
        require_eq(t.at(1), 1);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, acc_read_ops) {
    const auto body = [] {
        ets::ordered_set<long, long> t{{.access = ets::access::private_}};
        numbers s{{.access = ets::access::private_}};
        t.insert(1, 1);
        s.insert(1, 1);
        const auto refused = [](auto table) {
            const auto all = [](long, long) { return true; };
            require_throws<ets::access_denied>([&] { table.first(); });
            require_throws<ets::access_denied>([&] { table.last(); });
            require_throws<ets::access_denied>([&] { table.next(1); });
            require_throws<ets::access_denied>([&] { table.prev(1); });
            require_throws<ets::access_denied>([&] { table.lookup(1); });
            require_throws<ets::access_denied>([&] { table.member(1); });
            require_throws<ets::access_denied>([&] { table.visit(1, [](long) {}); });
            require_throws<ets::access_denied>([&] { table.slot(0); });
            require_throws<ets::access_denied>([&] { table.select(all); });
            require_throws<ets::access_denied>([&] {
                table.select(
                    all, [](long k, long) { return k; }, 1);
            });
            require_throws<ets::access_denied>([&] { table.select_count(all); });
            require_throws<ets::access_denied>(
                [&] { table.fold(0L, [](long, long, long a) { return a; }); });
            require_throws<ets::access_denied>([&] { table.to_vector(); });
            require_throws<ets::access_denied>(
                [&] { (void)ets::tab2file(table, "/tmp/never_written"); });
            require_throws<ets::access_denied>([&] { table.safe_fixtable(true); });
        };
        worker other;
        other.run([=] { refused(t); });
        other.run([=] { refused(s); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, acc_setopts_protection) {
    const auto body = [] {
        numbers t{{.name = "p"}};
        t.insert(1, 1);
        worker other;
        t.setopts({.access = ets::access::private_});
        other.run([t]() mutable { require_throws<ets::access_denied>([&] { t.lookup(1); }); });
        t.setopts({.access = ets::access::public_});
        other.run([] { ets::whereis<numbers>("p").insert(1, 2); });
        require_eq(t.at(1), 2);
        t.setopts({.access = ets::access::protected_});
        other.run([t]() mutable {
            require_eq(t.at(1), 2);
            require_throws<ets::access_denied>([&] { t.insert(1, 3); });
            require_throws<ets::not_owner>([&] { t.setopts({.access = ets::access::public_}); });
        });
        t.insert(1, 4);
        require_eq(t.at(1), 4);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, setopts_bad) {
    // Malformed options do not compile. Left: whoever may not change anything changes nothing.
    const auto body = [] {
        numbers t{{.access = ets::access::public_}};
        worker other;
        other.run([t]() mutable {
            require_throws<ets::not_owner>([&] {
                t.setopts({.access = ets::access::private_, .heir = ets::heir{self(), 1}});
            });
        });
        require_eq(t.info()->access, ets::access::public_);
        require(!t.info()->heir);
        require_throws<ets::bad_table_argument>([&] { t.rename(atom()); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
