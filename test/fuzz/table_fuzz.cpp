// Drives a table of each type and a plain model with the same operations, read from the fuzzer's bytes: the first says
// which table, the others what happens. The model is std::map for the sets, and for the bags a map of vectors.
#include "support/inside.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <heirloom/ets.hpp>

namespace {

using heirloom::test::require;
using heirloom::test::require_eq;
namespace ets = heirloom::ets;

/// The fuzzer's bytes, then zeros.
class input {
public:
    input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
    bool more() const { return at_ < size_; }
    unsigned byte() { return more() ? data_[at_++] : 0; }

private:
    const std::uint8_t* data_;
    std::size_t size_;
    std::size_t at_ = 0;
};

// What the bytes mean: operations on one table, until they run out. Throws when table and model disagree.
template <class Table, class V>
void drive_table(input in, ets::access access, V (*value)(unsigned)) {
    constexpr bool in_order = Table::table_type_of.kind == ets::kind::ordered_set;
    auto t = Table::create({.access = access});
    std::map<long, V> model;
    std::optional<long> cursor;
    while (in.more()) {
        const unsigned operation = in.byte() % 21;
        const long key = static_cast<long>(in.byte()) * (operation % 3 + 1);
        const auto all_rows = [&] {
            return std::vector<std::pair<long, V>>(model.begin(), model.end());
        };
        const auto sorted = [](auto rows) {
            std::sort(rows.begin(), rows.end());
            return rows;
        };
        const V v = value(in.byte());
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
        case 15: {
            // Two of one key in it, and it is refused as a whole if any key is there.
            const std::vector<std::pair<long, V>> rows{{key, v}, {key + 1, v}, {key, value(7)}};
            const bool refused = present || model.contains(key + 1);
            require_eq(t.insert_new(rows), !refused);
            if (!refused)
                for (const auto& r : rows) model.insert_or_assign(r.first, r.second);
            break;
        }
        case 16: {
            std::vector<std::pair<long, V>> paged;
            const auto any = [](long, const V&) { return true; };
            for (auto page = t.select(any, in.byte() % 20 + 1); page; page.next())
                paged.insert(paged.end(), page.rows().begin(), page.rows().end());
            require(sorted(paged) == all_rows());
            break;
        }
        case 17:
            require_eq(t.erase_object(key, v), present && there->second == v);
            if (present && there->second == v) model.erase(there);
            break;
        case 18:
            if constexpr (std::is_same_v<V, long>) {
                require_eq(t.update_counter(key, v, 5), (present ? there->second : 5) + v);
                model[key] = (present ? there->second : 5) + v;
            }
            break;
        case 19:
            if constexpr (in_order) {
                const long to = key + in.byte();
                require(t.range(key, to) == std::vector<std::pair<long, V>>(model.lower_bound(key),
                                                                            model.lower_bound(to)));
                const auto above = model.upper_bound(key);
                require(t.next(key) ==
                        (above == model.end() ? std::nullopt : std::optional(above->first)));
                const auto from = model.lower_bound(key);
                require(
                    t.prev(key) ==
                    (from == model.begin() ? std::nullopt : std::optional(std::prev(from)->first)));
            }
            break;
        default: {
            require_eq(t.member(key), present);
            const auto any = [](long, const V&) { return true; };
            auto back = t.select_reverse(any);
            if constexpr (in_order) std::reverse(back.begin(), back.end());
            require((in_order ? back : sorted(back)) == all_rows());
        }
        }
        require_eq(t.size(), model.size());
    }
    t.delete_table();
}

template <class Table, class V>
void drive_bag(input in, ets::access access, V (*value)(unsigned)) {
    constexpr bool duplicates = std::is_same_v<Table, ets::duplicate_bag<long, V>>;
    auto t = Table::create({.access = access});
    std::map<long, std::vector<V>> model;
    const auto put = [&](long key, const V& v) {
        auto& all = model[key];
        if (duplicates || std::find(all.begin(), all.end(), v) == all.end()) all.push_back(v);
    };
    const auto objects = [&] {
        std::size_t n = 0;
        for (const auto& [key, all] : model) n += all.size();
        return n;
    };
    while (in.more()) {
        const unsigned operation = in.byte() % 12;
        const long key = static_cast<long>(in.byte() % 40);
        const V v = value(in.byte() % 8);
        const auto there = model.find(key);
        const bool present = there != model.end();
        switch (operation) {
        case 0:
        case 1:
        case 2:
            t.insert(key, v);
            put(key, v);
            break;
        case 3:
            require_eq(t.insert_new(key, v), !present);
            if (!present) put(key, v);
            break;
        case 4:
            require_eq(t.erase(key), present);
            model.erase(key);
            break;
        case 5:
            require(t.take(key) == (present ? there->second : std::vector<V>()));
            model.erase(key);
            break;
        case 6:
            require(t.lookup(key) == (present ? there->second : std::vector<V>()));
            break;
        case 7: {
            const std::size_t gone = present ? std::erase(there->second, v) : 0;
            require_eq(t.erase_object(key, v), gone);
            if (present && there->second.empty()) model.erase(there);
            break;
        }
        case 8: {
            std::vector<std::pair<long, V>> fresh;
            for (long i = 0; i < 20; ++i)
                fresh.emplace_back((key + i * 7) % 40, value(in.byte() % 8));
            t.insert(fresh);
            for (const auto& [k, x] : fresh) put(k, x);
            break;
        }
        case 9: {
            const auto chosen = [key](long k, const V&) { return k % 5 == key % 5; };
            std::size_t n = 0;
            for (const auto& [k, all] : model) n += chosen(k, v) ? all.size() : 0;
            require_eq(t.select_count(chosen), n);
            require_eq(t.select_delete(chosen), n);
            std::erase_if(model, [&](const auto& r) { return chosen(r.first, v); });
            break;
        }
        case 10: {
            std::map<long, std::vector<V>> all;
            for (auto& [k, x] : t.to_vector()) all[k].push_back(x);
            require(all == model);
            break;
        }
        default:
            require_eq(t.member(key), present);
        }
        require_eq(t.size(), objects());
    }
    t.delete_table();
}

void drive_tables(input in) {
    const auto word = +[](unsigned n) { return static_cast<long>(n); };
    const auto text = +[](unsigned n) { return std::string(n % 50, 'x') + std::to_string(n); };
    const unsigned first = in.byte();
    const auto access = first & 8 ? ets::access::public_ : ets::access::protected_;
    switch (first % 8) {
    case 0:
        return drive_table<ets::set<long, long>>(in, access, word);
    case 1:
        return drive_table<ets::set<long, std::string>>(in, access, text);
    case 2:
        return drive_table<ets::ordered_set<long, long>>(in, access, word);
    case 3:
        return drive_table<ets::ordered_set<long, std::string>>(in, access, text);
    case 4:
        return drive_bag<ets::bag<long, long>>(in, access, word);
    case 5:
        return drive_bag<ets::bag<long, std::string>>(in, access, text);
    case 6:
        return drive_bag<ets::duplicate_bag<long, long>>(in, access, word);
    default:
        return drive_bag<ets::duplicate_bag<long, std::string>>(in, access, text);
    }
}

}  // namespace

// A bucket points to a box by 48 of its 64 bits, which LeakSanitizer does not take for a pointer: rows that the reaper has not
// got to when it looks, after every input, would be leaks. What is left of tables is the unit tests' question.
extern "C" int __lsan_is_turned_off() { return 1; }  // NOLINT: the sanitizer's name

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // One for each input: when it has ended all is destroyed. A table that waits for that holds its rows by pointers with tags in
    // them, which LeakSanitizer, asked after each input, does not know for pointers.
    heirloom::runtime rt({.workers = 1, .log = heirloom::test::no_log()});
    try {
        rt.invoke([&] { drive_tables({data, size}); });
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        std::abort();
    }
    return 0;
}
