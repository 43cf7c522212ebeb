// The catalogue's rows about going through tables, about what is known of them, and about files, by their ids.
#include "inside.hpp"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <random>

namespace heirloom::test {
namespace {

using numbers = ets::set<long, long>;
using texts = ets::set<std::string, std::string>;
using ordered = ets::ordered_set<long, long>;
using bag = ets::bag<long, long>;
using duplicate_bag = ets::duplicate_bag<long, long>;

constexpr auto every = [](const auto&, const auto&) { return true; };
constexpr auto key_only = [](const auto& key, const auto&) { return key; };

template <class Table>
Table filled(long n, const ets::table_options& options = {.access = ets::access::public_}) {
    auto t = Table::create(options);
    std::vector<std::pair<long, long>> rows;
    for (long i = 0; i < n; ++i) rows.emplace_back(i, i * 10);
    t.insert(rows);
    return t;
}
/// All keys by first and next, each once.
template <class Table>
std::set<long> walked(const Table& t) {
    std::set<long> seen;
    for (auto k = t.first(); k; k = t.next(*k))
        require(seen.insert(*k).second, "a key was met twice");
    return seen;
}
/// Runs `check` on an empty table of every type.
template <class F>
void on_all_types(F check) {
    on_all_workers([check] {
        check(numbers::create({.access = ets::access::public_}));
        check(ordered::create({.access = ets::access::public_}));
        check(bag::create({.access = ets::access::public_}));
        check(duplicate_bag::create({.access = ets::access::public_}));
    });
}

TEST(conformance_ets, first_next) {
    on_all_types([](auto t) {
        require(!t.first());
        for (long n : {1L, 2L, 100L, 3'000L}) {
            while (static_cast<long>(t.size()) < n) t.insert(static_cast<long>(t.size()), 1);
            require_eq(walked(t).size(), static_cast<std::size_t>(n));
        }
    });
}

TEST(conformance_ets, next_missing_set) {
    on_all_workers([] {
        auto check = [](auto t) {
            t.insert(1, 1);
            require_throws<ets::no_such_key>([&] { t.next(2); });
            require_throws<ets::no_such_key>([&] { t.prev(2); });
            t.erase(1);
            require_throws<ets::no_such_key>([&] { t.next(1); });
            t.safe_fixtable(true);
            require(!t.next(1));
            t.safe_fixtable(false);
        };
        check(numbers::create());
        check(bag::create());
    });
}

TEST(conformance_ets, prev_last_set) {
    on_all_workers([] {
        auto t = filled<numbers>(500);
        require(t.first() == t.last());
        for (long k = 0; k < 500; ++k) require(t.next(k) == t.prev(k));
    });
}

TEST(conformance_ets, ordered_order) {
    on_all_workers([] {
        auto t = ordered::create();
        std::vector<long> keys;
        for (long i = 0; i < 3'000; ++i) keys.push_back(i * 7919 % 10'007 - 5'000);
        for (long k : keys) t.insert(k, k);
        std::sort(keys.begin(), keys.end());
        std::size_t n = 0;
        for (auto k = t.first(); k; k = t.next(*k)) require_eq(*k, keys[n++]);
        for (auto k = t.last(); k; k = t.prev(*k)) require_eq(*k, keys[--n]);
        require_eq(n, 0u);
        require(t.select(every, key_only) == keys);
        require_eq(t.slot(17)->first, keys[17]);
        const auto up = t.fold(std::vector<long>(),
                               [](long k, long, std::vector<long> a) { return a.push_back(k), a; });
        require(up == keys);
        const auto down =
            t.fold_reverse(std::vector<long>(),
                           [](long k, long, std::vector<long> a) { return a.push_back(k), a; });
        std::reverse(keys.begin(), keys.end());
        require(down == keys);
        require_eq(t.next(-1'000'000).value(), keys.back());
    });
}

TEST(conformance_ets, first_next_stable) {
    on_all_workers([] {
        auto t = filled<numbers>(500);
        std::vector<worker> readers(3);
        for (auto& r : readers)
            r.begin([t] {
                for (int i = 0; i < 10; ++i)
                    for (auto k = t.first(); k;) {
                        const auto next = t.next(*k);
                        require(next == t.next(*k));
                        k = next;
                    }
            });
        for (auto& r : readers) r.finish();
    });
}

/// Goes through `t` by first and next while others insert and erase keys from 1000 on; the 1000 before stay.
template <class Table>
void walk_beside_changes(Table t, bool fixed) {
    std::atomic<bool> over{false};
    std::vector<worker> writers(2);
    for (long w = 0; w < 2; ++w)
        writers[static_cast<std::size_t>(w)].begin([t, w, &over]() mutable {
            std::mt19937 random(static_cast<unsigned>(w));
            for (long round = 0; !over; ++round)
                for (int i = 0; i < 200; ++i) {
                    const long k = 1'000 + w * 100'000 + static_cast<long>(random() % 5'000);
                    if (round % 2)
                        t.erase(k);
                    else
                        t.insert(k, k);
                }
        });
    for (int i = 0; i < 10; ++i) {
        if (fixed) t.safe_fixtable(true);
        std::set<long> seen;
        try {
            for (auto k = t.first(); k; k = t.next(*k))
                require(seen.insert(*k).second, "a key was met twice");
            for (long k = 0; k < 1'000; ++k)
                require(seen.contains(k), "a key that is there was not met");
        } catch (const ets::no_such_key&) {
            require(!fixed, "a fixed table forgot where its walker was");
        }
        for (long k : seen)
            require(k < 1'000 || (k - 1'000) % 100'000 < 5'000, "a key that never was");
        if (fixed) t.safe_fixtable(false);
    }
    over = true;
    for (auto& w : writers) w.finish();
}

TEST(conformance_ets, traverse_unsafe) {
    on_all_workers([] { walk_beside_changes(filled<numbers>(1'000), false); });
}

TEST(conformance_ets, fix_complete) {
    on_all_workers([] {
        walk_beside_changes(filled<numbers>(1'000), true);
        walk_beside_changes(filled<bag>(1'000), true);
    });
}

TEST(conformance_ets, fix_counted) {
    on_all_workers([] {
        auto t = numbers::create();
        worker other;
        t.safe_fixtable(true);
        t.safe_fixtable(true);
        other.run([t]() mutable { t.safe_fixtable(true); });
        require_eq(t.info()->fixations.size(), 2u);
        require(t.safe_fixtable(false));
        require(t.info()->fixed);
        require(t.safe_fixtable(false));
        require_eq(t.info()->fixations.size(), 1u);
        other.run([t]() mutable { require(t.safe_fixtable(false)); });
        require(!t.info()->fixed);
    });
}

TEST(conformance_ets, fix_foreign_unfix) {
    on_all_workers([] {
        auto t = numbers::create();
        t.safe_fixtable(true);
        worker other;
        other.run([t]() mutable { require(!t.safe_fixtable(false)); });
        require(t.info()->fixed);
        t.safe_fixtable(false);
        require(!t.safe_fixtable(false));
    });
}

TEST(conformance_ets, fix_death_releases) {
    on_all_workers([] {
        auto t = numbers::create();
        for (int i = 0; i < 100; ++i) {
            worker other;
            other.run([t]() mutable {
                auto own = numbers::create();
                own.safe_fixtable(true);
                t.safe_fixtable(true);
                t.safe_fixtable(true);
            });
            require(t.info()->fixed);
            other.end();
            require(!t.info()->fixed);
        }
    });
}

TEST(conformance_ets, fix_errors) {
    on_all_workers([] {
        auto t = numbers::create();
        t.delete_table();
        require_throws<ets::no_such_table>([&] { t.safe_fixtable(true); });
    });
}

TEST(conformance_ets, fix_info) {
    on_all_workers([] {
        auto t = numbers::create();
        require(!t.info()->fixed && t.info()->fixations.empty());
        t.safe_fixtable(true);
        const auto since = t.info()->fixed_since;
        sleep(2ms);
        t.safe_fixtable(true);
        const auto info = t.info().value();
        require(info.fixed && info.fixed_since == since);
        require(info.fixations.size() == 1 && info.fixations[0].process == self() &&
                info.fixations[0].count == 2);
        require(info.fixed_since_wall > std::chrono::system_clock::now() - 1min);
    });
}

TEST(conformance_ets, fix_race) {
    on_all_workers([] {
        auto t = filled<numbers>(1'000);
        std::vector<worker> crowd(3);
        for (long w = 0; w < 3; ++w)
            crowd[static_cast<std::size_t>(w)].begin([t, w]() mutable {
                for (int i = 0; i < 100; ++i) {
                    ets::fixation fixed(t);
                    const long k = 10'000 + w;
                    t.insert(k, i);
                    require(t.at(k) == i);
                    (void)t.select_count(every);
                    require(t.erase(k));
                }
            });
        for (auto& w : crowd) w.finish();
        require_eq(t.size(), 1'000u);
        require(!t.info()->fixed);
    });
}

TEST(conformance_ets, slot) {
    on_all_workers([] {
        auto check = [](auto t) {
            std::size_t n = 0;
            std::size_t i = 0;
            for (; auto rows = t.slot(i); ++i) n += rows->size();
            require_eq(n, 700u);
            require_throws<ets::bad_table_argument>([&] { t.slot(i + 1); });
        };
        check(filled<numbers>(700));
        check(filled<bag>(700));
        auto o = filled<ordered>(700);
        for (long i = 0; i < 700; ++i) require_eq(o.slot(static_cast<std::size_t>(i))->first, i);
        require(!o.slot(700));
        require_throws<ets::bad_table_argument>([&] { o.slot(701); });
    });
}

TEST(conformance_ets, fold_fixes) {
    on_all_types([](auto t) {
        for (long i = 0; i < 200; ++i) t.insert(i, 1);
        require_eq(t.fold(0L, [](long, long v, long a) { return a + v; }), 200);
        require_throws<std::runtime_error>(
            [&] { t.fold(0L, [](long, long, long) -> long { throw std::runtime_error("no"); }); });
        require(!t.info()->fixed);
    });
}

TEST(conformance_ets, tab2list) {
    on_all_types([](auto t) {
        require(t.to_vector().empty());
        for (long i = 0; i < 2'000; ++i) t.insert(i, i);
        auto all = t.to_vector();
        std::sort(all.begin(), all.end());
        require_eq(all.size(), 2'000u);
        for (long i = 0; i < 2'000; ++i) require_eq(all[static_cast<std::size_t>(i)].first, i);
    });
}

TEST(conformance_ets, match_basics) {
    on_all_workers([] {
        auto t = ets::set<long, std::pair<long, std::string>>::create();
        t.insert({{1, {5, "a"}}, {2, {5, "b"}}, {3, {6, "c"}}});
        auto found = t.match([](long k, const auto& v) {
            return v.first == 5 ? std::optional(std::pair(v.second, k)) : std::nullopt;
        });
        std::sort(found.begin(), found.end());
        require(found == std::vector<std::pair<std::string, long>>{{"a", 1}, {"b", 2}});
    });
}

TEST(conformance_ets, match_repeated_var) {
    on_all_types([](auto t) {
        t.insert({{1, 1}, {2, 3}, {4, 4}});
        require_eq(t.select_count([](long k, long v) { return k == v; }), 2u);
    });
}

TEST(conformance_ets, match_object) {
    on_all_workers([] {
        auto t = filled<numbers>(13'000);
        require(t.select([](long, long v) { return v == -1; }).empty());
        require(t.select([](long k, long) { return k == 77; }) ==
                std::vector<std::pair<long, long>>{{77, 770}});
    });
}

TEST(conformance_ets, match_model) {
    on_all_workers([] {
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
    });
}

TEST(conformance_ets, match_delete) {
    on_all_types([](auto t) {
        for (long i = 0; i < 1'000; ++i) t.insert(i, i % 7);
        require_eq(t.select_delete([](long, long v) { return v == 3; }), 143u);
        require_eq(t.size(), 857u);
        require_eq(t.select_delete(every), 857u);
        require(!t.first() && t.size() == 0);
    });
    on_all_workers([] {
        auto t = duplicate_bag::create();
        t.insert({{1, 1}, {1, 2}, {1, 1}, {2, 1}});
        require_eq(t.select_delete([](long k, long v) { return k == 1 && v == 1; }), 2u);
        require_eq(t.lookup(1), (std::vector<long>{2}));
        require_eq(t.size(), 2u);
    });
}

TEST(conformance_ets, select_basics) {
    on_all_workers([] {
        auto t = filled<numbers>(30);
        auto found = t.match(ets::first_of(
            ets::clause{[](long k, long) { return k < 3; }, [](long k, long) { return k; }},
            ets::clause{[](long k, long) { return k < 5; }, [](long k, long) { return -k; }}));
        std::sort(found.begin(), found.end());
        require(found == std::vector<long>{-4, -3, 0, 1, 2});
    });
}

TEST(conformance_ets, select_guard_error) {
    // A predicate that fails is an error of its own here: it is code of the caller's, and the table is unchanged.
    on_all_workers([] {
        auto t = filled<numbers>(30);
        require_throws<std::out_of_range>([&] {
            t.select_delete([](long k, long) -> bool {
                return k == 20 ? throw std::out_of_range("20") : false;
            });
        });
        require_eq(t.size(), 30u);
    });
}

TEST(conformance_ets, select_limit) {
    on_all_types([](auto t) {
        for (long i = 0; i < 100; ++i) t.insert(i, i);
        require_throws<ets::bad_table_argument>([&] { t.select(every, key_only, 0); });
        std::set<long> seen;
        for (auto page = t.select(every, key_only, 7); page; page.next()) {
            require(page.rows().size() <= 7 && !page.rows().empty());
            for (long k : page.rows()) require(seen.insert(k).second);
        }
        require_eq(seen.size(), 100u);
    });
}

TEST(conformance_ets, select_chunk_sizes) {
    on_all_workers([] {
        auto check = [](auto t) {
            std::vector<std::size_t> sizes;
            for (auto page = t.select(every, key_only, 3'000); page; page.next())
                sizes.push_back(page.rows().size());
            require(sizes == std::vector<std::size_t>{3'000, 3'000, 3'000, 1'000});
        };
        check(filled<ordered>(10'000));
        check(filled<numbers>(10'000));
    });
}

TEST(conformance_ets, select_chunk_end) {
    on_all_types([](auto t) {
        require(!t.select(every, key_only, 5));
        for (long i = 0; i < 5; ++i) t.insert(i, i);
        auto page = t.select(every, key_only, 5);
        require_eq(page.rows().size(), 5u);
        page.next();
        require(!page);
        page.next();
        require(!page);
        require(!t.select([](long, long) { return false; }, key_only, 5));
    });
}

TEST(conformance_ets, select_cont_fixed) {
    on_all_types([](auto t) {
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
    });
}

TEST(conformance_ets, select_cont_table_gone) {
    on_all_workers([] {
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
    });
}

TEST(conformance_ets, select_count) {
    on_all_types([](auto t) {
        for (long i = 0; i < 500; ++i) t.insert(i, i);
        require_eq(t.select_count([](long k, long) { return k % 5 == 0; }), 100u);
    });
}

TEST(conformance_ets, select_delete) {
    on_all_types([](auto t) {
        require_eq(t.select_delete(every), 0u);
        for (long i = 0; i < 500; ++i) t.insert(i, i);
        require_eq(t.select_delete([](long, long) { return false; }), 0u);
        require_eq(t.select_delete([](long k, long) { return k % 2 == 0; }), 250u);
        require_eq(t.size(), 250u);
        require(!t.member(2) && t.member(3));
    });
}

TEST(conformance_ets, select_delete_conserve) {
    on_all_types([](auto t) {
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
    });
}

TEST(conformance_ets, select_replace_key) {
    // The key is not the function's to choose.
    on_all_workers([] {
        auto check = [](auto t) {
            require_eq(t.select_replace([](long k, long) { return k < 10; },
                                        [](long k, long v) { return k + v; }),
                       10u);
            for (long k = 0; k < 100; ++k) require_eq(t.at(k), k < 10 ? 11 * k : 10 * k);
        };
        check(filled<numbers>(100));
        check(filled<ordered>(100));
    });
}

TEST(conformance_ets, select_replace_bag) {
    // A bag's select_replace does not compile: test/compile_fail. A duplicate_bag's does.
    on_all_workers([] {
        auto t = duplicate_bag::create();
        t.insert({{1, 1}, {1, 2}, {1, 1}});
        require_eq(
            t.select_replace([](long, long v) { return v == 1; }, [](long, long) { return 2; }),
            2u);
        require_eq(t.lookup(1), (std::vector<long>{2, 2, 2}));
    });
}

TEST(conformance_ets, select_replace_cas) {
    on_all_workers([] {
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
    });
}

TEST(conformance_ets, select_replace_next) {
    on_all_workers([] {
        auto t = filled<ordered>(100);
        long n = 0;
        for (auto k = t.first(); k; k = t.next(*k), ++n)
            t.select_replace([&](long key, long) { return key == *k; },
                             [](long, long v) { return v + 1; });
        require_eq(n, 100);
    });
}

TEST(conformance_ets, select_reverse) {
    on_all_workers([] {
        auto t = filled<ordered>(3'000);
        auto all = t.to_vector();
        std::reverse(all.begin(), all.end());
        require(t.select_reverse(every) == all);
        std::vector<long> keys;
        for (auto page = t.select_reverse(every, key_only, 700); page; page.next())
            keys.insert(keys.end(), page.rows().begin(), page.rows().end());
        require_eq(keys.size(), all.size());
        for (std::size_t i = 0; i < keys.size(); ++i) require_eq(keys[i], all[i].first);
    });
}

TEST(conformance_ets, select_releases_fix) {
    on_all_types([](auto t) {
        for (long i = 0; i < 3'000; ++i) t.insert(i, i);
        worker walker;
        walker.begin([t] {
            for (;;) (void)t.select_count(every);
        });
        yield();
        exit(walker.id(), reason::kill);
        walker.end();
        require(!t.info()->fixed);
    });
}

TEST(conformance_ets, ordered_concurrent) {
    on_all_workers([] {
        auto t = filled<ordered>(1'000);
        std::atomic<bool> over{false};
        std::vector<worker> writers(2);
        for (long w = 0; w < 2; ++w)
            writers[static_cast<std::size_t>(w)].begin([t, w, &over]() mutable {
                std::mt19937 random(static_cast<unsigned>(w));
                while (!over) {
                    const long k = 1'000 + static_cast<long>(random() % 3'000);
                    switch (random() % 3) {
                    case 0:
                        t.insert(k, k);
                        break;
                    case 1:
                        t.erase(k);
                        break;
                    default:
                        t.update(static_cast<long>(random() % 1'000), [](long& v) { v = -v; });
                    }
                }
            });
        for (int i = 0; i < 10; ++i) {
            const auto stable = [](const std::vector<long>& keys, bool up) {
                long expected = up ? 0 : 999;
                for (long k : keys) {
                    if (k >= 1'000) continue;
                    require_eq(k, expected);
                    expected += up ? 1 : -1;
                }
                require_eq(expected, up ? 1'000 : -1);
            };
            std::vector<long> keys;
            for (auto k = t.first(); k; k = t.next(*k)) keys.push_back(*k);
            stable(keys, true);
            keys.clear();
            for (auto k = t.last(); k; k = t.prev(*k)) keys.push_back(*k);
            stable(keys, false);
            stable(t.select(every, key_only), true);
            keys.clear();
            for (auto& [k, v] : t.select_reverse(every)) keys.push_back(k);
            stable(keys, false);
            keys.clear();
            for (auto page = t.select(every, key_only, 33); page; page.next())
                keys.insert(keys.end(), page.rows().begin(), page.rows().end());
            stable(keys, true);
            require_eq(t.select_count([](long k, long) { return k < 1'000; }), 1'000u);
        }
        over = true;
        for (auto& w : writers) w.finish();
    });
}

TEST(conformance_ets, info_fields) {
    on_all_workers([] {
        ets::ordered_set<std::string, long> t{
            {.name = "known", .access = ets::access::public_, .heir = {self(), 1}}};
        t.insert("a", 1);
        const auto check = [t, owner = self()] {
            const auto info = t.info().value();
            require(info.id == t.id() && info.name == "known"_a && info.named);
            require(info.owner == owner && info.heir == owner);
            require(info.kind == ets::kind::ordered_set && info.access == ets::access::public_);
            require(info.size == 1 && info.memory > 0 && !info.fixed && info.ownership_epoch == 0);
            require_eq(info.value_type, "long int");
            require_eq(t.to_string(), "#table<known." + std::to_string(t.id()) + ">");
        };
        check();
        worker other;
        other.run(check);
    });
}

TEST(conformance_ets, info_missing) {
    on_all_workers([] {
        require(!ets::whereis_any("nobody").info());
        auto t = numbers::create();
        t.delete_table();
        require(!t.info());
    });
}

TEST(conformance_ets, info_size_exact) {
    on_all_workers([] {
        auto check = [](auto t) {
            std::atomic<bool> over{false};
            std::vector<worker> readers(2);
            for (auto& r : readers)
                r.begin([t, &over] {
                    std::size_t size = 0;
                    std::size_t memory = 0;
                    while (!over) {
                        const auto info = t.info().value();
                        require(info.size >= size, "the size went down");
                        require(info.memory >= memory, "the memory went down");
                        size = info.size;
                        memory = info.memory;
                        yield();
                    }
                });
            std::vector<worker> writers(2);
            for (long w = 0; w < 2; ++w)
                writers[static_cast<std::size_t>(w)].begin([t, w]() mutable {
                    for (long i = 0; i < 10'000; ++i) t.insert(2 * i + w, i);
                });
            for (auto& w : writers) w.finish();
            over = true;
            for (auto& r : readers) r.finish();
            require_eq(t.size(), 20'000u);
        };
        check(numbers::create({.access = ets::access::public_}));
        check(ordered::create({.access = ets::access::public_}));
    });
}

TEST(conformance_ets, info_busy) {
    on_all_workers([] {
        numbers t{{.name = "busy", .access = ets::access::public_}};
        std::atomic<bool> over{false};
        worker reader;
        reader.begin([&over] {
            while (!over) {
                const auto found = ets::whereis<numbers>("busy");
                const auto size = found.info().value().size;
                require(size == 0 || size == 20'000, "half a list was counted");
                yield();
            }
        });
        yield();
        std::vector<std::pair<long, long>> rows;
        for (long i = 0; i < 20'000; ++i) rows.emplace_back(i, i);
        t.insert(rows);
        over = true;
        reader.finish();
    });
}

TEST(conformance_ets, conc_named_lookups) {
    on_all_workers([] {
        const atom names[] = {"c0"_a, "c1"_a, "c2"_a, "c3"_a};
        std::vector<worker> crowd(4);
        for (std::size_t w = 0; w < 4; ++w)
            crowd[w].begin([name = names[w], w] {
                numbers named{{.name = name}};
                auto unnamed = numbers::create();
                for (long i = 0; i < 3'000; ++i) {
                    ets::whereis<numbers>(name).insert(i, static_cast<long>(w));
                    unnamed.insert(i, i);
                    require_eq(ets::whereis<numbers>(name).at(i), static_cast<long>(w));
                    require_eq(unnamed.at(i), i);
                }
            });
        for (auto& w : crowd) w.finish();
    });
}

class file {
public:
    explicit file(const char* name)
        : path(std::string(::testing::TempDir()) + "heirloom_" + name) {}
    ~file() { std::remove(path.c_str()); }
    file(const file&) = delete;
    file& operator=(const file&) = delete;
    std::string bytes() const {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(const std::string& content) const {
        std::ofstream(path, std::ios::binary) << content;
    }
    std::string path;
};

TEST(conformance_ets, file_roundtrip) {
    on_all_workers([] {
        file f("roundtrip");
        const auto check = [&](auto t) {
            using table = decltype(t);
            require(bool(ets::tab2file(t, f.path)));
            auto before = t.to_vector();
            const auto info = t.info().value();
            t.delete_table();
            auto loaded = ets::file2tab<table>(f.path, {.verify = true}).value();
            auto after = loaded.to_vector();
            std::sort(before.begin(), before.end());
            std::sort(after.begin(), after.end());
            require(before == after);
            require(loaded.info()->owner == self() && loaded.info()->access == info.access &&
                    loaded.info()->named == info.named && loaded.info()->name == info.name);
            loaded.delete_table();
        };
        check(filled<numbers>(0));
        check(filled<numbers>(10'000, {.name = "numbers", .access = ets::access::private_}));
        check(filled<ordered>(10'000));
        check(filled<bag>(1'000));
        auto b = duplicate_bag::create();
        b.insert({{1, 1}, {1, 1}, {2, 2}});
        check(b);
        auto s = ets::set<std::string, std::vector<std::string>>::create();
        s.insert("a", {"b", "c"});
        check(s);
        auto a = ets::set<atom, std::optional<std::pair<long, double>>>{
            {.name = "label", .named = false}};
        a.insert("x"_a, {});
        a.insert("y"_a, std::pair(1L, 2.5));
        require(bool(ets::tab2file(a, f.path)));
        auto loaded =
            ets::file2tab<ets::set<atom, std::optional<std::pair<long, double>>>>(f.path).value();
        require(loaded.at("y"_a) == std::pair(1L, 2.5) && !loaded.at("x"_a));
    });
}

TEST(conformance_ets, file_verify) {
    on_all_workers([] {
        file f("verify");
        auto t = filled<numbers>(100);
        require(bool(ets::tab2file(t, f.path)));
        const std::string whole = f.bytes();
        require_eq(ets::tabfile_info(f.path).value().size, 100u);
        f.write(whole.substr(0, whole.size() - 24));
        auto cut = ets::file2tab<numbers>(f.path, {.verify = true});
        require(!cut && cut.error().why == ets::file_error::cause::invalid_object_count);
        require_eq(ets::file2tab<numbers>(f.path).value().size(), 98u);
        std::string flipped = whole;
        flipped[flipped.size() - 5] = static_cast<char>(flipped[flipped.size() - 5] ^ 4);
        f.write(flipped);
        auto bad = ets::file2tab<numbers>(f.path, {.verify = true});
        require(!bad && bad.error().why == ets::file_error::cause::checksum_error);
        require_eq(ets::file2tab<numbers>(f.path).value().size(), 100u);
    });
}

TEST(conformance_ets, file_bad) {
    on_all_workers([] {
        file f("bad");
        const auto why = [&] { return ets::file2tab<numbers>(f.path).error().why; };
        require(why() == ets::file_error::cause::cannot_open);
        f.write("something else");
        require(why() == ets::file_error::cause::bad_file);
        auto t = filled<numbers>(10);
        require(bool(ets::tab2file(t, f.path)));
        std::string damaged = f.bytes();
        damaged[40] = static_cast<char>(damaged[40] ^ 1);
        f.write(damaged);
        require(why() == ets::file_error::cause::bad_file);
        require(bool(ets::tab2file(filled<ordered>(10), f.path)));
        require(why() == ets::file_error::cause::wrong_type);
        t.delete_table();
        require_throws<ets::no_such_table>([&] { (void)ets::tab2file(t, f.path); });
        require(!ets::tab2file(filled<numbers>(1), "/nowhere/at/all"));
    });
}

TEST(conformance_ets, init_table) {
    on_all_types([](auto t) {
        t.insert(77, 1);
        int calls = 0;
        t.init_table([&]() -> std::optional<std::vector<std::pair<long, long>>> {
            switch (++calls) {
            case 1:
                return {{{1, 1}, {2, 2}}};
            case 2:
                return std::vector<std::pair<long, long>>();
            case 3:
                return {{{3, 3}}};
            default:
                return std::nullopt;
            }
        });
        require_eq(t.size(), 3u);
        require(!t.member(77) && t.member(3));
    });
}

}  // namespace
}  // namespace heirloom::test
