// A hash table that changes under its readers: rows in place of one and of two words, and boxed ones; buckets that split and
// join; a traversal meanwhile; inserts of many rows, which are carried out or given up. Run on the text of hash_rows.hpp and what it includes.
// The order of these matters.
// clang-format off
#include "model/weak_std.hpp"
#include <heirloom/ets/detail/hash_rows.hpp>
#include "model/end_of_weak_std.hpp"
// clang-format on

#include <gmock/gmock.h>

namespace {

namespace weak = heirloom::test::weak;
namespace ets = heirloom_weak::ets::detail;

using key = std::uint64_t;
struct as_it_is {
    std::uint64_t operator()(key k, std::uint64_t) const noexcept { return k; }
};
/// A value that must be seen whole.
struct two_words {
    std::uint64_t a, b;
};
/// Too large to lie in a bucket; what is in it must be there when it is seen.
struct boxed {
    weak::plain<int> content;
    std::array<std::uint64_t, 8> more{};
    explicit boxed(int n) { content.write(n); }
    boxed(const boxed& other) { content.write(other.content.read()); }
    boxed& operator=(const boxed&) = delete;
};
std::uint64_t number_of(std::uint64_t v) { return v; }
std::uint64_t number_of(const two_words& v) {
    weak::require(v.a == v.b, "half a value was seen");
    return v.a;
}
std::uint64_t number_of(const boxed& v) { return static_cast<std::uint64_t>(v.content.read()); }
template <class V>
V value_of(std::uint64_t n) {
    if constexpr (std::is_same_v<V, std::uint64_t>)
        return n;
    else if constexpr (std::is_same_v<V, two_words>)
        return {n, n};
    else
        return V(static_cast<int>(n));
}

/// What was retired: freed when the run is over, since its grace period is longer than that.
std::vector<std::pair<void*, void (*)(void*) noexcept>> retired;

template <class V>
struct table {
    using rows = ets::hash_rows<key, V, as_it_is, std::equal_to<>>;
    rows t{0};
    std::size_t counted = 0;

    /// Nine buckets; 1, 17, 33 and 49 share one with those that a tenth would get: 9, 25, 41.
    explicit table(std::initializer_list<key> keys) {
        count_to(rows::load * 8 / 4 + 1);
        for (const key k : keys) put(k, k, false);
    }
    ~table() {
        for (const auto& [what, destroy] : retired) destroy(what);
        retired.clear();
    }
    void count_to(std::size_t n, bool shared = false) {
        const auto more = static_cast<std::int64_t>(n) - static_cast<std::int64_t>(counted);
        counted = n;
        t.added(shared, 0, false, static_cast<std::size_t>(more));
    }
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

template <class V>
void growth(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1, 9});
    p.thread([&w] { w.grow(); });
    p.thread([&w] {
        w.expect(9, 9);
        w.expect(1, 1);
        weak::require(!w.get(17), "a row that nobody wrote");
    });
}
template <class V>
void growth_of_a_chain(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1, 9, 17, 25});
    p.thread([&w] { w.grow(); });
    p.thread([&w] {
        w.expect(25, 25);
        w.expect(17, 17);
    });
}
template <class V>
void joining(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1, 9});
    w.grow();
    p.thread([&w] { w.join(); });
    p.thread([&w] {
        w.expect(9, 9);
        w.expect(1, 1);
    });
}
template <class V>
void traversal(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1, 9});
    p.thread([&w] { w.grow(); });
    p.thread([&w] { w.traverse({1, 9}); });
}
/// Changes by the owner alone.
template <class V>
void changes(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1});
    p.thread([&w] {
        w.put(9, 9, false);
        w.put(1, 2, false);
        w.put(1, 3, false);
        w.erase(9, false);
    });
    p.thread([&w] {
        const auto n = w.get(1);
        weak::require(n && *n >= 1 && *n <= 3, "a row was missed, or torn");
        const auto later = w.get(1);
        weak::require(later && *later >= *n, "an older value after a newer one");
        const auto other = w.get(9);
        weak::require(!other || *other == 9, "a row before its words");
    });
}
/// Changes by two, each with the chain locked.
template <class V>
void shared_changes(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1});
    p.thread([&w] {
        w.put(9, 9, true);
        w.erase(1, true);
    });
    p.thread([&w] {
        w.put(17, 17, true);
        w.put(1, 5, true);
    });
    p.afterwards([&w] {
        w.expect(9, 9);
        w.expect(17, 17);
        const auto n = w.get(1);
        weak::require(!n || *n == 5, "what both changed");
    });
}

/// A writer beside one that takes the bucket away that 9 is in, or brings it, or both: then the shape is what it was.
template <class V, bool Join, bool Grow>
void writer_beside(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1});
    w.t.prepare_sharing();
    if (Join) w.grow(true);
    p.thread([&w] {
        if (Join) w.join_shared();
        if (Grow) w.grow(true);
    });
    p.thread([&w] {
        w.put(9, 9, true);
        weak::require(w.get(9) == 9, "a row was lost");
        w.put(17, 17, true);
    });
    p.afterwards([&w] {
        w.expect(1, 1);
        w.expect(9, 9);
        w.expect(17, 17);
        w.traverse({1, 9, 17});
    });
}

/// Rows of two chains, replaced at one moment by an insert that also brings new ones.
template <class V, bool Shared, int Steps>
void bulk(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1, 2});
    if (Shared) w.t.prepare_sharing();
    p.thread([&w] { w.put_many({1, 2, 10}, 5, Shared, Steps); });
    p.thread([&w] {
        bool seen = false;
        for (const key k : {key{1}, key{2}, key{1}}) {
            const auto n = w.get(k);
            weak::require(n && (*n == 5 || *n == k), "a row was missed, or torn");
            weak::require(!seen || (n && *n == 5), "a part of a bulk insert");
            seen = n && *n == 5;
        }
        weak::require(!seen || w.get(10) == 5, "a new row was missed");
    });
    p.afterwards([&w] {
        const bool there = w.get(10).has_value();
        w.expect(1, there ? 5 : 1);
        w.expect(2, there ? 5 : 2);
        weak::require(w.t.size() == w.counted + (there ? 3 : 2) - 2, "the count");
    });
}
template <class V>
void walk_beside_bulk(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1, 2});
    p.thread([&w] { w.put_many({1, 2, 10}, 5, false, 100); });
    p.thread([&w] {
        const auto before = w.get(1);
        typename table<V>::rows::seen_rows out;
        const unsigned j = w.t.scan_bits();
        std::size_t old_rows = 0;
        std::size_t new_rows = 0;
        for (ets::hash_position at{0, false}; !at.end;) {
            at = w.t.gather(at, j, out);
            for (const auto& row : out) {
                const std::uint64_t n = number_of(row.get().value());
                ++(n == 5 ? new_rows : old_rows);
                weak::require(n == 5 || new_rows == 0, "an old row after a new one");
            }
        }
        weak::require(before != 5 || (old_rows == 0 && new_rows == 3), "a walk missed new rows");
    });
}

constexpr weak::effort some{.preemptions = 2, .stale_loads = 1};
constexpr weak::effort little{.preemptions = 1, .stale_loads = 1};

// A bulk insert has many steps: for rows of a word they are explored as thoroughly as all else.
template <class V>
constexpr weak::effort for_many_steps = std::is_same_v<V, std::uint64_t> ? some : little;

template <class V>
void expect_right(void (*make)(weak::program&), const weak::effort& effort = some) {
    const auto got = weak::explore(make, effort);
    EXPECT_EQ(got.wrong, "");
    EXPECT_TRUE(got.complete) << got.runs;
    EXPECT_GT(got.runs, 100u);
}

template <class V>
class growth_model : public testing::Test {};
using values = testing::Types<std::uint64_t, two_words, boxed>;
TYPED_TEST_SUITE(growth_model, values, );

}  // namespace

// What the headers declare and the library defines elsewhere.
namespace heirloom_weak::detail {
void retire(void* object, void (*destroy)(void*) noexcept) noexcept {
    retired.emplace_back(object, destroy);
}
void retire_often(void* object, void (*destroy)(void*) noexcept) noexcept {
    retire(object, destroy);
}
void* allocate_block_slowly(std::size_t bytes) { return ::operator new(bytes); }
void free_block_slowly(void* block, std::size_t) noexcept { ::operator delete(block); }
void release(const reason_node*) noexcept {}
verb_entry enter_quietly(const char*) { return {0, nullptr}; }
void leave_nested_or_foreign_verb() noexcept {}
}  // namespace heirloom_weak::detail
namespace heirloom_weak::ets::detail {
std::shared_ptr<char> map_zeroed(std::size_t bytes) {
    auto* p = static_cast<char*>(std::aligned_alloc(64, bytes));
    std::memset(p, 0, bytes);
    return {p, &std::free};
}
std::shared_ptr<char> reserve_zeroed() { return map_zeroed(huge_page); }
void request_huge_page(pid, const std::shared_ptr<char>&, std::size_t) noexcept {}
std::size_t memory_in_use(std::size_t written) noexcept { return written; }
void forget_pages(void*, std::size_t) noexcept {}
void pause_in_spin(unsigned) noexcept { weak::yield(); }
}  // namespace heirloom_weak::ets::detail
extern "C" {
constinit thread_local heirloom_weak::detail::thread_words* heirloom_this_thread = nullptr;
}

TYPED_TEST(growth_model, readers_miss_nothing_while_a_bucket_splits) {
    expect_right<TypeParam>(&growth<TypeParam>);
}
TYPED_TEST(growth_model, readers_miss_nothing_while_a_chain_splits) {
    expect_right<TypeParam>(&growth_of_a_chain<TypeParam>);
}
TYPED_TEST(growth_model, readers_miss_nothing_while_two_buckets_join) {
    expect_right<TypeParam>(&joining<TypeParam>);
}
TYPED_TEST(growth_model, a_traversal_sees_each_row_once_while_a_bucket_splits) {
    expect_right<TypeParam>(&traversal<TypeParam>);
}
TYPED_TEST(growth_model, readers_see_whole_values) { expect_right<TypeParam>(&changes<TypeParam>); }
TYPED_TEST(growth_model, a_bulk_insert_is_seen_as_a_whole) {
    expect_right<TypeParam>(&bulk<TypeParam, false, 100>, for_many_steps<TypeParam>);
    expect_right<TypeParam>(&bulk<TypeParam, true, 1>, for_many_steps<TypeParam>);
}
TYPED_TEST(growth_model, a_bulk_insert_that_is_given_up_has_been_or_not) {
    // While it looks; with one chain marked; committed, with one chain folded.
    expect_right<TypeParam>(&bulk<TypeParam, false, 1>, for_many_steps<TypeParam>);
    expect_right<TypeParam>(&bulk<TypeParam, false, 2>, for_many_steps<TypeParam>);
    expect_right<TypeParam>(&bulk<TypeParam, false, 3>, for_many_steps<TypeParam>);
}
TYPED_TEST(growth_model, a_walk_sees_a_bulk_insert_as_a_whole) {
    expect_right<TypeParam>(&walk_beside_bulk<TypeParam>, for_many_steps<TypeParam>);
}
TYPED_TEST(growth_model, writers_lose_nothing) {
    expect_right<TypeParam>(&shared_changes<TypeParam>);
}
TYPED_TEST(growth_model, writers_lose_nothing_while_buckets_split_and_join) {
    expect_right<TypeParam>(&writer_beside<TypeParam, false, true>);
    expect_right<TypeParam>(&writer_beside<TypeParam, true, false>, little);
    expect_right<TypeParam>(&writer_beside<TypeParam, true, true>, little);
}

// Which orders these programs can do without, at one preemption and one stale load; for most of them another one next to it does the
// same. All others are noticed: those of copying words, of replacing, of ending a change, of looking at a head, and of the lock.
template <class V>
std::vector<std::string> not_needed() {
    return weak::unnoticed(
        {&growth<V>, &growth_of_a_chain<V>, &joining<V>, &changes<V>, &shared_changes<V>},
        {.preemptions = 1, .stale_loads = 1});
}
TEST(growth_model_of_two_words, needs_its_orders) {
    EXPECT_THAT(not_needed<two_words>(),
                testing::IsSubsetOf({"append store release", "candidates load acquire",
                                     "close_unused store release", "erase store release",
                                     "finish store release", "first load acquire",
                                     "give store release", "give_back store release",
                                     "overflow_lock exchange acquire", "packed_shape load acquire",
                                     "put store release", "set_shape store release",
                                     "striped load acquire", "take store release",
                                     "write_slot store release", "~overflow_lock store release"}));
}
TEST(growth_model_of_boxes, needs_its_orders) {
    EXPECT_THAT(not_needed<boxed>(),
                testing::IsSubsetOf(
                    {"append store release", "candidates load acquire", "close store release",
                     "close_unused store release", "erase store release", "finish store release",
                     "first load acquire", "give store release", "give_back store release",
                     "packed_shape load acquire", "publish store release",
                     "set_shape store release", "striped load acquire", "take store release",
                     "try_lock_first compare_exchange acquire", "unlock store release"}));
}
