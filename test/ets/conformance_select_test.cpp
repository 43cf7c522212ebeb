// The catalogue's rows about select and match and what changes rows by them, by their ids.
#include "tables.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace heirloom::test {
namespace {

TEST(conformance_ets, match_basics) {
    const auto body = [] {
        const auto check = [](auto t) {
            t.insert({{1, {5, "a"}}, {2, {5, "b"}}, {3, {6, "c"}}});
            auto found = t.match([](long k, const auto& v) {
                return v.first == 5 ? std::optional(std::pair(v.second, k)) : std::nullopt;
            });
            std::sort(found.begin(), found.end());
            require(found == std::vector<std::pair<std::string, long>>{{"a", 1}, {"b", 2}});
            require_eq(t.match([](long k, const auto&) { return std::optional(k); }).size(), 3u);
            require(t.match([](long, const auto&) { return std::optional<long>(); }).empty());
        };
        using value = std::pair<long, std::string>;
        check(ets::set<long, value>::create());
        check(ets::ordered_set<long, value>::create());
        check(ets::bag<long, value>::create());
        check(ets::duplicate_bag<long, value>::create());
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
    const auto body = [](auto t) {
        std::vector<std::pair<long, long>> rows;
        for (long i = 0; i < 13'000; ++i) rows.emplace_back(i, i * 10);
        t.insert(rows);
        require(t.select([](long, long v) { return v == -1; }).empty());
        require(!t.select([](long, long v) { return v == -1; }, 10));
        require(t.select([](long k, long) { return k == 77; }) ==
                std::vector<std::pair<long, long>>{{77, 770}});
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

/// A pattern of which each part is bound or not.
template <class T>
struct pattern_part {
    std::optional<T> bound;
    bool matches(const T& part) const { return !bound || *bound == part; }
};

/// Random patterns on keys of a set and an ordered_set: the same rows, in one go and in pages, and the same are deleted.
template <class K, class Pattern>
void check_patterns(const std::function<K(std::mt19937&)>& any_key, Pattern random_pattern) {
    std::mt19937 random(3);
    auto s = ets::set<K, long>::create();
    auto o = ets::ordered_set<K, long>::create();
    for (int i = 0; i < 2'000; ++i) {
        const K k = any_key(random);
        s.insert(k, i);
        o.insert(k, i);
    }
    const auto sorted = [](auto rows) {
        std::sort(rows.begin(), rows.end());
        return rows;
    };
    const auto in_pages = [](const auto& t, const auto& p) {
        std::vector<std::pair<K, long>> rows;
        for (auto page = t.select(p, 7); page; page.next())
            rows.insert(rows.end(), page.rows().begin(), page.rows().end());
        return rows;
    };
    std::size_t found = 0;
    for (int round = 0; round < 20; ++round) {
        const auto p = random_pattern(random);
        const auto expected = o.select(p);
        found += expected.size();
        require(std::is_sorted(expected.begin(), expected.end()));
        require(sorted(s.select(p)) == expected);
        require(in_pages(o, p) == expected);
        require(sorted(in_pages(s, p)) == expected);
        require_eq(s.select_count(p), expected.size());
        if (round % 4 != 3) continue;
        require_eq(s.select_delete(p), expected.size());
        require_eq(o.select_delete(p), expected.size());
        require(sorted(s.to_vector()) == o.to_vector());
    }
    require(found > 0, "no pattern matched anything");
}

TEST(conformance_ets, match_model) {
    const auto body = [] {
        check_patterns<std::string>(
            [](std::mt19937& random) { return std::to_string(random() % 5'000); },
            [](std::mt19937& random) {
                std::string prefix = std::to_string(random() % 1'000);
                prefix.resize(random() % (prefix.size() + 1));
                const bool whole = random() % 4 == 0;
                return [prefix, whole](const std::string& k, long) {
                    return whole ? k == prefix : k.starts_with(prefix);
                };
            });
        using key = std::tuple<long, std::string, long>;
        check_patterns<key>(
            [](std::mt19937& random) {
                return key(random() % 10, std::to_string(random() % 10), random() % 10);
            },
            [](std::mt19937& random) {
                pattern_part<long> first;
                pattern_part<std::string> second;
                pattern_part<long> third;
                if (random() % 2) first.bound = random() % 10;
                if (random() % 2) second.bound = std::to_string(random() % 10);
                if (random() % 2) third.bound = random() % 10;
                return [first, second, third](const key& k, long) {
                    return first.matches(std::get<0>(k)) && second.matches(std::get<1>(k)) &&
                           third.matches(std::get<2>(k));
                };
            });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

struct always_seven {
    std::uint64_t operator()(long, std::uint64_t) const noexcept { return 7; }
};

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
    const auto of_one_hash = [] {
        auto t = ets::duplicate_bag<long, long, always_seven>::create();
        for (long k = 0; k < 20; ++k) t.insert({{k, 1}, {k, 2}, {k, 1}});
        require_eq(t.select_delete([](long k, long v) { return k == 5 && v == 1; }), 2u);
        require_eq(t.size(), 58u);
        for (long k = 0; k < 20; ++k)
            require_eq(t.lookup(k), k == 5 ? std::vector<long>{2} : std::vector<long>{1, 2, 1});
    };
    EXPECT_TRUE(holds_on_all_workers(of_one_hash));
}

TEST(conformance_ets, select_basics) {
    const auto body = [](auto t) {
        for (long i = 0; i < 30; ++i) t.insert(i, i * 10);
        long asked_again = 0;
        auto found = t.match(ets::first_of(
            ets::clause{[](long k, long) { return k < 3; }, [](long k, long) { return k; }},
            ets::clause{[&](long k, long) { return asked_again += k < 3 ? 1 : 0, k < 5; },
                        [](long k, long) { return -k; }},
            ets::clause{[](long k, long v) { return k == 20 && v == 200; },
                        [](long, long v) { return v; }}));
        std::sort(found.begin(), found.end());
        require(found == std::vector<long>{-4, -3, 0, 1, 2, 200});
        require_eq(asked_again, 0);
    };
    EXPECT_TRUE(holds_on_all_types(body));
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
        const auto if_even = [](long k, long) {
            return k % 2 == 0 ? std::optional(k) : std::nullopt;
        };
        require_throws<ets::bad_table_argument>([&] { (void)t.select(every, key_only, 0); });
        require_throws<ets::bad_table_argument>([&] { (void)t.select(every, 0); });
        require_throws<ets::bad_table_argument>([&] { (void)t.match(if_even, 0); });
        const auto check = [](auto page, std::size_t limit, std::size_t total, auto key_of) {
            std::set<long> seen;
            for (; page; page.next()) {
                const bool last = seen.size() + limit >= total;
                require_eq(page.rows().size(), last ? total - seen.size() : limit);
                for (const auto& row : page.rows()) require(seen.insert(key_of(row)).second);
            }
            require_eq(seen.size(), total);
        };
        const auto itself = [](long k) { return k; };
        check(t.select(every, key_only, 7), 7, 100, itself);
        check(t.select(every, 1), 1, 100, [](const auto& row) { return row.first; });
        check(t.match(if_even, 7), 7, 50, itself);
        check(t.match(if_even, 1'000), 1'000, 50, itself);
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
        check(filled<bag>(10'000));
        check(filled<duplicate_bag>(10'000));
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
        require(!t.match([](long, long) { return std::optional<long>(); }, 5));
        require(!t.select_reverse([](long, long) { return false; }, key_only, 5));
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, select_cont_fixed) {
    const auto check = [](auto t) {
        std::map<long, int> seen;
        long fresh = 10'000;
        for (auto page = t.select(every, key_only, 50); page; page.next()) {
            for (long k : page.rows()) ++seen[k];
            // Much is inserted, and every odd key below 1000 erased, while the walk goes on.
            for (int i = 0; i < 300 && fresh < 13'000; ++i, ++fresh) t.insert(fresh, 1);
            for (long k = 1; k < 1'000; k += 2) t.erase(k);
        }
        for (long k = 0; k < 1'000; k += 2) require_eq(seen[k], 1);
        for (const auto& [k, n] : seen) {
            require_eq(n, 1);
            require(k < 1'000 || (k >= 10'000 && k < fresh), "a key that never was");
        }
    };
    const auto fixed = [check](auto t) {
        for (long i = 0; i < 1'000; ++i) t.insert(i, i);
        const ets::fixation during(t);
        check(t);
    };
    EXPECT_TRUE(holds_on_all_types(fixed));
    const auto ordered_and_free = [check] {
        check(filled<ordered>(1'000));
        // Backwards what is inserted above is behind the walk.
        auto t = filled<ordered>(1'000);
        std::vector<long> keys;
        for (auto page = t.select_reverse(every, key_only, 50); page; page.next()) {
            keys.insert(keys.end(), page.rows().begin(), page.rows().end());
            t.insert(2'000 + static_cast<long>(keys.size()), 1);
            t.erase(keys.back());
        }
        require_eq(keys.size(), 1'000u);
        for (std::size_t i = 0; i < keys.size(); ++i)
            require_eq(keys[i], 999 - static_cast<long>(i));
    };
    EXPECT_TRUE(holds_on_all_workers(ordered_and_free));
}

TEST(conformance_ets, select_cont_table_gone) {
    const auto body = [] {
        const auto check = [](auto kind) {
            using table = decltype(kind);
            table t{{.name = "goes"}};
            for (long i = 0; i < 100; ++i) t.insert(i, i);
            auto page = t.select(every, key_only, 10);
            std::set<long> seen(page.rows().begin(), page.rows().end());
            t.rename("renamed");
            for (page.next(); page; page.next())
                seen.insert(page.rows().begin(), page.rows().end());
            require_eq(seen.size(), 100u);
            t.delete_table();
            auto far = filled<table>(3'000, {.name = "far"}).select(every, key_only, 10);
            ets::whereis<table>("far").delete_table();
            table again{{.name = "far"}};
            again.insert(1, 1);
            require_throws<ets::no_such_table>([&] {
                for (; far; far.next()) {
                }
            });
            require_eq(again.size(), 1u);
            again.delete_table();
        };
        check(numbers());
        check(ordered());
        check(bag());
        check(duplicate_bag());
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
        for (long i = 0; i < 500; ++i) require_eq(t.member(i), i % 2 == 1);
        // What an earlier clause protects, a later one does not take.
        const auto protecting = [](long k, long) { return k < 100 ? false : k < 200; };
        require_eq(t.select_delete(protecting), 50u);
        for (long i = 0; i < 500; ++i) require_eq(t.member(i), i % 2 == 1 && (i < 100 || i >= 200));
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, select_delete_conserve) {
    const auto body = [](auto t) {
        std::array<std::atomic<long>, 5> left{};
        std::vector<worker> crowd(4);
        for (unsigned w = 0; w < 4; ++w)
            crowd[w].begin([t, w, &left]() mutable {
                std::mt19937 random(w);
                for (int i = 0; i < 2'000; ++i) {
                    if (i % 100 == 99) {
                        const auto residue = static_cast<unsigned>(random() % 5);
                        left[residue] -= static_cast<long>(
                            t.select_delete([residue](long k, long) { return k % 5 == residue; }));
                    } else {
                        const auto k = static_cast<long>(random() % 3'000);
                        if (t.insert_new(k, 1)) ++left[static_cast<unsigned>(k % 5)];
                    }
                }
            });
        for (auto& w : crowd) w.finish();
        long all = 0;
        for (long residue = 0; residue < 5; ++residue) {
            const long n = left[static_cast<unsigned>(residue)];
            all += n;
            require_eq(static_cast<long>(
                           t.select_count([residue](long k, long) { return k % 5 == residue; })),
                       n);
        }
        require_eq(static_cast<long>(t.size()), all);
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
            // With the whole old object for a predicate it is a compare-and-swap.
            for (auto& w : crowd)
                w.begin([t]() mutable {
                    for (int i = 0; i < 100;) {
                        const long old = t.at(1);
                        const auto unchanged = [old](long k, long v) { return k == 1 && v == old; };
                        const auto n =
                            t.select_replace(unchanged, [](long, long v) { return v + 1; });
                        require(n <= 1);
                        i += static_cast<int>(n);
                    }
                });
            for (auto& w : crowd) w.finish();
            require_eq(t.at(1), 400);
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
        for (auto k = t.first(); k; k = t.next(*k), ++n) {
            require_eq(*k, n);
            require_eq(t.select_replace([&](long key, long) { return key == *k; },
                                        [](long, long v) { return v + 1; }),
                       1u);
        }
        require_eq(n, 100);
        for (long k = 0; k < 100; ++k) require_eq(t.at(k), k * 10 + 1);
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
        const auto odd = [](long k, long) { return k % 2 == 1; };
        require_eq(t.select_reverse(odd).front().first, 2'999);
        require_eq(t.select_reverse(odd).size(), 1'500u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
    const auto as_select = [] {
        const auto check = [](const auto& t) {
            require(t.select_reverse(every) == t.select(every));
        };
        check(filled<numbers>(500));
        check(filled<bag>(500));
        check(filled<duplicate_bag>(500));
    };
    EXPECT_TRUE(holds_on_all_workers(as_select));
}

TEST(conformance_ets, select_releases_fix) {
    const auto body = [](auto t) {
        for (long i = 0; i < 3'000; ++i) t.insert(i, i);
        (void)t.select(every);
        auto page = t.select(every, 10);
        require(!t.info()->fixed);
        require_throws<std::out_of_range>([&] {
            (void)t.select(
                [](long k, long) { return k < 100 ? true : throw std::out_of_range("k"); });
        });
        require_throws<std::out_of_range>(
            [&] { t.for_each([](long, long) { throw std::out_of_range("k"); }); });
        require(!t.info()->fixed);
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
