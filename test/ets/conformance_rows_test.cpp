// The catalogue's rows about inserting, reading, updating and removing, by their ids.
#include "tables.hpp"

#include <array>
#include <atomic>
#include <cctype>
#include <limits>
#include <random>
#include <variant>

namespace heirloom::test {
namespace {

struct session {
    long hits = 0;
    int misses = 0;
    std::string user;
    bool operator==(const session&) const = default;
};

/// Compares and hashes without regard to case.
struct caseless {
    bool operator()(const std::string& a, const std::string& b) const {
        return std::lexicographical_compare(
            a.begin(), a.end(), b.begin(), b.end(),
            [](char x, char y) { return std::tolower(x) < std::tolower(y); });
    }
};

template <class Table>
Table open_to_all() {
    return Table::create({.access = ets::access::public_});
}

TEST(conformance_ets, keypos) {
    // The key is a type of its own; what makes rows equal is the key alone.
    const auto body = [] {
        auto t = ets::set<std::pair<int, std::string>, long>::create();
        t.insert({1, "a"}, 1);
        t.insert({1, "b"}, 2);
        require_eq(t.size(), 2u);
        require_eq(t.at({1, "b"}), 2);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, key_equality_set) {
    const auto body = [] {
        auto t = ets::set<std::variant<long, double>, int>::create();
        t.insert(1L, 1);
        t.insert(1.0, 2);
        require_eq(t.size(), 2u);
        require_eq(t.at(1L), 1);
        require_eq(t.at(1.0), 2);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, key_equality_ordered) {
    const auto body = [] {
        auto t = ets::ordered_set<std::string, long, caseless>::create();
        t.insert("Key", 1);
        require_eq(t.at("KEY"), 1);
        require_eq(t.update_counter("kEY", 5), 6);
        require_eq(t.first().value(), "Key");
        require(!t.insert_new("key", 0));
        require_eq(t.take("key").value(), 6);
        require_eq(t.size(), 0u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, eot_not_a_key) {
    // The end of the table is an empty optional, which is no key: `next` does not take it.
    const auto body = [] {
        require(!numbers::create().first() && !ordered::create().last());
        static_assert(
            !std::is_invocable_v<decltype(&numbers::next), numbers&, std::optional<long>>);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, ins_single) {
    const auto body = [] {
        auto check = [](auto t, auto key, auto first, auto second) {
            t.insert(key, first);
            t.insert(key, second);
            require_eq(t.size(), 1u);
            require(t.at(key) == second);
        };
        check(numbers::create(), 1L, 2L, 3L);
        check(texts::create(), std::string("k"), std::string("a"), std::string(300, 'b'));
        check(ordered::create(), 1L, 2L, 3L);
        check(ets::ordered_set<std::string, session>::create(), std::string("k"), session{},
              session{1, 2, "x"});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

struct fails_to_copy {
    fails_to_copy() = default;
    explicit fails_to_copy(int n) : number(n) {}
    fails_to_copy(const fails_to_copy& other) : number(other.number) {
        if (number == 13) throw std::runtime_error("thirteen");
    }
    fails_to_copy& operator=(const fails_to_copy&) = default;
    int number = 0;
};

TEST(conformance_ets, ins_list_bad) {
    // The bad element of C++ is one that cannot be copied: then nothing at all is inserted.
    const auto body = [] {
        auto t = ets::set<long, fails_to_copy>::create();
        std::vector<std::pair<long, fails_to_copy>> rows(50);
        for (int i = 0; i < 50; ++i) {
            rows[static_cast<std::size_t>(i)].first = i;
            rows[static_cast<std::size_t>(i)].second.number = i == 40 ? 13 : 100 + i;
        }
        t.insert(3, fails_to_copy(1));
        require_throws<std::runtime_error>([&] { t.insert(rows); });
        require_eq(t.size(), 1u);
        require_eq(t.at(3).number, 1);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

template <class Table>
void list_insert_is_isolated() {
    auto t = open_to_all<Table>();
    constexpr long keys = 400;
    std::atomic<bool> over{false};
    std::vector<worker> readers(2);
    for (auto& r : readers)
        r.begin([t, &over] {
            // All rows of a list carry its number: the later key may never show an older list than the earlier one did.
            std::mt19937 random(static_cast<unsigned>(self().slot()));
            while (!over) {
                const long a = static_cast<long>(random() % keys);
                const long b = static_cast<long>(random() % keys);
                const auto first = t.lookup(a);
                const auto second = t.lookup(b);
                if (first) require(second && *second >= *first, "half a list was seen");
            }
        });
    for (long round = 1; round <= 60; ++round) {
        std::vector<std::pair<long, long>> rows;
        for (long k = 0; k < keys; ++k) rows.emplace_back(k, round);
        t.insert(rows);
        yield();
    }
    over = true;
    for (auto& r : readers) r.finish();
    require_eq(t.size(), static_cast<std::size_t>(keys));
}

TEST(conformance_ets, ins_list_atomic) {
    const auto body = [] {
        list_insert_is_isolated<numbers>();
        list_insert_is_isolated<ordered>();
        // Writers on keys of their own give the exact total.
        auto t = open_to_all<numbers>();
        std::vector<worker> writers(4);
        for (long w = 0; w < 4; ++w)
            writers[static_cast<std::size_t>(w)].begin([t, w]() mutable {
                for (long size : {2L, 100L, 3'000L}) {
                    std::vector<std::pair<long, long>> rows;
                    for (long i = 0; i < size; ++i)
                        rows.emplace_back(w * 1'000'000 + size * 10'000 + i, i);
                    t.insert(rows);
                }
            });
        for (auto& w : writers) w.finish();
        require_eq(t.size(), 4u * (2 + 100 + 3'000));
        require_eq(t.to_vector().size(), t.size());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, ins_list_killed) {
    const auto body = [] {
        for (int round = 0; round < 30; ++round) {
            auto t = open_to_all<texts>();
            auto writer = spawn_monitor([t]() mutable {
                std::vector<std::pair<std::string, std::string>> rows;
                for (int i = 0; i < 2'000; ++i)
                    rows.emplace_back("key number " + std::to_string(i), "value");
                t.insert(rows);
            });
            for (int i = 0; i < round % 7; ++i) yield();
            exit(writer.pid, reason::kill);
            receive(when(writer.ref, [](down) {}));
            require(t.size() == 0 || t.size() == 2'000, "a part of the list");
            require_eq(t.to_vector().size(), t.size());
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, ins_new_single) {
    const auto body = [] {
        auto check = [](auto t) {
            require(t.insert_new(1, 1));
            require(!t.insert_new(1, 2));
            require_eq(t.at(1), 1);
        };
        check(numbers::create());
        check(ordered::create());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, ins_new_list) {
    const auto body = [] {
        auto check = [](auto t) {
            require(t.insert_new({{1, 1}, {2, 2}}));
            require(!t.insert_new({{3, 3}, {2, 9}, {4, 4}}));
            require_eq(t.size(), 2u);
            require_eq(t.at(2), 2);
            require(t.insert_new({{3, 3}, {3, 4}}));
            require_eq(t.at(3), 4);
        };
        check(numbers::create());
        check(ordered::create());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, ins_new_bag) {
    const auto body = [] {
        auto check = [](auto t) {
            require(t.insert_new(1, 1));
            require(!t.insert_new(1, 2));
            require(!t.insert_new({{2, 1}, {1, 2}}));
            require_eq(t.size(), 1u);
            require(t.insert_new({{2, 1}, {2, 2}}));
            require_eq(t.size(), 3u);
        };
        check(bag::create());
        check(duplicate_bag::create());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, ins_new_races) {
    const auto body = [] {
        auto check = [](auto t) {
            std::atomic<long> won{0};
            std::vector<worker> crowd(4);
            for (auto& w : crowd)
                w.begin([t, &won]() mutable {
                    for (long k = 0; k < 2'000; ++k) won += t.insert_new(k, k) ? 1 : 0;
                });
            for (auto& w : crowd) w.finish();
            require_eq(won.load(), 2'000);
            require_eq(t.size(), 2'000u);
        };
        check(open_to_all<numbers>());
        check(open_to_all<ordered>());
        check(open_to_all<bag>());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, ins_bag) {
    const auto body = [] {
        auto t = bag::create();
        t.insert(1, 3);
        t.insert(1, 1);
        t.insert(1, 3);
        t.insert(1, 2);
        require_eq(t.lookup(1), (std::vector<long>{3, 1, 2}));
        std::vector<std::pair<long, long>> many;
        for (long i = 0; i < 25'000; ++i) many.emplace_back(i % 5'000 + 10, i);
        t.insert(many);
        t.insert(many);
        require_eq(t.size(), 25'003u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, ins_dup_bag) {
    const auto body = [] {
        auto t = duplicate_bag::create();
        for (long v : {2, 1, 2}) t.insert(1, v);
        require_eq(t.lookup(1), (std::vector<long>{2, 1, 2}));
        std::vector<std::pair<long, long>> many;
        for (long i = 0; i < 10'000; ++i) many.emplace_back(i % 100 + 10, i % 7);
        t.insert(many);
        t.insert(many);
        require_eq(t.size(), 20'003u);
        require_eq(t.lookup(10).size(), 200u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, grow_shrink_fixed) {
    const auto body = [] {
        auto t = open_to_all<numbers>();
        std::vector<worker> crowd(3);
        for (long w = 0; w < 3; ++w)
            crowd[static_cast<std::size_t>(w)].begin([t, w]() mutable {
                for (int round = 0; round < 10; ++round) {
                    t.safe_fixtable(true);
                    for (long i = 0; i < 1'000; ++i) t.insert(w * 10'000 + i, i);
                    for (long i = 10; i < 1'000; ++i) require(t.erase(w * 10'000 + i));
                    t.safe_fixtable(false);
                }
            });
        for (auto& w : crowd) w.finish();
        require_eq(t.size(), 30u);
        require_eq(t.to_vector().size(), 30u);
        require(!t.info()->fixed);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, lookup_set) {
    const auto body = [] {
        auto check = [](auto t) {
            require(!t.lookup(1));
            for (long i = 0; i < 3'000; ++i) t.insert(i, i * i);
            for (long i = 0; i < 3'000; ++i) require(t.lookup(i) == i * i);
            require(!t.lookup(3'000) && !t.lookup(-1));
        };
        check(numbers::create());
        check(ordered::create());
        auto strings = texts::create();
        strings.insert("key", "value");
        require(strings.lookup(std::string_view("key!").substr(0, 3)) == "value");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, lookup_element) {
    const auto body = [] {
        auto t = ets::set<long, session>::create();
        t.insert(1, {7, 8, "joe"});
        require_eq(t.lookup_element(1, &session::user), "joe");
        require_eq(t.lookup_element(1, &session::hits), 7);
        auto b = ets::bag<long, session>::create();
        b.insert(1, {7, 8, "joe"});
        b.insert(1, {7, 9, "ann"});
        require_eq(b.lookup_element(1, &session::user), (std::vector<std::string>{"joe", "ann"}));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, lookup_element_errors) {
    // A position that is wrong does not compile.
    const auto body = [] {
        require_throws<ets::no_such_key>(
            [] { ets::set<long, session>::create().lookup_element(1, &session::user); });
        require_throws<ets::no_such_key>(
            [] { ets::bag<long, session>::create().lookup_element(1, &session::user); });
        require_throws<ets::no_such_key>([] { numbers::create().at(1); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, member) {
    const auto body = [] {
        auto check = [](auto t) {
            t.insert(1, 1);
            require(t.member(1));
            ets::fixation fixed(t);
            t.erase(1);
            require(!t.member(1));
            t.delete_table();
            require_throws<ets::no_such_table>([&] { t.member(1); });
        };
        check(numbers::create());
        check(ordered::create());
        check(bag::create());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, del_key) {
    const auto body = [] {
        auto t = numbers::create();
        t.insert(1, 1);
        require(t.erase(1) && !t.erase(1));
        auto b = duplicate_bag::create();
        b.insert({{1, 1}, {1, 1}, {2, 1}});
        require(b.erase(1) && !b.erase(1));
        require_eq(b.size(), 1u);
        b.insert({{2, 1}, {2, 3}});
        require_eq(b.erase_object(2, 1), 2u);
        require_eq(b.lookup(2), (std::vector<long>{3}));
        require(!t.erase_object(2, 0));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

template <class Table>
void clearing_leaves_top_segments() {
    auto t = open_to_all<Table>();
    std::atomic<bool> over{false};
    constexpr long writers = 4;
    std::vector<worker> crowd(writers);
    std::array<std::atomic<long>, writers> written{};
    for (long w = 0; w < writers; ++w)
        crowd[static_cast<std::size_t>(w)].begin([t, w, &over, &written]() mutable {
            long n = 0;
            for (; !over && n < 20'000; ++n) t.insert(w * 1'000'000'000 + n, n);
            written[static_cast<std::size_t>(w)] = n;
        });
    for (int i = 0; i < 20; ++i) {
        t.clear();
        for (int turns = 0; turns < 1'000 && t.size() < 100; ++turns) yield();
    }
    over = true;
    for (auto& w : crowd) w.finish();
    std::size_t total = 0;
    for (long w = 0; w < writers; ++w) {
        const long n = written[static_cast<std::size_t>(w)];
        long lowest = n;
        while (lowest > 0 && t.member(w * 1'000'000'000 + lowest - 1)) --lowest;
        for (long k = 0; k < lowest; ++k) require(!t.member(w * 1'000'000'000 + k), "a hole");
        total += static_cast<std::size_t>(n - lowest);
    }
    require_eq(t.size(), total);
}

TEST(conformance_ets, del_all_atomic) {
    const auto body = [] {
        clearing_leaves_top_segments<numbers>();
        clearing_leaves_top_segments<ordered>();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, del_all_fixed) {
    const auto body = [] {
        auto t = open_to_all<numbers>();
        for (long i = 0; i < 1'000; ++i) t.insert(i, i);
        worker fixer;
        fixer.run([t]() mutable { t.safe_fixtable(true); });
        const long key = t.first().value();
        t.clear();
        require_eq(t.size(), 0u);
        require(!t.next(key));
        fixer.end();
        require(!t.info()->fixed);
        require_throws<ets::no_such_key>([&] { t.next(key); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, del_table_large) {
    const auto body = [] {
        texts t{{.name = "large", .access = ets::access::public_}};
        std::vector<std::pair<std::string, std::string>> rows;
        for (int i = 0; i < 50'000; ++i) rows.emplace_back(std::to_string(i), "value");
        t.insert(rows);
        t.safe_fixtable(true);
        t.delete_table();
        require(!t.info());
        worker other;
        other.run([] { texts{{.name = "large"}}; });
        require_throws<ets::no_such_table>([&] { t.lookup("1"); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, del_table_killed) {
    const auto body = [] {
        for (int i = 0; i < 100; ++i) {
            numbers t{{.name = "doomed", .access = ets::access::public_}};
            t.insert(1, 1);
            auto deleter = spawn_monitor([t]() mutable { t.delete_table(); });
            for (int k = 0; k < i % 4; ++k) yield();
            exit(deleter.pid, reason::kill);
            receive(when(deleter.ref, [](down) {}));
            if (t.info()) t.delete_table();
            require(ets::whereis_any("doomed").id() == 0);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, del_table_races) {
    const auto body = [] {
        std::atomic<bool> over{false};
        std::vector<worker> crowd(3);
        for (auto& w : crowd)
            w.begin([&over] {
                while (!over) {
                    try {
                        auto t = ets::whereis<numbers>("comes and goes");
                        t.insert(1, 1);
                        (void)t.size();
                        (void)t.lookup(1);
                        (void)t.info();
                        (void)t.to_vector();
                        t.erase(1);
                    } catch (const ets::no_such_table&) {
                        yield();
                    }
                }
            });
        for (int i = 0; i < 2'000; ++i) {
            numbers t{{.name = "comes and goes", .access = ets::access::public_}};
            t.insert(2, 2);
            if (i % 64 == 0) yield();
            t.delete_table();
        }
        over = true;
        for (auto& w : crowd) w.finish();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, take) {
    const auto body = [] {
        auto t = numbers::create();
        t.insert(1, 5);
        require(t.take(1) == 5 && !t.take(1));
        auto o = ets::ordered_set<std::string, long, caseless>::create();
        o.insert("a", 5);
        require(o.take("A") == 5 && o.size() == 0);
        auto b = duplicate_bag::create();
        b.insert({{1, 1}, {1, 1}, {1, 2}});
        require_eq(b.take(1), (std::vector<long>{1, 1, 2}));
        require(b.take(1).empty());
        require_eq(b.size(), 0u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, upd_element) {
    const auto body = [] {
        auto check = [](auto t) {
            t.insert(1, session{1, 2, "joe"});
            require(t.update_element(1, &session::user, "ann"));
            require(t.update_element(1, &session::hits, 5, &session::misses, 6, &session::hits, 7));
            require(t.update_element(1));
            require(t.at(1) == session{7, 6, "ann"});
            require(!t.update_element(2, &session::hits, 1));
        };
        check(ets::set<long, session>::create());
        check(ets::ordered_set<long, session>::create());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, upd_counter_forms) {
    const auto body = [] {
        auto check = [](auto t) {
            t.insert(1, 10);
            require_eq(t.update_counter(1, 5), 15);
            require_eq(t.update_counter(1, {.add = -20}), -5);
            require_eq(t.update_counter(1, {{.add = 1}, {.add = 2}, {.add = -10}}),
                       (std::vector<long>{-4, -2, -12}));
            require_eq(t.at(1), -12);
        };
        check(numbers::create());
        check(ordered::create());
        auto s = ets::set<long, session>::create();
        s.insert(1, {});
        require_eq(s.update_counter(1, &session::hits, 3), 3);
        require(s.update_counters(1, ets::step(&session::hits, 1),
                                  ets::step(&session::misses, 2)) == std::tuple<long, int>(4, 2));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, upd_counter_threshold) {
    const auto body = [] {
        auto t = numbers::create();
        t.insert(1, 10);
        require_eq(t.update_counter(1, {.add = 5, .threshold = 15, .reset = 0}), 15);
        require_eq(t.update_counter(1, {.add = 1, .threshold = 15, .reset = 3}), 3);
        require_eq(t.update_counter(1, {.add = -3, .threshold = 0, .reset = 9}), 0);
        require_eq(t.update_counter(1, {.add = -1, .threshold = 0, .reset = 9}), 9);
        require_eq(t.update_counter(1, {.add = 0, .threshold = 8, .reset = 1}), 1);
        require_eq(t.at(1), 1);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, upd_counter_missing) {
    const auto body = [] {
        require_throws<ets::no_such_key>([] { numbers::create().update_counter(1, 1); });
        require_throws<ets::no_such_key>([] { ordered::create().update_counter(1, 1); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, upd_counter_errors) {
    // Wrong positions, types and shapes do not compile; a list that fails changes nothing.
    const auto body = [] {
        auto t = ets::set<long, int>::create();
        t.insert(1, 5);
        require_throws<ets::counter_overflow>([&] {
            t.update_counter(1, {{.add = 1}, {.add = std::numeric_limits<int>::max()}});
        });
        require_eq(t.at(1), 5);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, upd_counter_default) {
    const auto body = [] {
        auto check = [](auto t) {
            require_eq(t.update_counter(1, 1, 40), 41);
            require_eq(t.update_counter(1, 1, 40), 42);
            require_eq(t.size(), 1u);
        };
        check(numbers::create());
        check(ordered::create());
        auto s = ets::set<std::string, session>::create();
        require_eq(s.update_counter("joe", &session::hits, {.add = 1}, session{9, 0, "joe"}), 10);
        require_eq(s.at("joe").user, "joe");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, upd_counter_big) {
    // A counter has the range of its type; beyond it nothing is added and the caller is told.
    const auto body = [] {
        auto t = numbers::create();
        constexpr long most = std::numeric_limits<long>::max();
        t.insert(1, most - 1);
        require_eq(t.update_counter(1, 1), most);
        require_throws<ets::counter_overflow>([&] { t.update_counter(1, 1); });
        require_eq(t.at(1), most);
        require_eq(t.update_counter(1, -most), 0);
        require_eq(t.update_counter(1, std::numeric_limits<long>::min()),
                   std::numeric_limits<long>::min());
        require_throws<ets::counter_overflow>([&] { t.update_counter(1, -1); });
        auto u = ets::set<long, unsigned>::create();
        u.insert(1, 0u);
        require_eq(u.update_counter(1, 3'000'000'000u), 3'000'000'000u);
        require_throws<ets::counter_overflow>([&] { u.update_counter(1, 3'000'000'000u); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

struct twins {
    long a = 0;
    long b = 0;
};

TEST(conformance_ets, upd_atomic) {
    const auto body = [] {
        auto check = [](auto t) {
            t.insert(1, twins{});
            std::atomic<bool> over{false};
            std::vector<worker> crowd(3);
            for (auto& w : crowd)
                w.begin([t]() mutable {
                    for (int i = 0; i < 3'000; ++i)
                        t.update_counters(1, ets::step(&twins::a, 1), ets::step(&twins::b, 1));
                });
            worker reader;
            reader.begin([t, &over] {
                while (!over) {
                    const auto now = t.at(1);
                    require_eq(now.a, now.b);
                }
            });
            for (auto& w : crowd) w.finish();
            over = true;
            reader.finish();
            require_eq(t.at(1).a, 9'000);
        };
        check(open_to_all<ets::set<long, twins>>());
        check(open_to_all<ets::ordered_set<long, twins>>());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, upd_fixed) {
    const auto body = [] {
        auto t = numbers::create();
        ets::fixation fixed(t);
        t.insert(1, 1);
        t.erase(1);
        t.insert(1, 5);
        require_eq(t.update_counter(1, 1), 6);
        require(t.update(1, [](long& v) { v *= 2; }));
        require_eq(t.at(1), 12);
        require_eq(t.size(), 1u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
