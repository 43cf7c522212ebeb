#pragma once

#include "inside.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace heirloom::test {

/// What a fuzzer's bytes mean: operations on one table, until they run out. Throws when table and model disagree.
template <class Table, class V>
void drive_table(const std::uint8_t* data, std::size_t size, V (*value)(unsigned)) {
    auto t = Table::create({.access = size % 2 ? ets::access::public_ : ets::access::protected_});
    std::map<long, V> model;
    std::size_t at = 0;
    const auto byte = [&]() -> unsigned { return at < size ? data[at++] : 0; };
    std::optional<long> cursor;
    while (at < size) {
        const unsigned operation = byte() % 16;
        const long key = static_cast<long>(byte()) * (operation % 3 + 1);
        const V v = value(byte());
        const auto there = model.find(key);
        const bool present = there != model.end();
        switch (operation) {
        case 0:
        case 1:
        case 2:
            t.insert(key, v);
            model.insert_or_assign(key, v);
            break;
        case 3:
            require_eq(t.insert_new(key, v), !present);
            model.try_emplace(key, v);
            break;
        case 4:
        case 5:
            require_eq(t.erase(key), present);
            model.erase(key);
            break;
        case 6:
            require(t.take(key) == (present ? std::optional<V>(there->second) : std::nullopt));
            model.erase(key);
            break;
        case 7:
            require(t.lookup(key) == (present ? std::optional<V>(there->second) : std::nullopt));
            break;
        case 8:
            require_eq(t.update(key, [&](V& now) { now = v; }), present);
            if (present) there->second = v;
            break;
        case 9: {
            std::vector<std::pair<long, V>> rows;
            for (long i = 0; i < 40; ++i) rows.emplace_back(key + i * 7, v);
            t.insert(rows);
            for (const auto& r : rows) model.insert_or_assign(r.first, r.second);
            break;
        }
        case 10: {
            const auto p = [key](long k, const V&) { return k % 5 == key % 5; };
            require_eq(t.select_delete(p),
                       std::erase_if(model, [&](const auto& r) { return r.first % 5 == key % 5; }));
            break;
        }
        case 11: {
            auto all = t.to_vector();
            std::sort(all.begin(), all.end(),
                      [](const auto& a, const auto& b) { return a.first < b.first; });
            require(std::equal(all.begin(), all.end(), model.begin(), model.end(),
                               [](const auto& a, const auto& b) {
                                   return a.first == b.first && a.second == b.second;
                               }));
            break;
        }
        case 12:
            cursor = t.first();
            break;
        case 13:
            if (cursor) {
                ets::fixation fixed(t);
                cursor = t.next(*cursor);
                require(!cursor || model.contains(*cursor));
            }
            break;
        case 14:
            if (key != 0) break;
            t.clear();
            model.clear();
            break;
        default:
            require_eq(t.member(key), present);
        }
        require_eq(t.size(), model.size());
    }
    t.delete_table();
}

inline void drive_tables(const std::uint8_t* data, std::size_t size) {
    const auto word = +[](unsigned n) { return static_cast<long>(n); };
    const auto text = +[](unsigned n) { return std::string(n % 50, 'x') + std::to_string(n); };
    if (size == 0) return;
    switch (data[0] % 4) {
    case 0:
        return drive_table<ets::set<long, long>>(data + 1, size - 1, word);
    case 1:
        return drive_table<ets::set<long, std::string>>(data + 1, size - 1, text);
    case 2:
        return drive_table<ets::ordered_set<long, long>>(data + 1, size - 1, word);
    default:
        return drive_table<ets::ordered_set<long, std::string>>(data + 1, size - 1, text);
    }
}

}  // namespace heirloom::test
