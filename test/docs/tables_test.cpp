// The examples of docs/tables.md.
#include "inside.hpp"

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

// [example point]
struct point {
    int x = 0, y = 0;
    friend bool operator==(const point&, const point&) = default;
};
template <>
struct heirloom::ets::hash<point> {
    std::uint64_t operator()(const point& p, std::uint64_t seed) const noexcept {
        return hash<int>()(p.y, hash<int>()(p.x, seed));  // both halves depend on the seed
    }
};
// [example end]

namespace {

// [example sessions]
struct session {
    std::string user;
    long expires = 0;
    long hits = 0;
};
using sessions = ets::set<long, session>;

std::vector<std::string> use_sessions() {
    sessions table{{.name = "sessions"}};  // protected: all read, the owner writes
    table.insert(1, {"ann", 100});
    table.insert({{2, {"bob", 50}}, {3, {"cid", 70}}});  // both or none, to whoever looks

    table.update(1, [](session& s) { s.expires += 100; });  // one row, atomically
    table.update_element(2, &session::expires, 60);
    table.update_counter(3, &session::hits, 1);

    const auto soon = [](long, const session& s) { return s.expires < 65; };
    table.select_delete(soon);
    return table.select([](long, const session&) { return true; },
                        [](long, const session& s) { return s.user; });
}
// [example end]

// [example heir]
using counts = ets::set<atom, long>;

long inherited() {
    const auto owner = spawn_monitor([heir = self()] {
        counts table{{.heir = {heir, "yours_now"_a}}};
        table.insert("visits"_a, 41);
        throw std::runtime_error("out of luck");
    });
    const auto mine = receive([](ets::transfer t) { return t.as<counts>(); });  // before the down
    receive(when(owner.ref, [](const down&) {}));
    return mine.at("visits"_a);
}
// [example end]

// [example kept]
counts open_counts() {
    auto table = counts::claim_or_create({.name = "counts", .keep = true});
    table.insert_new("visits"_a, 0);  // only the first owner finds it absent
    return table;
}
// [example end]

long kept_over_three_owners() {
    for (int i = 0; i < 3; ++i) {
        const auto owner = spawn_monitor([] { open_counts().update_counter("visits"_a, 1); });
        receive(when(owner.ref, [](const down&) {}));
    }
    return ets::whereis<counts>("counts").at("visits"_a);
}

// [example pages]
std::size_t in_pages(const ets::ordered_set<long, long>& table) {
    std::size_t pages = 0;
    const auto odd = [](long, long value) { return value % 2 == 1; };
    const auto key = [](long k, long) { return k; };
    for (auto page = table.select(odd, key, 100); page; page.next()) {
        for (const long k : page.rows()) (void)k;
        ++pages;
    }
    return pages;
}
// [example end]

// [example callback]
bool refused_in_a_callback(counts table, counts other) {
    try {
        table.update("visits"_a, [&](long& n) {
            n += other.lookup("visits"_a).value_or(0);  // reading any table is allowed
            other.insert("visits"_a, n);                // writing one is not
        });
    } catch (const in_table_callback&) {
        return table.at("visits"_a) == 1;  // the row is as it was
    }
    return false;
}
// [example end]

// [example file]
bool saved_and_loaded(const counts& table, const std::string& path) {
    blocking([&] { return ets::tab2file(table, path); }).value();  // throws if it was not written
    const std::size_t size = table.size();
    counts(table).delete_table();
    const auto again = ets::file2tab<counts>(path, {.verify = true});
    return again && again->size() == size;
}
// [example end]

TEST(docs_tables, rows) {
    EXPECT_EQ(inside(use_sessions).size(), 2u);
    EXPECT_EQ(inside([] {
                  ets::ordered_set<long, long> numbers{ets::table_options{}};
                  for (long i = 0; i < 1000; ++i) numbers.insert(i, i);
                  return in_pages(numbers);
              }),
              5u);
    EXPECT_EQ(inside([] {
                  ets::set<point, int> board{ets::table_options{}};
                  board.insert({1, 2}, 3);
                  return board.at({1, 2});
              }),
              3);
}

TEST(docs_tables, ownership) {
    EXPECT_EQ(inside(inherited), 41);
    EXPECT_EQ(inside(kept_over_three_owners), 3);
}

TEST(docs_tables, callbacks_may_read_but_not_write) {
    EXPECT_TRUE(inside([] {
        counts table{ets::table_options{}};
        counts other{ets::table_options{}};
        table.insert("visits"_a, 1);
        return refused_in_a_callback(table, other);
    }));
}

TEST(docs_tables, files) {
    const std::string path = testing::TempDir() + "docs_tables_" + std::to_string(::getpid());
    EXPECT_TRUE(inside([&] {
        counts table{{.name = "filed"}};
        table.insert("visits"_a, 1);
        return saved_and_loaded(table, path);
    }));
    std::remove(path.c_str());
}

// What the table of docs/tables.md says of verbs that go through the whole table: row by row, in no way a snapshot.
TEST(docs_tables, a_predicate_that_throws_is_the_callers_error) {
    EXPECT_TRUE(inside([] {
        counts table{ets::table_options{}};
        table.insert("visits"_a, 1);
        try {
            (void)table.select_count([](atom, long) -> bool { throw std::runtime_error("odd"); });
        } catch (const std::runtime_error&) {
            return table.size() == 1;
        }
        return false;
    }));
}

}  // namespace
