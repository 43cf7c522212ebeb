// What one operation on one row costs: hot and cold, by one process and by two, by the owner of a protected table and on a
// public one, for small rows in place and for boxed ones. The scenarios shared with the peers are in set.cpp. Not: how latency is spread, nor more cores than two.
#include "measure.hpp"
#include "support/same_work.hpp"

namespace heirloom::bench {
namespace {

using numbers = ets::set<long, long>;
using same_work::text_key;
using same_work::zipf;

std::string name_of(const char* scenario, std::uint64_t rows, unsigned processes,
                    const char* more = "") {
    return std::string("ets/") + scenario + "/rows:" + std::to_string(rows) +
           "/processes:" + std::to_string(processes) + more;
}

struct large {
    long number;
    char rest[192];
};

void reads(std::uint64_t rows, unsigned processes) {
    const auto make = [rows] { return filled<numbers>(rows, ets::access::protected_); };
    add(name_of("lookup_miss", rows, processes), [=](benchmark::State& s) {
        on_processes(
            s, processes, make,
            [rows](const numbers& t, std::uint64_t j, unsigned) {
                return static_cast<std::uint64_t>(t.member(-1 - key_of(j, rows)));
            },
            unchecked);
    });
    add(name_of("lookup_zipf", rows, processes), [=](benchmark::State& s) {
        const auto ranks = zipf(rows);
        on_processes(
            s, processes, make,
            [&ranks](const numbers& t, std::uint64_t j, unsigned) {
                const long k = ranks[j & 0xffff];
                return static_cast<std::uint64_t>(*t.lookup(k) != k);
            },
            unchecked);
    });
}

void writes(std::uint64_t rows, unsigned processes, ets::access access, const char* more) {
    const auto make = [=] { return filled<numbers>(rows, access); };
    const auto same_rows = [rows](const numbers& t, std::uint64_t) {
        for (std::uint64_t k = 0; k < rows; ++k)
            if (t.at(static_cast<long>(k)) != static_cast<long>(k)) return false;
        return t.size() == rows;
    };
    add(name_of("insert_over", rows, processes, more), [=](benchmark::State& s) {
        on_processes(
            s, processes, make,
            [rows](numbers& t, std::uint64_t j, unsigned) {
                const long k = key_of(j, rows);
                t.insert(k, k);
                return std::uint64_t{0};
            },
            same_rows);
    });
    add(name_of("insert_new_delete", rows, processes, more), [=](benchmark::State& s) {
        on_processes(
            s, processes, make,
            [rows](numbers& t, std::uint64_t j, unsigned who) {
                const long k = static_cast<long>(rows) * (who + 1) + key_of(j, rows);
                return static_cast<std::uint64_t>(!t.insert_new(k, k)) +
                       static_cast<std::uint64_t>(!t.erase(k));
            },
            same_rows);
    });
    add(name_of("update_counter", rows, processes, more), [=](benchmark::State& s) {
        on_processes(
            s, processes, make,
            [rows](numbers& t, std::uint64_t j, unsigned) {
                t.update_counter(key_of(j, rows), 1);
                return std::uint64_t{0};
            },
            [rows](const numbers& t, std::uint64_t operations) {
                const long sum = t.fold(0L, [](long k, long v, long a) { return a + v - k; });
                return sum == static_cast<long>(operations);
            });
    });
    add(name_of("update_counter_one_key", rows, processes, more), [=](benchmark::State& s) {
        on_processes(
            s, processes, make,
            [](numbers& t, std::uint64_t, unsigned) {
                t.update_counter(1, 1);
                return std::uint64_t{0};
            },
            [](const numbers& t, std::uint64_t operations) {
                return t.at(1) == static_cast<long>(operations) + 1;
            });
    });
    add(name_of("mixed_90_10", rows, processes, more), [=](benchmark::State& s) {
        on_processes(
            s, processes, make,
            [rows](numbers& t, std::uint64_t j, unsigned) {
                const long k = key_of(j, rows);
                if (j % 10 == 0) return t.insert(k, k), std::uint64_t{0};
                return static_cast<std::uint64_t>(*t.lookup(k) != k);
            },
            same_rows);
    });
}

void other_types(std::uint64_t rows, unsigned processes) {
    using texts = ets::set<std::string, long>;
    const auto keys = [rows] {
        std::vector<std::string> all;
        for (std::uint64_t k = 0; k < rows; ++k) all.push_back(text_key(k));
        return all;
    };
    const auto make = [=](const std::vector<std::string>& all) {
        auto t = texts::create();
        for (std::size_t k = 0; k < all.size(); ++k) t.insert(all[k], static_cast<long>(k));
        return t;
    };
    add(name_of("lookup", rows, processes, "/key:string"), [=](benchmark::State& s) {
        const auto all = keys();
        on_processes(
            s, processes, [&] { return make(all); },
            [&](const texts& t, std::uint64_t j, unsigned) {
                const long k = key_of(j, rows);
                return static_cast<std::uint64_t>(*t.lookup(all[static_cast<std::size_t>(k)]) != k);
            },
            unchecked);
    });
    if (processes == 1)
        add(name_of("insert_over", rows, processes, "/key:string/access:owner"),
            [=](benchmark::State& s) {
                const auto all = keys();
                on_processes(
                    s, processes, [&] { return make(all); },
                    [&](texts& t, std::uint64_t j, unsigned) {
                        const long k = key_of(j, rows);
                        t.insert(all[static_cast<std::size_t>(k)], k);
                        return std::uint64_t{0};
                    },
                    [&](const texts& t, std::uint64_t) {
                        for (std::size_t k = 0; k < all.size(); ++k)
                            if (t.at(all[k]) != static_cast<long>(k)) return false;
                        return t.size() == rows;
                    });
            });
    using wide = ets::set<long, large>;
    const auto make_wide = [rows] {
        auto t = wide::create();
        for (std::uint64_t k = 0; k < rows; ++k)
            t.insert(static_cast<long>(k), large{static_cast<long>(k), {}});
        return t;
    };
    add(name_of("lookup", rows, processes, "/value:200"), [=](benchmark::State& s) {
        on_processes(
            s, processes, make_wide,
            [rows](const wide& t, std::uint64_t j, unsigned) {
                const long k = key_of(j, rows);
                return static_cast<std::uint64_t>(t.lookup(k)->number != k);
            },
            unchecked);
    });
    add(name_of("visit", rows, processes, "/value:200"), [=](benchmark::State& s) {
        on_processes(
            s, processes, make_wide,
            [rows](const wide& t, std::uint64_t j, unsigned) {
                const long k = key_of(j, rows);
                bool right = false;
                t.visit(k, [&](const large& v) { right = v.number == k; });
                return static_cast<std::uint64_t>(!right);
            },
            unchecked);
    });
}

const bool registered = [] {
    for (std::uint64_t rows : {1'000ull, 1'000'000ull, 10'000'000ull}) {
        for (unsigned processes : {1u, 2u}) {
            reads(rows, processes);
            other_types(rows, processes);
        }
        writes(rows, 1, ets::access::protected_, "/access:owner");
        writes(rows, 1, ets::access::public_, "/access:public");
        writes(rows, 2, ets::access::public_, "/access:public");
    }
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
