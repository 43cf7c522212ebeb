// A hash table that changes under its readers: rows in place of one and of two words, and boxed ones; buckets that split and
// join; a traversal meanwhile; inserts of many rows, which are carried out or given up. Run on the text of hash_rows.hpp and what it includes.
#include "model/hash_model.hpp"

#include <gmock/gmock.h>

namespace {

using namespace heirloom::test::hash_model;

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

template <class V>
class growth_model : public testing::Test {};
using values = testing::Types<std::uint64_t, two_words, boxed>;
TYPED_TEST_SUITE(growth_model, values, );

}  // namespace

TYPED_TEST(growth_model, readers_miss_nothing_while_a_bucket_splits) {
    EXPECT_TRUE(weak::holds_always(&growth<TypeParam>, some));
}
TYPED_TEST(growth_model, readers_miss_nothing_while_a_chain_splits) {
    EXPECT_TRUE(weak::holds_always(&growth_of_a_chain<TypeParam>, some));
}
TYPED_TEST(growth_model, readers_miss_nothing_while_two_buckets_join) {
    EXPECT_TRUE(weak::holds_always(&joining<TypeParam>, some));
}
TYPED_TEST(growth_model, a_traversal_sees_each_row_once_while_a_bucket_splits) {
    EXPECT_TRUE(weak::holds_always(&traversal<TypeParam>, some));
}
TYPED_TEST(growth_model, readers_see_whole_values) {
    EXPECT_TRUE(weak::holds_always(&changes<TypeParam>, some));
}
TYPED_TEST(growth_model, a_bulk_insert_is_seen_as_a_whole) {
    EXPECT_TRUE(weak::holds_always(&bulk<TypeParam, false, 100>, for_many_steps<TypeParam>));
    EXPECT_TRUE(weak::holds_always(&bulk<TypeParam, true, 1>, for_many_steps<TypeParam>));
}
TYPED_TEST(growth_model, a_bulk_insert_that_is_given_up_has_been_or_not) {
    // While it looks; with one chain marked; committed, with one chain folded.
    EXPECT_TRUE(weak::holds_always(&bulk<TypeParam, false, 1>, for_many_steps<TypeParam>));
    EXPECT_TRUE(weak::holds_always(&bulk<TypeParam, false, 2>, for_many_steps<TypeParam>));
    EXPECT_TRUE(weak::holds_always(&bulk<TypeParam, false, 3>, for_many_steps<TypeParam>));
}
TYPED_TEST(growth_model, a_walk_sees_a_bulk_insert_as_a_whole) {
    EXPECT_TRUE(weak::holds_always(&walk_beside_bulk<TypeParam>, for_many_steps<TypeParam>));
}
TYPED_TEST(growth_model, writers_lose_nothing) {
    EXPECT_TRUE(weak::holds_always(&shared_changes<TypeParam>, some));
}
TYPED_TEST(growth_model, writers_lose_nothing_while_buckets_split_and_join) {
    EXPECT_TRUE(weak::holds_always(&writer_beside<TypeParam, false, true>, some));
    EXPECT_TRUE(weak::holds_always(&writer_beside<TypeParam, true, false>, little));
    EXPECT_TRUE(weak::holds_always(&writer_beside<TypeParam, true, true>, little));
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
