// The catalogue's rows about going through tables and fixing them, by their ids.
#include "tables.hpp"

#include <atomic>
#include <random>

namespace heirloom::test {
namespace {

TEST(conformance_ets, first_next) {
    const auto body = [](auto t) {
        require(!t.first());
        for (long n : {1L, 2L, 100L, 3'000L}) {
            while (static_cast<long>(t.size()) < n) t.insert(static_cast<long>(t.size()), 1);
            require_eq(walked(t).size(), static_cast<std::size_t>(n));
        }
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, next_missing_set) {
    const auto body = [] {
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
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, prev_last_set) {
    const auto body = [] {
        auto t = filled<numbers>(500);
        require(t.first() == t.last());
        for (long k = 0; k < 500; ++k) require(t.next(k) == t.prev(k));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, ordered_order) {
    const auto body = [] {
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
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, first_next_stable) {
    const auto body = [] {
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
    };
    EXPECT_TRUE(holds_on_all_workers(body));
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
    const auto body = [] { walk_beside_changes(filled<numbers>(1'000), false); };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, fix_complete) {
    const auto body = [] {
        walk_beside_changes(filled<numbers>(1'000), true);
        walk_beside_changes(filled<bag>(1'000), true);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, fix_counted) {
    const auto body = [] {
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
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, fix_foreign_unfix) {
    const auto body = [] {
        auto t = numbers::create();
        t.safe_fixtable(true);
        worker other;
        other.run([t]() mutable { require(!t.safe_fixtable(false)); });
        require(t.info()->fixed);
        t.safe_fixtable(false);
        require(!t.safe_fixtable(false));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, fix_death_releases) {
    const auto body = [] {
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
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, fix_errors) {
    const auto body = [] {
        auto t = numbers::create();
        t.delete_table();
        require_throws<ets::no_such_table>([&] { t.safe_fixtable(true); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, fix_info) {
    const auto body = [] {
        auto t = numbers::create();
        require(!t.info()->fixed && t.info()->fixations.empty());
        t.safe_fixtable(true);
        const auto since = t.info()->fixed_since;
        while (runtime_clock::now() == since) yield();
        t.safe_fixtable(true);
        const auto info = t.info().value();
        require(info.fixed && info.fixed_since == since);
        require(info.fixations.size() == 1 && info.fixations[0].process == self() &&
                info.fixations[0].count == 2);
        require(info.fixed_since_wall > std::chrono::system_clock::now() - 1min);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, fix_race) {
    const auto body = [] {
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
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, slot) {
    const auto body = [] {
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
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, fold_fixes) {
    const auto body = [](auto t) {
        for (long i = 0; i < 200; ++i) t.insert(i, 1);
        require_eq(t.fold(0L, [](long, long v, long a) { return a + v; }), 200);
        require_throws<std::runtime_error>(
            [&] { t.fold(0L, [](long, long, long) -> long { throw std::runtime_error("no"); }); });
        require(!t.info()->fixed);
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, tab2list) {
    const auto body = [](auto t) {
        require(t.to_vector().empty());
        for (long i = 0; i < 2'000; ++i) t.insert(i, i);
        auto all = t.to_vector();
        std::sort(all.begin(), all.end());
        require_eq(all.size(), 2'000u);
        for (long i = 0; i < 2'000; ++i) require_eq(all[static_cast<std::size_t>(i)].first, i);
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

TEST(conformance_ets, ordered_concurrent) {
    const auto body = [] {
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
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
