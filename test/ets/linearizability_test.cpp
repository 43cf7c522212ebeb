// Short histories of random operations by several processes on few keys, recorded with their real-time order, each
// checked against the sequential meaning of the operations: is there an order of them that explains every answer?
#include "inside.hpp"
#include "support/effort.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace heirloom::test {
namespace {

// What is in one key, in the order it came; of a set one value at most.
using values = std::vector<long>;

struct event {
    enum kind {
        insert,
        insert_new,
        lookup,
        take,
        erase,
        add,
        insert_both,
        clear,
        erase_object
    } what;
    long key;
    long value;     // given
    values answer;  // found; {1} or {0} for yes or no
    std::uint64_t begin;
    std::uint64_t end;
};
using state = std::array<values, 2>;

enum class meaning {
    one_value,
    different_values,
    all_values
};  // of a key: sets, bags, duplicate bags

void put(values& row, long value, meaning m) {
    if (m == meaning::one_value) row.clear();
    if (m == meaning::different_values && std::find(row.begin(), row.end(), value) != row.end())
        return;
    row.push_back(value);
}

/// Whether `e` may happen in `s` with its answer; changes `s` as it does.
bool explains(state& s, const event& e, meaning m) {
    auto& row = s[static_cast<std::size_t>(e.key)];
    switch (e.what) {
    case event::insert:
        put(row, e.value, m);
        return true;
    case event::insert_new: {
        const bool absent = row.empty();
        if (absent) put(row, e.value, m);
        return e.answer == values{absent ? 1 : 0};
    }
    case event::lookup:
        return row == e.answer;
    case event::take:
        return std::exchange(row, {}) == e.answer;
    case event::erase: {
        const bool present = !row.empty();
        row.clear();
        return e.answer == values{present ? 1 : 0};
    }
    case event::add:
        row = {(row.empty() ? 0 : row.front()) + e.value};
        return row == e.answer;
    case event::insert_both:
        for (auto& r : s) put(r, e.value, m);
        return true;
    case event::clear:
        s = {};
        return true;
    case event::erase_object:
        return e.answer == values{static_cast<long>(std::erase(row, e.value))};
    }
    return false;
}

/// Wing and Gong's search, remembering which sets of done operations with which state led nowhere.
bool linearizable(const std::vector<event>& history, meaning m) {
    std::set<std::pair<std::uint64_t, state>> dead_ends;
    const std::uint64_t all = (std::uint64_t{1} << history.size()) - 1;
    const auto search = [&](const auto& again, std::uint64_t done, const state& now) -> bool {
        if (done == all) return true;
        if (!dead_ends.insert({done, now}).second) return false;
        std::uint64_t first_end = ~std::uint64_t{0};
        for (std::size_t i = 0; i < history.size(); ++i)
            if (!(done >> i & 1)) first_end = std::min(first_end, history[i].end);
        for (std::size_t i = 0; i < history.size(); ++i) {
            if ((done >> i & 1) || history[i].begin > first_end) continue;
            state next = now;
            if (explains(next, history[i], m) && again(again, done | std::uint64_t{1} << i, next))
                return true;
        }
        return false;
    };
    return search(search, 0, {});
}

// A value that does not fit a bucket.
struct wide {
    long n = 0;
    long a = 0, b = 0, c = 0, d = 0, e = 0, f = 0;
};
long number_in(long value) { return value; }
long number_in(const wide& value) { return value.n; }
template <class V>
V value_of(long n) {
    if constexpr (std::is_same_v<V, wide>)
        return {.n = n};
    else
        return n;
}

template <class Found>
values all_of(const Found& found) {
    values all;
    if constexpr (requires { found.begin(); }) {
        for (const auto& v : found) all.push_back(number_in(v));
    } else if (found) {
        all.push_back(number_in(*found));
    }
    return all;
}

template <class Table>
constexpr bool is_bag = requires(Table t) { t.lookup(0).begin(); };

template <class Table>
void perform(Table& t, event& e) {
    using V = typename Table::mapped_type;
    const V given = value_of<V>(e.value);
    switch (e.what) {
    case event::insert:
        t.insert(e.key, given);
        break;
    case event::insert_new:
        e.answer = {t.insert_new(e.key, given) ? 1 : 0};
        break;
    case event::lookup:
        e.answer = all_of(t.lookup(e.key));
        break;
    case event::take:
        e.answer = all_of(t.take(e.key));
        break;
    case event::erase:
        e.answer = {t.erase(e.key) ? 1 : 0};
        break;
    case event::add:
        if constexpr (std::is_same_v<V, wide>)
            e.answer = {t.update_counter(e.key, &wide::n, {.add = e.value}, wide{})};
        else if constexpr (!is_bag<Table>)
            e.answer = {t.update_counter(e.key, e.value, 0)};
        break;
    case event::insert_both:
        t.insert({{0, given}, {1, given}});
        break;
    case event::clear:
        t.clear();
        break;
    case event::erase_object:
        if constexpr (is_bag<Table>) e.answer = {static_cast<long>(t.erase_object(e.key, given))};
        break;
    }
}

template <class Table>
std::vector<event> run_history(Table t, std::vector<worker>& crowd, unsigned seed) {
    constexpr std::size_t each = 5;
    std::atomic<std::uint64_t> clock{0};
    std::vector<std::vector<event>> logs(crowd.size());
    for (std::size_t w = 0; w < crowd.size(); ++w)
        crowd[w].begin([t, w, seed, &clock, &logs]() mutable {
            std::mt19937 random(seed * 31 + static_cast<unsigned>(w));
            for (std::size_t i = 0; i < each; ++i) {
                event e{static_cast<event::kind>(random() % 9),
                        static_cast<long>(random() % 2),
                        static_cast<long>(seed % 1'000 * 100 + w * each + i + 1),
                        {},
                        0,
                        0};
                if (e.what == event::clear && random() % 2) e.what = event::lookup;
                if (is_bag<Table> ? e.what == event::add : e.what == event::erase_object)
                    e.what = event::lookup;
                if (is_bag<Table>) e.value = static_cast<long>(random() % 3);
                e.begin = clock.fetch_add(1);
                perform(t, e);
                e.end = clock.fetch_add(1);
                logs[w].push_back(std::move(e));
                if (random() % 4 == 0) yield();
            }
        });
    for (auto& w : crowd) w.finish();
    std::vector<event> history;
    for (auto& log : logs) history.insert(history.end(), log.begin(), log.end());
    return history;
}

template <class Table>
testing::AssertionResult histories_are_linearizable(meaning m = meaning::one_value) {
    const auto body = [m] {
        std::vector<worker> crowd(4);
        for (unsigned seed = 0; seed < scaled(1'000); ++seed) {
            auto t = Table::create({.access = ets::access::public_});
            require(linearizable(run_history(t, crowd, seed), m),
                    "no order explains history " + std::to_string(seed));
            t.delete_table();
        }
    };
    return holds_on_all_workers(body);
}

TEST(linearizability, of_a_set_in_place) {
    EXPECT_TRUE((histories_are_linearizable<ets::set<long, long>>()));
}
TEST(linearizability, of_a_boxed_set) {
    EXPECT_TRUE((histories_are_linearizable<ets::set<long, wide>>()));
}
TEST(linearizability, of_an_ordered_set) {
    EXPECT_TRUE((histories_are_linearizable<ets::ordered_set<long, long>>()));
}
TEST(linearizability, of_a_boxed_ordered_set) {
    EXPECT_TRUE((histories_are_linearizable<ets::ordered_set<long, wide>>()));
}
TEST(linearizability, of_a_bag) {
    EXPECT_TRUE((histories_are_linearizable<ets::bag<long, long>>(meaning::different_values)));
}
TEST(linearizability, of_a_duplicate_bag) {
    EXPECT_TRUE((histories_are_linearizable<ets::duplicate_bag<long, long>>(meaning::all_values)));
}

TEST(linearizability, the_check_finds_a_lost_update) {
    using e = event;
    const auto possible = [](const std::vector<event>& history) {
        return linearizable(history, meaning::one_value);
    };
    EXPECT_TRUE(possible({{e::add, 0, 1, {1}, 0, 3}, {e::add, 0, 1, {2}, 1, 2}}));
    EXPECT_FALSE(possible({{e::add, 0, 1, {1}, 0, 3}, {e::add, 0, 1, {1}, 1, 2}}));
    EXPECT_FALSE(possible({{e::insert, 0, 5, {}, 0, 1}, {e::lookup, 0, 0, {}, 2, 3}}));
    EXPECT_FALSE(possible({{e::insert_both, 0, 5, {}, 0, 9},
                           {e::lookup, 0, 0, {5}, 1, 2},
                           {e::lookup, 1, 0, {}, 3, 4}}));
    EXPECT_FALSE(linearizable(
        {{e::insert, 0, 5, {}, 0, 1}, {e::insert, 0, 6, {}, 2, 3}, {e::lookup, 0, 0, {6, 5}, 4, 5}},
        meaning::all_values));
}

}  // namespace
}  // namespace heirloom::test
