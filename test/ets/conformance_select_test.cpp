// The catalogue's rows about select and match and what changes rows by them, by their ids.
#include "tables.hpp"

#include <atomic>
#include <random>

namespace heirloom::test {
namespace {

TEST(conformance_ets, match_basics) {
    const auto body = [] {
        auto t = ets::set<long, std::pair<long, std::string>>::create();
        t.insert({{1, {5, "a"}}, {2, {5, "b"}}, {3, {6, "c"}}});
        auto found = t.match([](long k, const auto& v) {
            return v.first == 5 ? std::optional(std::pair(v.second, k)) : std::nullopt;
        });
        std::sort(found.begin(), found.end());
        require(found == std::vector<std::pair<std::string, long>>{{"a", 1}, {"b", 2}});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, match_repeated_var) {
    const auto body = [](auto t) {
        t.insert({{1, 1}, {2, 3}, {4, 4}});
        require_eq(t.select_count([](long k, long v) { return k == v; }), 2u);
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, match_object) {
    const auto body = [] {
        auto t = filled<numbers>(13'000);
        require(t.select([](long, long v) { return v == -1; }).empty());
        require(t.select([](long k, long) { return k == 77; }) ==
                std::vector<std::pair<long, long>>{{77, 770}});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, match_model) {
    const auto body = [] {
        std::mt19937 random(3);
        auto s = ets::set<std::string, long>::create();
        auto o = ets::ordered_set<std::string, long>::create();
        for (int i = 0; i < 2'000; ++i) {
            const std::string k = std::to_string(random() % 5'000);
            s.insert(k, i);
            o.insert(k, i);
        }
        for (const char* prefix : {"1", "23", "", "999", "x"}) {
            const auto p = [prefix](const std::string& k, long) { return k.starts_with(prefix); };
            auto from_set = s.select(p);
            std::sort(from_set.begin(), from_set.end());
            require(from_set == o.select(p));
            std::vector<std::string> in_pages;
            for (auto page = o.select(p, key_only, 7); page; page.next())
                in_pages.insert(in_pages.end(), page.rows().begin(), page.rows().end());
            require(in_pages == o.select(p, key_only));
        }
        const auto p = [](const std::string& k, long) { return k.starts_with("1"); };
        require_eq(s.select_delete(p), o.select_delete(p));
        auto rest = s.to_vector();
        std::sort(rest.begin(), rest.end());
        require(rest == o.to_vector());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, match_delete) {
    const auto of_any_type = [](auto t) {
        for (long i = 0; i < 1'000; ++i) t.insert(i, i % 7);
        require_eq(t.select_delete([](long, long v) { return v == 3; }), 143u);
        require_eq(t.size(), 857u);
        require_eq(t.select_delete(every), 857u);
        require(!t.first() && t.size() == 0);
    };
    EXPECT_TRUE(holds_on_all_types(of_any_type));
    const auto of_a_duplicate_bag = [] {
        auto t = duplicate_bag::create();
        t.insert({{1, 1}, {1, 2}, {1, 1}, {2, 1}});
        require_eq(t.select_delete([](long k, long v) { return k == 1 && v == 1; }), 2u);
        require_eq(t.lookup(1), (std::vector<long>{2}));
        require_eq(t.size(), 2u);
    };
    EXPECT_TRUE(holds_on_all_workers(of_a_duplicate_bag));
}

TEST(conformance_ets, select_basics) {
    const auto body = [] {
        auto t = filled<numbers>(30);
        auto found = t.match(ets::first_of(
            ets::clause{[](long k, long) { return k < 3; }, [](long k, long) { return k; }},
            ets::clause{[](long k, long) { return k < 5; }, [](long k, long) { return -k; }}));
        std::sort(found.begin(), found.end());
        require(found == std::vector<long>{-4, -3, 0, 1, 2});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, select_guard_error) {
    // A predicate that fails is an error of its own here: it is code of the caller's, and the table is unchanged.
    const auto body = [] {
        auto t = filled<numbers>(30);
        require_throws<std::out_of_range>([&] {
            t.select_delete([](long k, long) -> bool {
                return k == 20 ? throw std::out_of_range("20") : false;
            });
        });
        require_eq(t.size(), 30u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, select_limit) {
    const auto body = [](auto t) {
        for (long i = 0; i < 100; ++i) t.insert(i, i);
        require_throws<ets::bad_table_argument>([&] { t.select(every, key_only, 0); });
        std::set<long> seen;
        for (auto page = t.select(every, key_only, 7); page; page.next()) {
            require(page.rows().size() <= 7 && !page.rows().empty());
            for (long k : page.rows()) require(seen.insert(k).second);
        }
        require_eq(seen.size(), 100u);
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, select_chunk_sizes) {
    const auto body = [] {
        auto check = [](auto t) {
            std::vector<std::size_t> sizes;
            for (auto page = t.select(every, key_only, 3'000); page; page.next())
                sizes.push_back(page.rows().size());
            require(sizes == std::vector<std::size_t>{3'000, 3'000, 3'000, 1'000});
        };
        check(filled<ordered>(10'000));
        check(filled<numbers>(10'000));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, select_chunk_end) {
    const auto body = [](auto t) {
        require(!t.select(every, key_only, 5));
        for (long i = 0; i < 5; ++i) t.insert(i, i);
        auto page = t.select(every, key_only, 5);
        require_eq(page.rows().size(), 5u);
        page.next();
        require(!page);
        page.next();
        require(!page);
        require(!t.select([](long, long) { return false; }, key_only, 5));
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, select_cont_fixed) {
    const auto body = [](auto t) {
        for (long i = 0; i < 1'000; ++i) t.insert(i, i);
        ets::fixation fixed(t);
        std::map<long, int> seen;
        long fresh = 10'000;
        for (auto page = t.select(every, key_only, 50); page; page.next()) {
            for (long k : page.rows()) ++seen[k];
            // Much is inserted, and every odd key below 1000 erased, while the walk goes on.
            for (int i = 0; i < 300 && fresh < 13'000; ++i, ++fresh) t.insert(fresh, 1);
            for (long k = 1; k < 1'000; k += 2) t.erase(k);
        }
        for (long k = 0; k < 1'000; k += 2) require_eq(seen[k], 1);
        for (const auto& [k, n] : seen) require_eq(n, 1);
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, select_cont_table_gone) {
    const auto body = [] {
        numbers t{{.name = "goes"}};
        for (long i = 0; i < 100; ++i) t.insert(i, i);
        auto page = t.select(every, key_only, 10);
        t.rename("renamed");
        page.next();
        require_eq(page.rows().size(), 10u);
        auto far = filled<numbers>(3'000, {.name = "far"}).select(every, key_only, 10);
        ets::whereis<numbers>("far").delete_table();
        numbers again{{.name = "far"}};
        again.insert(1, 1);
        require_throws<ets::no_such_table>([&] {
            for (; far; far.next()) {
            }
        });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, select_count) {
    const auto body = [](auto t) {
        for (long i = 0; i < 500; ++i) t.insert(i, i);
        require_eq(t.select_count([](long k, long) { return k % 5 == 0; }), 100u);
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, select_delete) {
    const auto body = [](auto t) {
        require_eq(t.select_delete(every), 0u);
        for (long i = 0; i < 500; ++i) t.insert(i, i);
        require_eq(t.select_delete([](long, long) { return false; }), 0u);
        require_eq(t.select_delete([](long k, long) { return k % 2 == 0; }), 250u);
        require_eq(t.size(), 250u);
        require(!t.member(2) && t.member(3));
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, select_delete_conserve) {
    const auto body = [](auto t) {
        std::atomic<long> inserted{0};
        std::atomic<long> deleted{0};
        std::vector<worker> crowd(4);
        for (unsigned w = 0; w < 4; ++w)
            crowd[w].begin([t, w, &inserted, &deleted]() mutable {
                std::mt19937 random(w);
                for (int i = 0; i < 2'000; ++i) {
                    if (i % 100 == 99) {
                        const long residue = static_cast<long>(random() % 5);
                        deleted += static_cast<long>(
                            t.select_delete([residue](long k, long) { return k % 5 == residue; }));
                    } else {
                        inserted += t.insert_new(static_cast<long>(random() % 3'000), 1) ? 1 : 0;
                    }
                }
            });
        for (auto& w : crowd) w.finish();
        require_eq(static_cast<long>(t.size()), inserted - deleted);
        require_eq(t.to_vector().size(), t.size());
        require(!t.info()->fixed);
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, select_replace_key) {
    // The key is not the function's to choose.
    const auto body = [] {
        auto check = [](auto t) {
            require_eq(t.select_replace([](long k, long) { return k < 10; },
                                        [](long k, long v) { return k + v; }),
                       10u);
            for (long k = 0; k < 100; ++k) require_eq(t.at(k), k < 10 ? 11 * k : 10 * k);
        };
        check(filled<numbers>(100));
        check(filled<ordered>(100));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, select_replace_bag) {
    // A bag's select_replace does not compile: test/compile_fail. A duplicate_bag's does.
    const auto body = [] {
        auto t = duplicate_bag::create();
        t.insert({{1, 1}, {1, 2}, {1, 1}});
        require_eq(
            t.select_replace([](long, long v) { return v == 1; }, [](long, long) { return 2; }),
            2u);
        require_eq(t.lookup(1), (std::vector<long>{2, 2, 2}));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, select_replace_cas) {
    const auto body = [] {
        auto check = [](auto t) {
            for (long k = 0; k < 20; ++k) t.insert(k, 0);
            std::atomic<long> replaced{0};
            std::vector<worker> crowd(4);
            for (auto& w : crowd)
                w.begin([t, &replaced]() mutable {
                    for (int i = 0; i < 100; ++i)
                        replaced += static_cast<long>(
                            t.select_replace([](long k, long) { return k % 3 == 0; },
                                             [](long, long v) { return v + 1; }));
                });
            for (auto& w : crowd) w.finish();
            require_eq(t.fold(0L, [](long, long v, long a) { return a + v; }), replaced.load());
        };
        check(numbers::create({.access = ets::access::public_}));
        check(ordered::create({.access = ets::access::public_}));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, select_replace_next) {
    const auto body = [] {
        auto t = filled<ordered>(100);
        long n = 0;
        for (auto k = t.first(); k; k = t.next(*k), ++n)
            t.select_replace([&](long key, long) { return key == *k; },
                             [](long, long v) { return v + 1; });
        require_eq(n, 100);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, select_reverse) {
    const auto body = [] {
        auto t = filled<ordered>(3'000);
        auto all = t.to_vector();
        std::reverse(all.begin(), all.end());
        require(t.select_reverse(every) == all);
        std::vector<long> keys;
        for (auto page = t.select_reverse(every, key_only, 700); page; page.next())
            keys.insert(keys.end(), page.rows().begin(), page.rows().end());
        require_eq(keys.size(), all.size());
        for (std::size_t i = 0; i < keys.size(); ++i) require_eq(keys[i], all[i].first);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, select_releases_fix) {
    const auto body = [](auto t) {
        for (long i = 0; i < 3'000; ++i) t.insert(i, i);
        worker walker;
        walker.begin([t] {
            for (;;) (void)t.select_count(every);
        });
        yield();
        exit(walker.id(), reason::kill);
        walker.end();
        require(!t.info()->fixed);
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

}  // namespace
}  // namespace heirloom::test
