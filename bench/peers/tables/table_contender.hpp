#pragma once

// The table scenarios for a concurrent map, over an `Engine` with
//     void insert_or_assign(key, value);  value find(key), ~0 if absent;  void add(key, amount);
//     bool insert_new(key, value);  bool erase(key);

#include "support/contender.hpp"

#include <atomic>
#include <thread>

namespace contender {

// P threads do `n / P` operations each and start together; the clock covers start to last end.
template <class Operation>
outcome on_threads(const request& r, const char* unit, Operation operation) {
    const std::uint64_t threads = r.parameters.at("processes");
    const std::uint64_t each = r.n / threads;
    std::atomic<std::uint64_t> wrong{0};
    const auto work = [&](std::uint64_t who) {
        std::uint64_t sum = 0;
        for (std::uint64_t j = 0; j < each; ++j) sum += operation(j, who);
        wrong.fetch_add(sum, std::memory_order_relaxed);
    };
    std::atomic<bool> go{false};
    std::atomic<std::uint64_t> ready{0};
    std::vector<std::thread> others;
    for (std::uint64_t i = 1; i < threads; ++i)
        others.emplace_back([&, i] {
            ready.fetch_add(1);
            while (!go.load(std::memory_order_acquire)) {
            }
            work(i);
        });
    while (ready.load() != threads - 1) {
    }
    const double took = timed([&] {
        go.store(true, std::memory_order_release);
        work(0);
        for (std::thread& other : others) other.join();
    });
    return {took, each * threads, unit, wrong.load() == 0};
}

template <class Engine>
class table_scenarios {
public:
    static std::map<std::string, scenario> all() {
        return {{"ets/lookup", lookup},
                {"ets/lookup_miss", lookup_miss},
                {"ets/insert", insert},
                {"ets/insert_new_delete", insert_new_delete},
                {"ets/update_counter", update_counter},
                {"ets/update_counter_one_key", update_counter_one_key},
                {"ets/mixed_90_10", mixed_90_10}};
    }

private:
    static std::uint64_t key_of(std::uint64_t j, std::uint64_t rows) { return (j * 7919) % rows; }
    static void fill(Engine& table, std::uint64_t rows) {
        for (std::uint64_t key = 0; key < rows; ++key) table.insert_or_assign(key, key);
    }

    static outcome lookup(const request& r) {
        const std::uint64_t rows = r.parameters.at("rows");
        Engine table(rows);
        fill(table, rows);
        return on_threads(r, "lookup", [&](std::uint64_t j, std::uint64_t) {
            const std::uint64_t key = key_of(j, rows);
            return table.find(key) - key;
        });
    }
    static outcome insert(const request& r) {
        const std::uint64_t rows = r.parameters.at("rows");
        Engine table(rows);
        fill(table, rows);
        outcome result = on_threads(r, "insert", [&](std::uint64_t j, std::uint64_t) {
            const std::uint64_t key = key_of(j, rows);
            table.insert_or_assign(key, key);
            return std::uint64_t{0};
        });
        for (std::uint64_t key = 0; key < rows; ++key) result.right &= table.find(key) == key;
        return result;
    }
    static outcome lookup_miss(const request& r) {
        const std::uint64_t rows = r.parameters.at("rows");
        Engine table(rows);
        fill(table, rows);
        return on_threads(r, "lookup", [&](std::uint64_t j, std::uint64_t) {
            return ~table.find(~key_of(j, rows));
        });
    }
    // Keys of its own for each thread.
    static outcome insert_new_delete(const request& r) {
        const std::uint64_t rows = r.parameters.at("rows");
        Engine table(rows);
        fill(table, rows);
        outcome result = on_threads(r, "pair", [&](std::uint64_t j, std::uint64_t who) {
            const std::uint64_t key = rows * (who + 1) + key_of(j, rows);
            return std::uint64_t{!table.insert_new(key, key)} + std::uint64_t{!table.erase(key)};
        });
        for (std::uint64_t key = 0; key < rows; ++key) result.right &= table.find(key) == key;
        return result;
    }
    static outcome update_counter_one_key(const request& r) {
        const std::uint64_t rows = r.parameters.at("rows");
        Engine table(rows);
        fill(table, rows);
        outcome result = on_threads(r, "update", [&](std::uint64_t, std::uint64_t) {
            table.add(1, 1);
            return std::uint64_t{0};
        });
        result.right = table.find(1) == result.operations + 1;
        return result;
    }
    static outcome mixed_90_10(const request& r) {
        const std::uint64_t rows = r.parameters.at("rows");
        Engine table(rows);
        fill(table, rows);
        return on_threads(r, "operation", [&](std::uint64_t j, std::uint64_t) {
            const std::uint64_t key = key_of(j, rows);
            if (j % 10 != 0) return table.find(key) - key;
            table.insert_or_assign(key, key);
            return std::uint64_t{0};
        });
    }
    static outcome update_counter(const request& r) {
        const std::uint64_t rows = r.parameters.at("rows");
        Engine table(rows);
        fill(table, rows);
        outcome result = on_threads(r, "update", [&](std::uint64_t j, std::uint64_t) {
            table.add(key_of(j, rows), 1);
            return std::uint64_t{0};
        });
        std::uint64_t sum = 0;
        for (std::uint64_t key = 0; key < rows; ++key) sum += table.find(key) - key;
        result.right = sum == result.operations;
        return result;
    }
};

}  // namespace contender
