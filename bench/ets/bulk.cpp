// How long does an insert of many rows hold others up: a reader of its rows on another worker (`bulk_reader_wait`: its longest
// lookup), and a process that is always ready on the same worker (`bulk_turn_wait`: its longest wait for a turn)? All rows are
// there before and are replaced. The reader checks that it never sees an old row once it has seen a new one. Not answered: how
// long the insert takes as a whole.
#include "../../test/ets/stall.hpp"
#include "measure.hpp"

namespace heirloom::bench {
namespace {

using clock = std::chrono::steady_clock;

template <class Value>
Value value_of(long generation);
template <>
long value_of<long>(long generation) {
    return generation;
}
template <>
std::string value_of<std::string>(long generation) {
    return std::string(24, 'x') + std::to_string(generation);
}
long generation_of(long value) { return value; }
long generation_of(const std::string& value) { return std::stol(value.substr(24)); }

template <class Table>
std::vector<typename Table::value_type> rows_of(std::uint64_t n, long generation) {
    std::vector<typename Table::value_type> rows;
    rows.reserve(n);
    for (std::uint64_t k = 0; k < n; ++k)
        rows.emplace_back(static_cast<long>(k), value_of<typename Table::mapped_type>(generation));
    return rows;
}

constexpr long inserts_a_run = 5;

/// The longest lookup, in seconds; negative if a wrong value was seen.
template <class Table>
double longest_lookup(std::uint64_t rows, ets::access access) {
    auto t = Table::create({.access = access});
    t.insert(rows_of<Table>(rows, 0));
    std::atomic<bool> ready{false};
    std::atomic<bool> stop{false};
    std::atomic<bool> wrong{false};
    double longest = 0;
    const auto reader = spawn_monitor([&, t] {
        long seen = 0;
        ready = true;
        for (std::uint64_t j = 0; !stop; ++j) {
            const long key = key_of(j, rows);
            const auto begin = clock::now();
            const auto value = t.lookup(key);
            longest =
                std::max(longest, std::chrono::duration<double>(clock::now() - begin).count());
            const long generation = value ? generation_of(*value) : -1;
            if (generation < seen) wrong = true;
            seen = std::max(seen, generation);
        }
    });
    while (!ready) {
    }
    for (long generation = 1; generation <= inserts_a_run; ++generation)
        t.insert(rows_of<Table>(rows, generation));
    stop = true;
    receive(when(reader.ref, [](down) {}));
    return wrong ? -1 : longest;
}

template <class Table>
double longest_turn(std::uint64_t rows, ets::access access) {
    auto t = Table::create({.access = access});
    t.insert(rows_of<Table>(rows, 0));
    std::vector<std::vector<typename Table::value_type>> generations;
    for (long generation = 1; generation <= inserts_a_run; ++generation)
        generations.push_back(rows_of<Table>(rows, generation));
    const auto work = [&] {
        for (const auto& g : generations) t.insert(g);
    };
    const auto us = test::longest_stall_us(work, [] { return true; });
    bool right = t.size() == rows;
    for (std::uint64_t k = 0; k < rows; ++k)
        right = right && generation_of(t.at(static_cast<long>(k))) == inserts_a_run;
    return right ? static_cast<double>(us) * 1e-6 : -1;
}

template <class Table>
void scenarios(const char* kind) {
    for (const std::uint64_t rows : {1'000ull, 100'000ull, 1'000'000ull})
        for (const auto& [access, name] : {std::pair{ets::access::protected_, "/access:owner"},
                                           std::pair{ets::access::public_, "/access:public"}}) {
            const std::string suffix =
                "/rows:" + std::to_string(rows) + "/processes:2" + kind + name;
            add_longest("ets/bulk_reader_wait" + suffix, 2,
                        [rows, access = access] { return longest_lookup<Table>(rows, access); });
            add_longest("ets/bulk_turn_wait" + suffix, 1,
                        [rows, access = access] { return longest_turn<Table>(rows, access); });
        }
}

const bool registered = [] {
    scenarios<ets::set<long, long>>("/value:8");
    scenarios<ets::set<long, std::string>>("/value:string");
    scenarios<ets::ordered_set<long, long>>("/type:ordered_set");
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
