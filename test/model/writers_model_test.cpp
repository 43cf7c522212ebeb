// Writers of a hash table that strangers may write, beside growth, joining, the move of the first block, and inserts of many
// rows; and what they see who read while a row is held. Run on the text of hash_rows.hpp and what it includes.
#include "model/hash_model.hpp"

#include <gmock/gmock.h>

namespace {

using namespace heirloom::test::hash_model;

/// What the structure does meanwhile.
enum class structure : std::uint8_t { grows, joins, moves };
template <class V, structure What>
table<V>& table_that(weak::program& p, std::initializer_list<key> keys) {
    using eight = typename table<V>::eight_buckets;
    auto& w = What == structure::moves ? p.make<table<V>>(eight{}, keys) : p.make<table<V>>(keys);
    w.t.prepare_sharing();
    if (What == structure::joins) w.grow(true);
    return w;
}
template <structure What, class V>
void change_structure(table<V>& w, bool shared = true) {
    if (What == structure::grows) w.grow(shared);
    if (What == structure::joins) w.join_shared();
    if (What == structure::moves) w.grow_first(shared);
}
/// Two keys of one chain that the change takes apart, or the other way round.
template <structure What>
constexpr key stays = What == structure::moves ? 16 : 1;
template <structure What>
constexpr key moves = What == structure::moves ? 8 : 9;

/// A function given to update() reads the table, with its own row held, beside one who changes the structure: while that one
/// waits for the row, nobody's reads wait for it.
template <class V, structure What>
void reader_inside_a_change(weak::program& p) {
    // Held is what is looked at last.
    static constexpr key held = What == structure::moves ? 1 : 9;
    static constexpr key other = What == structure::moves ? 8 : 1;
    auto& w = table_that<V, What>(p, {held, other});
    p.thread([&w] { change_structure<What>(w); });
    p.thread([&w] {
        typename table<V>::rows::place row(w.t, held, held, true);
        weak::require(row.found(), "a row was missed");
        w.expect(other, other);
        weak::require(!w.get(other + 32), "a row that nobody wrote");
    });
    p.afterwards([&w] { w.traverse({std::min(held, other), std::max(held, other)}); });
}
/// Readers beside the move of the first block, by its owner alone.
template <class V, bool Shared>
void reader_beside_the_move(weak::program& p) {
    auto& w = table_that<V, structure::moves>(p, {8, 16, 1});
    p.thread([&w] {
        w.grow_first(Shared);
        w.put(1, 5, Shared);
    });
    p.thread([&w] {
        w.expect(8, 8);
        w.expect(16, 16);
        const auto n = w.get(1);
        weak::require(n == 1 || n == 5, "a row was missed");
    });
}
/// What a lookup has found, a walk finds.
template <class V>
void walk_after_a_lookup(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1});
    p.thread([&w] {
        w.put(9, 9, false);
        w.erase(9, false);
        w.put(17, 17, false);
    });
    p.thread([&w] {
        if (w.get(17)) w.traverse({1, 17});
    });
    p.thread([&w] {
        if (!w.get(9)) return;
        typename table<V>::rows::seen_rows out;
        w.t.gather_bucket(1, out);
        bool gone = true;
        for (const auto& row : out) gone = gone && row.get().key() != 9;
        weak::require(!gone || !w.get(9), "a row that a walk had not");
    });
}

template <structure What>
void counters(weak::program& p) {
    auto& w = table_that<std::uint64_t, What>(p, {stays<What>, moves<What>});
    p.thread([&w] { change_structure<What>(w); });
    p.thread([&w] {
        w.count_on(moves<What>, 100, true);
        w.count_on(stays<What>, 100, true);
        w.count_on(moves<What>, 100, true);
    });
    p.afterwards([&w] {
        w.expect(moves<What>, moves<What> + 200);
        w.expect(stays<What>, stays<What> + 100);
    });
}
/// Two who count on one row.
inline void counters_of_two(weak::program& p) {
    auto& w = table_that<std::uint64_t, structure::grows>(p, {1});
    const auto count = [&w] {
        w.count_on(1, 100, true);
        w.count_on(1, 100, true);
    };
    p.thread(count);
    p.thread(count);
    p.afterwards([&w] { w.expect(1, 401); });
}
template <class V, structure What>
void erasing(weak::program& p) {
    auto& w = table_that<V, What>(p, {stays<What>, moves<What>});
    p.thread([&w] { change_structure<What>(w); });
    p.thread([&w] {
        w.erase(moves<What>, true);
        weak::require(!w.get(moves<What>), "a row that was erased");
        w.expect(stays<What>, stays<What>);
    });
    p.afterwards([&w] { w.traverse({stays<What>}); });
}
/// Of a chain that has an overflow bucket.
template <class V, structure What>
void erasing_from_a_chain(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1, 9, 17, 25, 33, 41, 49});
    w.t.prepare_sharing();
    if (What == structure::joins) w.grow(true);
    p.thread([&w] { change_structure<What>(w); });
    p.thread([&w] {
        w.erase(9, true);
        w.erase(49, true);
    });
    p.afterwards([&w] { w.traverse({1, 17, 25, 33, 41}); });
}
template <class V>
void writer_beside_the_move(weak::program& p) {
    auto& w = table_that<V, structure::moves>(p, {16});
    p.thread([&w] { w.grow_first(true); });
    p.thread([&w] {
        w.put(8, 8, true);
        weak::require(w.get(8) == 8, "a row was lost");
        w.put(16, 5, true);
        w.put(1, 1, true);
    });
    p.afterwards([&w] {
        w.expect(16, 5);
        w.traverse({1, 8, 16});
    });
}

/// An insert of many rows beside another writer of two of its chains.
template <class V>
void bulk_beside_a_writer(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1, 2});
    w.t.prepare_sharing();
    p.thread([&w] { w.put_many({1, 2, 10}, 5, true, 1); });
    p.thread([&w] {
        w.put(1, 7, true);
        const auto n = w.get(1);
        weak::require(n == 7 || n == 5, "a row was missed, or torn");
        if (n == 5) {
            w.expect(2, 5);
            w.expect(10, 5);
        }
        w.erase(2, true);
        w.put(17, 17, true);
    });
    p.afterwards([&w] {
        const auto one = w.get(1);
        weak::require(one == 5 || one == 7, "a row was lost");
        const auto two = w.get(2);
        weak::require(!two || *two == 5, "a row that was erased");
        w.expect(10, 5);
        w.expect(17, 17);
        w.traverse(two ? std::vector<key>{1, 2, 10, 17} : std::vector<key>{1, 10, 17});
    });
}
template <class V>
void bulk_beside_another(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1});
    w.t.prepare_sharing();
    p.thread([&w] { w.put_many({1, 2}, 5, true, 1); });
    p.thread([&w] { w.put_many({2, 1}, 6, true, 1); });
    p.afterwards([&w] {
        const auto n = w.get(1);
        weak::require(n == 5 || n == 6, "a row was lost");
        weak::require(w.get(2) == n, "parts of two inserts");
        w.traverse({1, 2});
    });
}
/// The table is grown by the insert itself.
template <class V>
void bulk_that_grows_beside_a_writer(weak::program& p) {
    auto& w = p.make<table<V>>(std::initializer_list<key>{1, 9});
    w.t.prepare_sharing();
    w.count_to(table<V>::rows::load * 9 / 4 - 1);
    p.thread([&w] { w.put_many({1, 9, 17}, 5, true, 1); });
    p.thread([&w] {
        w.put(25, 25, true);
        w.erase(33, true);
    });
    p.afterwards([&w] {
        w.expect(25, 25);
        w.expect(9, 5);
        w.traverse({1, 9, 17, 25});
    });
}

template <class V>
class writers_model : public testing::Test {};
using values = testing::Types<std::uint64_t, two_words, boxed>;
TYPED_TEST_SUITE(writers_model, values, );

}  // namespace

TYPED_TEST(writers_model, nobody_reads_in_vain_while_a_row_is_held) {
    EXPECT_TRUE(weak::holds_always(&reader_inside_a_change<TypeParam, structure::grows>, little));
    EXPECT_TRUE(weak::holds_always(&reader_inside_a_change<TypeParam, structure::joins>, little));
    EXPECT_TRUE(weak::holds_always(&reader_inside_a_change<TypeParam, structure::moves>, little));
}
TYPED_TEST(writers_model, readers_miss_nothing_while_the_first_block_moves) {
    EXPECT_TRUE(weak::holds_always(&reader_beside_the_move<TypeParam, false>, little));
    EXPECT_TRUE(weak::holds_always(&reader_beside_the_move<TypeParam, true>, little));
}
TYPED_TEST(writers_model, a_walk_finds_what_a_lookup_has_found) {
    EXPECT_TRUE(weak::holds_always(&walk_after_a_lookup<TypeParam>, little));
}
TYPED_TEST(writers_model, nothing_is_kept_that_was_erased) {
    EXPECT_TRUE(weak::holds_always(&erasing<TypeParam, structure::grows>, some));
    EXPECT_TRUE(weak::holds_always(&erasing<TypeParam, structure::joins>, little));
    EXPECT_TRUE(weak::holds_always(&erasing<TypeParam, structure::moves>, little));
    EXPECT_TRUE(weak::holds_always(&erasing_from_a_chain<TypeParam, structure::grows>, little));
    EXPECT_TRUE(weak::holds_always(&erasing_from_a_chain<TypeParam, structure::joins>, little));
}
TYPED_TEST(writers_model, lose_nothing_while_the_first_block_moves) {
    EXPECT_TRUE(weak::holds_always(&writer_beside_the_move<TypeParam>, little));
}
TYPED_TEST(writers_model, lose_nothing_beside_an_insert_of_many) {
    EXPECT_TRUE(weak::holds_always(&bulk_beside_a_writer<TypeParam>, little));
    EXPECT_TRUE(weak::holds_always(&bulk_beside_another<TypeParam>, little));
    EXPECT_TRUE(weak::holds_always(&bulk_that_grows_beside_a_writer<TypeParam>, little));
}
TEST(counters_model, lose_nothing_whatever_the_structure_does) {
    EXPECT_TRUE(weak::holds_always(&counters<structure::grows>, some));
    EXPECT_TRUE(weak::holds_always(&counters<structure::joins>, little));
    EXPECT_TRUE(weak::holds_always(&counters<structure::moves>, little));
    EXPECT_TRUE(weak::holds_always(&counters_of_two, some));
}
