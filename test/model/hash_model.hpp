#pragma once

// A hash table for the models: the text of hash_rows.hpp and what it includes, under the atomics of weak_memory.hpp. To be
// included first, by one file of a program.
// The order of these matters.
// clang-format off
#include "model/weak_std.hpp"
#include <heirloom/ets/detail/hash_rows.hpp>
#include "model/end_of_weak_std.hpp"
// clang-format on
#include "model/weak_tables.hpp"

namespace heirloom::test::hash_model {

using namespace heirloom::test::table_model;

struct as_it_is {
    std::uint64_t operator()(key k, std::uint64_t) const noexcept { return k; }
};

template <class V>
struct table {
    using rows = ets::hash_rows<key, V, as_it_is, std::equal_to<>>;
    rows t{0};
    std::size_t counted = 0;

    /// Nine buckets; 1, 17, 33 and 49 share one with those that a tenth would get: 9, 25, 41.
    explicit table(std::initializer_list<key> keys) : table(eight_buckets{}, keys) { grow_first(); }
    /// Eight, in the block that a ninth is too many for; 0 and 16 share one with those that the ninth would get: 8, 24.
    struct eight_buckets {};
    table(eight_buckets, std::initializer_list<key> keys) {
        for (const key k : keys) put(k, k, false);
    }
    ~table() { free_retired(); }
    void count_to(std::size_t n, bool shared = false) {
        const auto more = static_cast<std::int64_t>(n) - static_cast<std::int64_t>(counted);
        counted = n;
        t.added(shared, 0, shared, static_cast<std::size_t>(more));  // spilled: so it looks
    }
    /// A ninth bucket: the others move.
    void grow_first(bool shared = false) { count_to(rows::load * 8 / 4 + 1, shared); }
    /// A tenth bucket.
    void grow(bool shared = false) { count_to(rows::load * 9 / 4 + 1, shared); }
    /// Back to one bucket less than there are.
    void join() {
        counted = rows::load * 9 / 8 - 1;
        const auto now = static_cast<std::int64_t>(t.size());
        t.added(false, 0, false,
                static_cast<std::size_t>(static_cast<std::int64_t>(counted) + 1 - now));
        t.erased(false, 0);
    }
    /// The same of a shared table. A count of sixteen, and so of none, is when it looks.
    void join_shared() {
        const auto other = heirloom_weak::pid::make(0, 1, 1).bits();
        count_to(rows::load * 9 / 8 - 1, true);
        t.added(true, other, false);
        t.erased(true, other);
    }
    void put(key k, std::uint64_t n, bool shared) {
        typename rows::place p(t, k, k, shared);
        auto row = rows::make(k, k, value_of<V>(n));
        if (p.found())
            p.replace(std::move(row));
        else
            p.add(std::move(row));
    }
    void erase(key k, bool shared) {
        typename rows::place p(t, k, k, shared);
        if (p.found()) p.erase();
    }
    /// As many steps of a bulk insert as are asked for; then it is given up, as by a kill.
    void put_many(std::initializer_list<key> keys, std::uint64_t n, bool shared, int steps) {
        std::vector<typename rows::ready> fresh;
        for (const key k : keys) fresh.push_back({k, rows::make(k, k, value_of<V>(n))});
        std::sort(fresh.begin(), fresh.end(), [](const auto& a, const auto& b) {
            return ets::reverse_bits(a.hash) < ets::reverse_bits(b.hash);
        });
        typename rows::bulk_insert insert(std::move(fresh), false, 1);
        while (steps-- > 0 && !insert.step(t, shared, 0)) {
        }
    }
    /// As update_counter: the short way, or the long one.
    void count_on(key k, std::uint64_t more, bool shared)
        requires(rows::value_is_word)
    {
        if (t.change_word(k, k, shared, [&](V& value) { return value += more, true; })) return;
        typename rows::place p(t, k, k, shared);
        weak::require(p.found(), "a row was missed by who counts on it");
        if (p.found()) p.replace(rows::make(k, k, p.current().value() + more));
    }
    std::optional<std::uint64_t> get(key k) {
        std::optional<std::uint64_t> n;
        t.read(k, [&](const V& v) { n = number_of(v); });
        return n;
    }
    void expect(key k, std::uint64_t n) {
        const auto got = get(k);
        weak::require(got.has_value(), "a row was missed");
        weak::require(!got || *got == n, "a value that nobody wrote");
    }
    /// As a select with the table fixed: in hash order, each row once.
    void traverse(std::vector<key> expected) {
        typename rows::seen_rows out;
        const unsigned j = t.scan_bits();
        std::vector<key> found;
        for (ets::hash_position at{0, false}; !at.end;) {
            at = t.gather(at, j, out);
            for (const auto& row : out) found.push_back(row.get().key());
        }
        std::sort(found.begin(), found.end());
        weak::require(found == expected, "a traversal missed a row, or saw one twice");
    }
};

}  // namespace heirloom::test::hash_model
