// Every table type against a plain model: one process, random operations, through growth and shrinking.
#include "inside.hpp"
#include "support/effort.hpp"

#include <random>

namespace heirloom::test {
namespace {

struct three {
    long a = 0;
    long b = 0;
    long c = 0;
    bool operator==(const three&) const = default;
};

template <class K>
K key_from(long n) {
    if constexpr (std::is_same_v<K, std::string>) {
        const auto digits = std::to_string(n);
        return "key" + std::string(6 - digits.size(), '0') + digits;
    } else {
        return static_cast<K>(n);
    }
}
template <class V>
V value_from(long n) {
    if constexpr (std::is_same_v<V, std::string>)
        return std::to_string(n) + std::string(30, 'x');
    else if constexpr (std::is_same_v<V, three>)
        return {n, n, n};
    else
        return static_cast<V>(n);
}

template <class Table>
void agrees_with_a_model(ets::access access, long keys, int operations, unsigned seed) {
    using K = typename Table::key_type;
    using V = typename Table::mapped_type;
    auto t = Table::create({.access = access});
    std::map<K, V> model;
    std::mt19937 random(seed);
    const auto draw = [&](long n) {
        return static_cast<long>(random() % static_cast<unsigned>(n));
    };
    constexpr auto every = [](const K&, const V&) { return true; };
    for (int i = 0; i < operations; ++i) {
        const K k = key_from<K>(draw(keys));
        const V v = value_from<V>(draw(100'000));
        const auto there = model.find(k);
        const bool shrinking = (i / (2 * static_cast<int>(keys))) % 2 == 1;
        switch (draw(16)) {
        case 0:
        case 1:
            if (!shrinking) {
                t.insert(k, v);
                model.insert_or_assign(k, v);
                break;
            }
            [[fallthrough]];
        case 2:
            require_eq(t.erase(k), model.erase(k) == 1);
            break;
        case 3:
            require_eq(t.insert_new(k, v), model.try_emplace(k, v).second);
            break;
        case 4:
            require(t.lookup(k) ==
                    (there == model.end() ? std::nullopt : std::optional<V>(there->second)));
            break;
        case 5: {
            const auto taken = t.take(k);
            require(taken ==
                    (there == model.end() ? std::nullopt : std::optional<V>(there->second)));
            model.erase(k);
            break;
        }
        case 6:
            require_eq(t.update(k, [&](V& now) { now = v; }), there != model.end());
            if (there != model.end()) there->second = v;
            break;
        case 7:
            require_eq(t.member(k), there != model.end());
            break;
        case 8: {
            if (i % 97 != 0) break;
            std::vector<std::pair<K, V>> rows;
            bool any = false;
            for (long n = draw(200); n > 0; --n)
                rows.emplace_back(key_from<K>(draw(keys)), value_from<V>(n));
            for (const auto& r : rows) any = any || model.contains(r.first);
            const bool only_new = draw(2) == 0;
            if (only_new) require_eq(t.insert_new(rows), !any);
            if (!only_new) t.insert(rows);
            if (!only_new || !any)
                for (const auto& r : rows) model.insert_or_assign(r.first, r.second);
            break;
        }
        case 9: {
            if (i % 50 != 0) break;
            auto all = t.to_vector();
            std::sort(all.begin(), all.end(),
                      [](const auto& a, const auto& b) { return a.first < b.first; });
            require(std::equal(all.begin(), all.end(), model.begin(), model.end(),
                               [](const auto& a, const auto& b) {
                                   return a.first == b.first && a.second == b.second;
                               }));
            break;
        }
        case 10: {
            if (i % 50 != 0) break;
            std::set<K> seen;
            for (auto at = t.first(); at; at = t.next(*at))
                require(seen.insert(*at).second && model.contains(*at));
            require_eq(seen.size(), model.size());
            break;
        }
        case 11: {
            if (i % 400 != 0) break;
            const auto below = [&](const K& key, const V&) { return key < k; };
            const auto counted = t.select_count(below);
            require_eq(t.select_delete(below), counted);
            require_eq(std::erase_if(model, [&](const auto& r) { return r.first < k; }), counted);
            break;
        }
        case 12: {
            if (i % 100 != 0) break;
            std::size_t n = 0;
            for (auto& r : model)
                if (r.first < k) r.second = v, ++n;
            require_eq(t.select_replace([&](const K& key, const V&) { return key < k; },
                                        [&](const K&, const V&) { return v; }),
                       n);
            break;
        }
        case 13: {
            if (i % 60 != 0) break;
            std::set<K> seen;
            for (auto page = t.select(
                     every, [](const K& key, const V&) { return key; }, 7);
                 page; page.next())
                for (const auto& key : page.rows()) require(seen.insert(key).second);
            require_eq(seen.size(), model.size());
            break;
        }
        case 14:
            if (i % 5'000 != 0) break;
            t.clear();
            model.clear();
            break;
        default:
            break;
        }
        require_eq(t.size(), model.size());
    }
    for (const auto& [k, v] : model) require(t.at(k) == v);
}

template <class Table>
testing::AssertionResult agrees() {
    const auto body = [] {
        for (const auto access : {ets::access::public_, ets::access::protected_})
            for (long keys : {3L, 40L, 3'000L})
                agrees_with_a_model<Table>(access, keys, static_cast<int>(scaled(20'000)),
                                           static_cast<unsigned>(keys));
    };
    return holds_on_all_workers(body);
}

TEST(model, a_set_of_words_agrees) { EXPECT_TRUE((agrees<ets::set<long, long>>())); }
TEST(model, a_set_of_rows_in_place_agrees) { EXPECT_TRUE((agrees<ets::set<int, three>>())); }
TEST(model, a_set_of_strings_agrees) {
    EXPECT_TRUE((agrees<ets::set<std::string, std::string>>()));
}
TEST(model, an_ordered_set_of_words_agrees) {
    EXPECT_TRUE((agrees<ets::ordered_set<long, long>>()));
}
TEST(model, an_ordered_set_with_boxed_values_agrees) {
    EXPECT_TRUE((agrees<ets::ordered_set<int, std::string>>()));
}
TEST(model, an_ordered_set_of_strings_agrees) {
    EXPECT_TRUE((agrees<ets::ordered_set<std::string, std::string>>()));
}

/// Every key has one of three hashes.
struct bad_hash {
    std::uint64_t operator()(long key, std::uint64_t) const noexcept {
        return static_cast<std::uint64_t>(key % 3) << 30;
    }
};
TEST(model, a_set_whose_keys_collide_agrees) {
    const auto body = [] {
        agrees_with_a_model<ets::set<long, long, bad_hash>>(ets::access::public_, 200, 5'000, 1);
        agrees_with_a_model<ets::set<long, std::string, bad_hash>>(ets::access::protected_, 200,
                                                                   5'000, 2);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
