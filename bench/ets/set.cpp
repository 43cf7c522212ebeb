// What do lookup, insert over a present row and update_counter cost on a set of small rows, for its
// owner alone and for two processes at once? Keys (j * 7919) mod rows. Not answered: boxed rows,
// growth, traversal.

#include "support/scenario.hpp"

#include <atomic>
#include <chrono>

#include <heirloom/heirloom.hpp>

namespace heirloom::bench {
namespace {

using table = ets::set<std::uint64_t, std::uint64_t>;

struct part_done {
    std::uint64_t sum;
};

constexpr std::uint64_t key_of(std::uint64_t j, std::uint64_t rows) { return (j * 7919) % rows; }

std::uint64_t lookups(const table& t, std::uint64_t n, std::uint64_t rows) {
    std::uint64_t sum = 0;
    for (std::uint64_t j = 0; j < n; ++j) {
        const std::uint64_t key = key_of(j, rows);
        sum += *t.lookup(key) - key;
    }
    return sum;
}
std::uint64_t inserts(table& t, std::uint64_t n, std::uint64_t rows) {
    for (std::uint64_t j = 0; j < n; ++j) {
        const std::uint64_t key = key_of(j, rows);
        t.insert(key, key);
    }
    return 0;
}
std::uint64_t updates(table& t, std::uint64_t n, std::uint64_t rows) {
    for (std::uint64_t j = 0; j < n; ++j) t.update_counter(key_of(j, rows), std::uint64_t{1});
    return 0;
}

// One process works itself, so that the owner's writes are the owner's. `wrong` is what the rows
// must differ by from their keys, summed, at the end.
template <class Work>
outcome on_table(std::uint64_t n, std::uint64_t rows, unsigned processes, ets::access access,
                 Work work, bool counts) {
    table t{{.access = access}};
    for (std::uint64_t key = 0; key < rows; ++key) t.insert(key, key);
    const std::uint64_t each = n / processes;
    std::uint64_t wrong = 0;
    double took = 0;
    if (processes == 1) {
        took = timed([&] { wrong = work(t, each, rows); });
    } else {
        // The clock starts when each has a worker to itself: how soon a second one joins in is the restart group's question.
        std::atomic<unsigned> ready{0};
        std::chrono::steady_clock::time_point begin;
        for (unsigned i = 0; i < processes; ++i)
            spawn_link([=, main = self(), &ready, &begin]() mutable {
                if (ready.fetch_add(1) + 1 == processes) begin = std::chrono::steady_clock::now();
                while (ready.load() < processes) {
                }
                send(main, part_done{work(t, each, rows)});
            });
        for (unsigned i = 0; i < processes; ++i) wrong += receive<part_done>().sum;
        took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    std::uint64_t added = 0;
    for (std::uint64_t key = 0; key < rows; ++key) added += *t.lookup(key) - key;
    t.delete_table();
    const std::uint64_t operations = each * processes;
    return {took, operations, wrong == 0 && added == (counts ? operations : 0)};
}

template <class Work>
void measure_table(const std::string& verb, Work work, bool writes, bool counts) {
    for (std::uint64_t rows = 1'000; rows <= 10'000'000; rows *= 10)
        for (const unsigned processes : {1u, 2u}) {
            const auto access =
                writes && processes > 1 ? ets::access::public_ : ets::access::protected_;
            const std::string name = "ets/" + verb + "/rows:" + std::to_string(rows) +
                                     "/processes:" + std::to_string(processes);
            // Filling the largest takes longer than measuring it, and warms it up.
            (rows < 10'000'000 ? measure
                               : measure_once)(name, processes, 1'000'000, [=](std::uint64_t n) {
                return on_table(n, rows, processes, access, work, counts);
            });
        }
}

[[maybe_unused]] const bool registered = [] {
    measure_table(
        "lookup", [](table& t, auto n, auto rows) { return lookups(t, n, rows); }, false, false);
    measure_table(
        "insert", [](table& t, auto n, auto rows) { return inserts(t, n, rows); }, true, false);
    measure_table(
        "update_counter", [](table& t, auto n, auto rows) { return updates(t, n, rows); }, true,
        true);
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
