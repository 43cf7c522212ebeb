#pragma once

// The table scenarios for a concurrent map, over an `Engine<Key, Value>` with room for so many rows and
//     void insert_or_assign(key, value);  void add(key, amount);  bool insert_new(key, value);  bool erase(key);
//     bool read(key, f): f(const value&) in place, if there is such a row

#include "contender.hpp"

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

template <template <class Key, class Value> class Engine>
class table_scenarios {
public:
    static std::map<std::string, scenario> all() {
        return {{"ets/lookup", lookup},
                {"ets/lookup_miss", lookup_miss},
                {"ets/lookup_zipf", lookup_zipf},
                {"ets/lookup_text", lookup_text},
                {"ets/lookup_wide", lookup_wide},
                {"ets/visit_wide", visit_wide},
                {"ets/insert", insert},
                {"ets/insert_text", insert_text},
                {"ets/insert_new_delete", insert_new_delete},
                {"ets/update_counter", update_counter},
                {"ets/update_counter_one_key", update_counter_one_key},
                {"ets/mixed_90_10", mixed_90_10}};
    }

private:
    using numbers = Engine<std::uint64_t, std::uint64_t>;
    using texts = Engine<std::string, std::uint64_t>;
    using wides = Engine<std::uint64_t, wide>;
    enum class rows_at_the_end : std::uint8_t { as_filled, read_only };

    static std::uint64_t key_of(std::uint64_t j, std::uint64_t rows) { return (j * 7919) % rows; }

    template <class Key>
    static std::uint64_t find(const Engine<Key, std::uint64_t>& table, const Key& key) {
        std::uint64_t found = ~std::uint64_t{0};
        table.read(key, [&](std::uint64_t value) { found = value; });
        return found;
    }

    /// `operation(table, rows, j, who)` returns 0 if its answer is right; row k holds k before and after.
    template <class Operation>
    static outcome on_numbers(const request& r, const char* unit, rows_at_the_end expected,
                              Operation operation) {
        const std::uint64_t rows = r.parameters.at("rows");
        numbers table(rows);
        for (std::uint64_t key = 0; key < rows; ++key) table.insert_or_assign(key, key);
        outcome result = on_threads(r, unit, [&](std::uint64_t j, std::uint64_t who) {
            return operation(table, rows, j, who);
        });
        if (expected == rows_at_the_end::as_filled)
            for (std::uint64_t key = 0; key < rows; ++key) result.right &= find(table, key) == key;
        return result;
    }

    static outcome lookup(const request& r) {
        return on_numbers(r, "lookup", rows_at_the_end::read_only,
                          [](const numbers& table, std::uint64_t rows, std::uint64_t j, auto) {
                              const std::uint64_t key = key_of(j, rows);
                              return find(table, key) - key;
                          });
    }
    static outcome lookup_miss(const request& r) {
        return on_numbers(r, "lookup", rows_at_the_end::read_only,
                          [](const numbers& table, std::uint64_t rows, std::uint64_t j, auto) {
                              return ~find(table, ~key_of(j, rows));
                          });
    }
    static outcome lookup_zipf(const request& r) {
        const auto ranks = zipf(r.parameters.at("rows"));
        return on_numbers(r, "lookup", rows_at_the_end::read_only,
                          [&](const numbers& table, std::uint64_t, std::uint64_t j, auto) {
                              const std::uint64_t key = ranks[j & 0xffff];
                              return find(table, key) - key;
                          });
    }
    static outcome insert(const request& r) {
        return on_numbers(r, "insert", rows_at_the_end::as_filled,
                          [](numbers& table, std::uint64_t rows, std::uint64_t j, auto) {
                              const std::uint64_t key = key_of(j, rows);
                              table.insert_or_assign(key, key);
                              return std::uint64_t{0};
                          });
    }
    // Keys of its own for each thread.
    static outcome insert_new_delete(const request& r) {
        return on_numbers(
            r, "pair", rows_at_the_end::as_filled,
            [](numbers& table, std::uint64_t rows, std::uint64_t j, std::uint64_t who) {
                const std::uint64_t key = rows * (who + 1) + key_of(j, rows);
                return std::uint64_t{!table.insert_new(key, key)} +
                       std::uint64_t{!table.erase(key)};
            });
    }
    static outcome mixed_90_10(const request& r) {
        return on_numbers(r, "operation", rows_at_the_end::as_filled,
                          [](numbers& table, std::uint64_t rows, std::uint64_t j, auto) {
                              const std::uint64_t key = key_of(j, rows);
                              if (j % 10 != 0) return find(table, key) - key;
                              table.insert_or_assign(key, key);
                              return std::uint64_t{0};
                          });
    }

    /// `key(j)` gets one added; all counters start from 0.
    template <class Key>
    static outcome counted(const request& r, Key key) {
        const std::uint64_t rows = r.parameters.at("rows");
        numbers table(rows);
        for (std::uint64_t k = 0; k < rows; ++k) table.insert_or_assign(k, 0);
        outcome result = on_threads(r, "update", [&](std::uint64_t j, std::uint64_t) {
            table.add(key(j, rows), 1);
            return std::uint64_t{0};
        });
        std::uint64_t sum = 0;
        for (std::uint64_t k = 0; k < rows; ++k) sum += find(table, k);
        result.right = sum == result.operations;
        return result;
    }
    static outcome update_counter(const request& r) { return counted(r, key_of); }
    static outcome update_counter_one_key(const request& r) {
        return counted(r, [](std::uint64_t, std::uint64_t) { return std::uint64_t{1}; });
    }

    /// Keys of 24 bytes, made before the clock starts.
    template <class Operation>
    static outcome on_texts(const request& r, const char* unit, Operation operation) {
        const std::uint64_t rows = r.parameters.at("rows");
        std::vector<std::string> keys;
        for (std::uint64_t k = 0; k < rows; ++k) keys.push_back(text_key(k));
        texts table(rows);
        for (std::uint64_t k = 0; k < rows; ++k) table.insert_or_assign(keys[k], k);
        outcome result = on_threads(r, unit, [&](std::uint64_t j, std::uint64_t) {
            const std::uint64_t k = key_of(j, rows);
            return operation(table, keys[k], k);
        });
        for (std::uint64_t k = 0; k < rows; ++k) result.right &= find(table, keys[k]) == k;
        return result;
    }
    static outcome lookup_text(const request& r) {
        return on_texts(r, "lookup",
                        [](const texts& table, const std::string& key, std::uint64_t k) {
                            return find(table, key) - k;
                        });
    }
    static outcome insert_text(const request& r) {
        return on_texts(r, "insert", [](texts& table, const std::string& key, std::uint64_t k) {
            table.insert_or_assign(key, k);
            return std::uint64_t{0};
        });
    }

    template <class Read>
    static outcome on_wides(const request& r, Read read) {
        const std::uint64_t rows = r.parameters.at("rows");
        wides table(rows);
        for (std::uint64_t k = 0; k < rows; ++k) table.insert_or_assign(k, wide{k, {}});
        return on_threads(r, "lookup", [&](std::uint64_t j, std::uint64_t) {
            const std::uint64_t key = key_of(j, rows);
            return read(table, key) - key;
        });
    }
    // The value is handed out, all of it.
    static outcome lookup_wide(const request& r) {
        return on_wides(r, [](const wides& table, std::uint64_t key) {
            wide copy;
            copy.number = ~std::uint64_t{0};
            table.read(key, [&](const wide& value) { copy = value; });
            asm volatile("" : "+m"(copy));
            return copy.number;
        });
    }
    // It is looked at in place.
    static outcome visit_wide(const request& r) {
        return on_wides(r, [](const wides& table, std::uint64_t key) {
            std::uint64_t number = ~std::uint64_t{0};
            table.read(key, [&](const wide& value) { number = value.number; });
            return number;
        });
    }
};

/// The cheapest good hash of each kind of key.
struct cheap_hash {
    std::size_t operator()(std::uint64_t key) const { return key * 0x9e3779b97f4a7c15u; }
    std::size_t operator()(const std::string& key) const { return std::hash<std::string>{}(key); }
};

}  // namespace contender
