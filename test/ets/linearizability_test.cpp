// Short histories of random operations by several processes on few keys, recorded with their real-time order, each
// checked against the sequential meaning of the operations: is there an order of them that explains every answer?
#include "inside.hpp"
#include "support/effort.hpp"

#include <array>
#include <atomic>
#include <optional>
#include <random>
#include <set>

namespace heirloom::test {
namespace {

struct event {
    enum kind { insert, insert_new, lookup, take, erase, add, insert_both, clear } what;
    long key;
    long value;                  // given
    std::optional<long> answer;  // found; 1 or 0 for yes or no
    std::uint64_t begin;
    std::uint64_t end;
};
/// Two keys' values; nothing for an absent one.
using state = std::array<std::optional<long>, 2>;

/// Whether `e` may happen in `s` with its answer; changes `s` as it does.
bool explains(state& s, const event& e) {
    auto& row = s[static_cast<std::size_t>(e.key)];
    switch (e.what) {
    case event::insert:
        row = e.value;
        return true;
    case event::insert_new:
        if (e.answer != (row ? 0 : 1)) return false;
        if (!row) row = e.value;
        return true;
    case event::lookup:
        return row == e.answer;
    case event::take:
        if (row != e.answer) return false;
        row.reset();
        return true;
    case event::erase:
        if (e.answer != (row ? 1 : 0)) return false;
        row.reset();
        return true;
    case event::add:
        row = row.value_or(0) + e.value;
        return row == e.answer;
    case event::insert_both:
        s[0] = s[1] = e.value;
        return true;
    case event::clear:
        s = {};
        return true;
    }
    return false;
}

/// Wing and Gong's search, remembering which sets of done operations with which state led nowhere.
bool linearizable(const std::vector<event>& history) {
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
            if (explains(next, history[i]) && again(again, done | std::uint64_t{1} << i, next))
                return true;
        }
        return false;
    };
    return search(search, 0, {});
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
                event e{static_cast<event::kind>(random() % 8),
                        static_cast<long>(random() % 2),
                        static_cast<long>(seed % 1'000 * 100 + w * each + i + 1),
                        std::nullopt,
                        0,
                        0};
                if (e.what == event::clear && random() % 2) e.what = event::lookup;
                e.begin = clock.fetch_add(1);
                switch (e.what) {
                case event::insert:
                    t.insert(e.key, e.value);
                    break;
                case event::insert_new:
                    e.answer = t.insert_new(e.key, e.value) ? 1 : 0;
                    break;
                case event::lookup:
                    e.answer = t.lookup(e.key);
                    break;
                case event::take:
                    e.answer = t.take(e.key);
                    break;
                case event::erase:
                    e.answer = t.erase(e.key) ? 1 : 0;
                    break;
                case event::add:
                    e.answer = t.update_counter(e.key, e.value, 0);
                    break;
                case event::insert_both:
                    t.insert({{0, e.value}, {1, e.value}});
                    break;
                case event::clear:
                    t.clear();
                    break;
                }
                e.end = clock.fetch_add(1);
                logs[w].push_back(e);
                if (random() % 4 == 0) yield();
            }
        });
    for (auto& w : crowd) w.finish();
    std::vector<event> history;
    for (auto& log : logs) history.insert(history.end(), log.begin(), log.end());
    return history;
}

template <class Table>
void histories_are_linearizable() {
    on_all_workers([] {
        std::vector<worker> crowd(4);
        for (unsigned seed = 0; seed < scaled(1'500); ++seed) {
            auto t = Table::create({.access = ets::access::public_});
            require(linearizable(run_history(t, crowd, seed)),
                    "no order explains history " + std::to_string(seed));
            t.delete_table();
        }
    });
}

TEST(linearizability, of_a_set_in_place) { histories_are_linearizable<ets::set<long, long>>(); }
TEST(linearizability, of_an_ordered_set) {
    histories_are_linearizable<ets::ordered_set<long, long>>();
}

TEST(linearizability, the_check_finds_a_lost_update) {
    using e = event;
    EXPECT_TRUE(linearizable({{e::add, 0, 1, 1, 0, 3}, {e::add, 0, 1, 2, 1, 2}}));
    EXPECT_FALSE(linearizable({{e::add, 0, 1, 1, 0, 3}, {e::add, 0, 1, 1, 1, 2}}));
    EXPECT_FALSE(linearizable({{e::insert, 0, 5, {}, 0, 1}, {e::lookup, 0, 0, {}, 2, 3}}));
    EXPECT_FALSE(linearizable({{e::insert_both, 0, 5, {}, 0, 9},
                               {e::lookup, 0, 0, 5, 1, 2},
                               {e::lookup, 1, 0, {}, 3, 4}}));
}

}  // namespace
}  // namespace heirloom::test
