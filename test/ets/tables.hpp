#pragma once

#include "inside.hpp"

#include <set>
#include <string>
#include <utility>
#include <vector>

// The tables that the catalogue's cases use, and what asks a question of every type.
namespace heirloom::test {

using numbers = ets::set<long, long>;
using texts = ets::set<std::string, std::string>;
using ordered = ets::ordered_set<long, long>;
using bag = ets::bag<long, long>;
using duplicate_bag = ets::duplicate_bag<long, long>;

inline constexpr auto every = [](const auto&, const auto&) { return true; };
inline constexpr auto key_only = [](const auto& key, const auto&) { return key; };

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
/// `check` holds on an empty table of every type.
template <class F>
[[nodiscard]] testing::AssertionResult holds_on_all_types(F check) {
    const auto body = [check] {
        check(numbers::create({.access = ets::access::public_}));
        check(ordered::create({.access = ets::access::public_}));
        check(bag::create({.access = ets::access::public_}));
        check(duplicate_bag::create({.access = ets::access::public_}));
    };
    return holds_on_all_workers(body);
}

}  // namespace heirloom::test
