// An ordered_set beside std::map: every type of key at its ends, walks in both directions, ranges.
#include "tables.hpp"

#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>

namespace heirloom::test::ordered_rows {
namespace {

/// Asks `t` and `model` the same questions about `key`.
template <class Table, class Model, class K>
void agree_about(const Table& t, const Model& model, const K& key) {
    const auto at = model.find(key);
    require(t.lookup(key) == (at == model.end() ? std::nullopt : std::optional(at->second)));
    const auto above = model.upper_bound(key);
    require(t.next(key) == (above == model.end() ? std::nullopt : std::optional(above->first)));
    const auto from = model.lower_bound(key);
    require(t.prev(key) ==
            (from == model.begin() ? std::nullopt : std::optional(std::prev(from)->first)));
}
template <class Table, class Model>
void agree(const Table& t, const Model& model) {
    using row = std::pair<typename Model::key_type, typename Model::mapped_type>;
    std::vector<row> all(model.begin(), model.end());
    require_eq(t.size(), all.size());
    require(t.to_vector() == all);
    require(t.first() == (all.empty() ? std::nullopt : std::optional(all.front().first)));
    require(t.last() == (all.empty() ? std::nullopt : std::optional(all.back().first)));
    std::reverse(all.begin(), all.end());
    require(t.select_reverse(every) == all);
}

/// Random inserts, overwrites, counts and erasures of `keys`, with a look at everything now and then.
template <class K>
void check_keys(const std::vector<K>& keys, ets::access access) {
    auto t = ets::ordered_set<K, long>::create({.access = access});
    std::map<K, long> model;
    std::minstd_rand random(7);
    const auto any = [&] { return keys[random() % keys.size()]; };
    for (int i = 0; i < 2'000; ++i) {
        const K key = any();
        const bool present = model.contains(key);
        switch (random() % 6) {
        case 0:
        case 1:
        case 2:
            t.insert(key, i);
            model[key] = i;
            break;
        case 3:
            require_eq(t.update_counter(key, 3, 100), present ? model[key] + 3 : 103);
            model[key] = present ? model[key] + 3 : 103;
            break;
        case 4:
            require_eq(t.erase(key), present);
            model.erase(key);
            break;
        default: {
            const K to = any();
            std::vector<std::pair<K, long>> wanted;
            for (const auto& row : model)
                if (!(row.first < key) && row.first < to) wanted.push_back(row);
            require(t.range(key, to) == wanted);
        }
        }
        agree_about(t, model, any());
        if (i % 100 == 0) agree(t, model);
    }
    agree(t, model);
}

template <class N>
std::vector<N> numbers_at_the_ends() {
    std::vector<N> all;
    const auto low = std::numeric_limits<N>::min();
    const auto high = std::numeric_limits<N>::max();
    for (int i = 0; i < 40; ++i) {
        all.push_back(static_cast<N>(low + static_cast<N>(i)));
        all.push_back(static_cast<N>(high - static_cast<N>(i)));
        all.push_back(static_cast<N>(i - 20));
    }
    return all;
}

enum class color : std::int16_t { red = -300, none = 0, blue = 300 };

TEST(ordered_sets, agree_with_a_map_for_every_type_of_key) {
    const auto body = [] {
        for (const auto access : {ets::access::protected_, ets::access::public_}) {
            check_keys(numbers_at_the_ends<std::int8_t>(), access);
            check_keys(numbers_at_the_ends<std::uint8_t>(), access);
            check_keys(numbers_at_the_ends<std::int16_t>(), access);
            check_keys(numbers_at_the_ends<std::int32_t>(), access);
            check_keys(numbers_at_the_ends<std::uint32_t>(), access);
            check_keys(numbers_at_the_ends<std::int64_t>(), access);
            check_keys(numbers_at_the_ends<std::uint64_t>(), access);
            check_keys(std::vector<char>{'a', '\0', '\x7f', '\x80', '\xff'}, access);
            check_keys(std::vector<color>{color::red, color::none, color::blue}, access);
            check_keys(std::vector<double>{-1e300, -0.5, 0.0, 0.25, 1e300}, access);
            std::vector<std::string> texts_of_all_lengths;
            for (std::size_t n = 0; n < 60; ++n) texts_of_all_lengths.emplace_back(n, 'a');
            check_keys(texts_of_all_lengths, access);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(ordered_sets, keep_the_form_of_a_key_that_equals_another) {
    const auto body = [] {
        auto t = ets::ordered_set<double, long>::create();
        t.insert(0.0, 1);
        t.insert(-0.0, 2);
        require(std::signbit(*t.first()));
        require_eq(t.size(), 1u);
        require_eq(t.at(0.0), 2);
        t.update(0.0, [](long& v) { ++v; });
        require(std::signbit(*t.first()));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(ordered_sets, walk_over_leaves_that_split_and_vanish_under_them) {
    // Keys that are multiples of 8 stay; between them others come and go, so that leaves split and empty all the time.
    static constexpr long stable = 400;
    const auto body = [] {
        auto t = ordered::create({.access = ets::access::public_});
        for (long k = 0; k < stable; ++k) t.insert(k * 8, k);
        std::atomic<bool> over{false};
        worker w;
        w.begin([t, &over]() mutable {
            std::minstd_rand random(3);
            while (!over) {
                const long k = static_cast<long>(random() % (stable * 8));
                if (k % 8 == 0) continue;
                if (random() % 2)
                    t.insert(k, -1);
                else
                    t.erase(k);
            }
        });
        const auto stable_of = [](const auto& rows) {
            std::vector<long> keys;
            for (const auto& [k, v] : rows)
                if (v >= 0) keys.push_back(k);
            return keys;
        };
        std::vector<long> wanted;
        for (long k = 0; k < stable; ++k) wanted.push_back(k * 8);
        for (int i = 0; i < 200; ++i) {
            const auto all = t.to_vector();
            require(std::is_sorted(all.begin(), all.end()));
            require(stable_of(all) == wanted);
            const auto some = t.range(800, 1'600);
            require(std::is_sorted(some.begin(), some.end()));
            require_eq(stable_of(some).size(), 100u);
            auto back = t.select_reverse(every);
            std::reverse(back.begin(), back.end());
            require(std::is_sorted(back.begin(), back.end()));
            require(stable_of(back) == wanted);
            long met = 0;
            for (auto k = t.first(); k; k = t.next(*k)) met += *k % 8 == 0 ? 1 : 0;
            require_eq(met, stable);
        }
        over = true;
        w.finish();
        w.end();
    };
    runtime rt({.workers = 2, .log = no_log()});
    EXPECT_TRUE(holds_inside(rt, body));
}

TEST(walks, in_reverse_and_in_pages_are_of_every_type) {
    const auto body = [](auto t) {
        for (long i = 0; i < 1'000; ++i) t.insert(i, i * 10);
        const auto sorted = [](auto rows) {
            std::sort(rows.begin(), rows.end());
            return rows;
        };
        const auto all = sorted(t.to_vector());
        require(sorted(t.select_reverse(every)) == all);
        require_eq(t.select_reverse(every, key_only).size(), all.size());
        require_eq(t.fold_reverse(0L, [](long, long v, long sum) { return sum + v; }), 4'995'000);
        std::vector<std::pair<long, long>> paged;
        for (auto page = t.select(every, 300); page; page.next()) {
            require(page.rows().size() == 300 || paged.size() == 900);
            paged.insert(paged.end(), page.rows().begin(), page.rows().end());
        }
        require(sorted(paged) == all);
        const auto refused =
            thrown_by<ets::bad_table_argument>([&] { (void)t.select_reverse(every, key_only, 0); });
        require_eq(std::string(refused.verb()), "select_reverse");
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

}  // namespace
}  // namespace heirloom::test::ordered_rows
