// An ordered table that changes under its readers: leaves and inner nodes that split, leaves that are taken out, up to the
// root; walks up and down meanwhile; two writers; inserts of many rows. Rows of one word, boxed ones, and boxed keys, whose
// separators are boxes too. Run on the text of tree_rows.hpp and what it includes.
// The order of these matters.
// clang-format off
#include "model/weak_std.hpp"
#include <heirloom/ets/detail/tree_rows.hpp>
#include "model/end_of_weak_std.hpp"
// clang-format on
#include "model/weak_tables.hpp"

#include <gmock/gmock.h>

namespace {

using namespace heirloom::test::table_model;

key key_in(key k) { return k; }
/// A key that fits no word; what is in it must be there when it is seen.
struct large_key {
    weak::plain<key> content;
    std::uint64_t more = 0;
    large_key(key k) { content.write(k); }  // NOLINT(google-explicit-constructor)
    large_key(const large_key& other) { content.write(other.content.read()); }
    large_key& operator=(const large_key&) = delete;
    friend bool operator<(const large_key& a, const large_key& b) {
        return a.content.read() < b.content.read();
    }
};
key key_in(const large_key& k) { return k.content.read(); }
/// A key of one word under an order of its own, which may throw.
struct other_key {
    key k;
    other_key(key n) : k(n) {}  // NOLINT(google-explicit-constructor)
};
key key_in(const other_key& k) { return k.k; }
struct as_numbers {
    static constexpr key refused = 76;
    static inline bool refuses = false;
    bool operator()(const other_key& a, const other_key& b) const {
        if (refuses && (a.k == refused || b.k == refused)) throw std::runtime_error("refused");
        return a.k < b.k;
    }
};

template <class K, class V, class Compare = std::less<>>
struct kind_of_row {
    using key_type = K;
    using mapped_type = V;
    using compare = Compare;
};
using words = kind_of_row<key, std::uint64_t>;
using boxed_values = kind_of_row<key, boxed>;
using boxed_keys = kind_of_row<large_key, boxed>;
using words_in_another_order = kind_of_row<other_key, std::uint64_t, as_numbers>;

template <class Kind>
struct tree {
    using K = typename Kind::key_type;
    using V = typename Kind::mapped_type;
    using rows = ets::tree_rows<K, V, typename Kind::compare>;
    rows t{0};

    explicit tree(const std::vector<key>& keys) {
        for (const key k : keys) put(k, k, false);
    }
    ~tree() { free_retired(); }

    void put(key k, std::uint64_t n, bool shared) {
        const K its_key(k);
        typename rows::place p(t, its_key, 0, shared);
        auto row = rows::make(0, its_key, value_of<V>(n));
        if (p.found())
            p.replace(std::move(row));
        else
            p.add(std::move(row));
    }
    void erase(key k, bool shared) {
        typename rows::place p(t, K(k), 0, shared);
        weak::require(p.found(), "a row was missed by who erases it");
        if (p.found()) p.erase();
    }
    /// As update_counter: the short way, or the long one.
    void count_on(key k, std::uint64_t more, bool shared)
        requires(rows::value_is_word)
    {
        if (t.change_word(k, 0, shared, [&](V& value) { return value += more, true; })) return;
        typename rows::place p(t, k, 0, shared);
        weak::require(p.found(), "a row was missed by who counts on it");
        if (p.found()) p.replace(rows::make(0, k, p.current().value() + more));
    }
    /// As many steps of a bulk insert as are asked for; then it is given up, as by a kill.
    bool put_many(const std::vector<key>& keys, std::uint64_t n, bool shared, int steps = 100,
                  bool only_new = false) {
        std::vector<typename rows::ready> fresh;
        for (const key k : keys) fresh.push_back({rows::make(0, K(k), value_of<V>(n))});
        typename rows::bulk_insert insert(std::move(fresh), only_new, 1);
        while (steps-- > 0 && !insert.step(t, shared, 0)) {
        }
        return insert.inserted();
    }
    std::optional<std::uint64_t> get(key k) {
        std::optional<std::uint64_t> n;
        const auto look = [&](const V& v) { n = number_of(v); };
        if constexpr (rows::is_quick)
            if (t.read_quickly(k, 0, look) != rows::sight::unclear) return n;
        t.read(K(k), look);
        return n;
    }
    void expect(key k, std::uint64_t n) {
        const auto got = get(k);
        weak::require(got.has_value(), "a row was missed");
        weak::require(!got || *got == n, "a value that nobody wrote");
    }
    /// As a select does: in order, each row once.
    template <class F>
    void walk(bool up, F f) {
        typename rows::seen_rows out;
        typename rows::leaf_found last;
        std::optional<K> at;
        std::optional<key> before;
        while (t.gather(at ? &*at : nullptr, false, up, out, last)) {
            for (const auto& row : out) {
                const key k = key_in(row.get().key());
                weak::require(!before || (up ? k > *before : k < *before), "not in order");
                before = k;
                f(k, number_of(row.get().value()));
            }
            at.emplace(out.back().get().key());
        }
    }
    /// All of `stable`, and of others only `passing`.
    void expect_walk(bool up, const std::vector<key>& stable, const std::vector<key>& passing) {
        std::vector<key> missed(up ? stable : std::vector<key>(stable.rbegin(), stable.rend()));
        walk(up, [&](key k, std::uint64_t) {
            if (!missed.empty() && k == missed.front())
                missed.erase(missed.begin());
            else
                weak::require(std::find(passing.begin(), passing.end(), k) != passing.end(),
                              "a row that nobody wrote, or met before its turn");
        });
        weak::require(missed.empty(), "a walk missed a row");
    }
    void expect_all(const std::vector<key>& keys) {
        expect_walk(true, keys, {});
        expect_walk(false, keys, {});
        weak::require(t.size() == keys.size(), "the count");
    }
};

/// Keys 10, 20 ... n * 10. Coming in order they fill leaves of fourteen to the brim.
std::vector<key> tens(key n) {
    std::vector<key> keys;
    for (key k = 1; k <= n; ++k) keys.push_back(k * 10);
    return keys;
}
std::vector<key> with(std::vector<key> keys, const std::vector<key>& more) {
    keys.insert(keys.end(), more.begin(), more.end());
    std::sort(keys.begin(), keys.end());
    return keys;
}
constexpr key leaf = 14;             // rows of a leaf
constexpr key two_levels = 15 * 14;  // rows under a root that is full

/// `Full` rows are there, one more comes between and splits a leaf and what is above it, and readers look on.
template <class Kind, key Full, key Comes, bool Shared>
void splitting(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(Full));
    p.thread([&w] { w.put(Comes, Comes, Shared); });
    p.thread([&w] {
        w.expect(Comes / 10 * 10, Comes / 10 * 10);
        w.expect(Full * 10, Full * 10);
        const auto n = w.get(Comes);
        weak::require(!n || *n == Comes, "a row before its words");
        weak::require(!n || w.get(Comes), "a row that was there is gone");
    });
    p.afterwards([&w] { w.expect_all(with(tens(Full), {Comes})); });
}
template <class Kind, bool Up>
void walk_beside_splitting(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(2 * leaf));
    p.thread([&w] { w.put(75, 75, false); });
    p.thread([&w] { w.expect_walk(Up, tens(2 * leaf), {75}); });
}
/// Of two leaves one is emptied, and the root goes with it.
template <class Kind, bool Shared>
void emptying(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(leaf + 2));
    p.thread([&w] {
        w.erase(150, Shared);
        w.erase(160, Shared);
    });
    p.thread([&w] {
        w.expect(140, 140);
        w.expect(10, 10);
        const auto n = w.get(160);
        weak::require(!n || *n == 160, "a row that nobody wrote");
    });
    p.afterwards([&w] { w.expect_all(tens(leaf)); });
}
/// The first of three leaves is emptied: the separator goes, not the root.
template <class Kind, bool Up>
void walk_beside_emptying(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(2 * leaf + 2));
    for (key k = 10; k < leaf * 10; k += 10) w.erase(k, false);
    std::vector<key> stable;
    for (key k = leaf + 1; k <= 2 * leaf + 2; ++k) stable.push_back(k * 10);
    p.thread([&w] { w.erase(leaf * 10, false); });
    p.thread([&w, stable] { w.expect_walk(Up, stable, {leaf * 10}); });
    p.afterwards([&w, stable] { w.expect_all(stable); });
}
/// The last row of a tree of two levels goes, and another comes.
template <class Kind>
void emptying_all(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(leaf + 1));
    for (key k = 10; k <= leaf * 10; k += 10) w.erase(k, false);
    p.thread([&w] {
        w.erase((leaf + 1) * 10, false);
        w.put(20, 20, false);
    });
    p.thread([&w] {
        const auto n = w.get(20);
        weak::require(!n || *n == 20, "a row before its words");
        const auto gone = w.get((leaf + 1) * 10);
        weak::require(!n || !gone, "an erased row after a later one");
        w.expect_walk(true, {}, {20, (leaf + 1) * 10});
    });
    p.afterwards([&w] { w.expect_all({20}); });
}
/// Changes that move nothing.
template <class Kind>
void changing(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(3));
    p.thread([&w] {
        w.put(15, 15, false);
        w.put(20, 21, false);
        w.put(20, 22, false);
        w.erase(15, false);
    });
    p.thread([&w] {
        const auto n = w.get(20);
        weak::require(n && *n >= 20 && *n <= 22, "a row was missed, or torn");
        const auto later = w.get(20);
        weak::require(later && *later >= *n, "an older value after a newer one");
        const auto other = w.get(15);
        weak::require(!other || *other == 15, "a row before its words");
        w.expect(30, 30);
    });
}
/// Two writers, each with the tree locked; one splits a leaf.
template <class Kind>
void two_writers(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(leaf));
    p.thread([&w] {
        w.put(75, 75, true);
        w.erase(10, true);
    });
    p.thread([&w] {
        w.put(76, 76, true);
        w.put(140, 5, true);
        weak::require(w.get(76) == 76, "a row was lost");
    });
    p.afterwards([&w] {
        w.expect(140, 5);
        auto keys = with(tens(leaf), {75, 76});
        keys.erase(keys.begin());
        w.expect_all(keys);
    });
}
void counters(weak::program& p) {
    auto& w = p.make<tree<words>>(tens(leaf));
    p.thread([&w] {
        w.put(75, 75, true);
        w.count_on(140, 1000, true);
    });
    p.thread([&w] {
        w.count_on(140, 1000, true);
        w.count_on(80, 1000, true);
    });
    p.afterwards([&w] {
        w.expect(140, 2140);
        w.expect(80, 1080);
        w.expect(75, 75);
    });
}

/// An insert of rows old and new, which splits a leaf: seen as a whole.
template <class Kind, bool Shared, int Steps = 100>
void bulk(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(leaf + 2));
    p.thread([&w] {
        const bool in = w.put_many({10, 75, 160}, 5, Shared, Steps);
        weak::require(in == (Steps > 2), "in or not");
        if (!in) return;
        w.put(11, 11, Shared);  // into a node that the insert has copied
        w.erase(11, Shared);
    });
    p.thread([&w] {
        bool seen = false;
        for (const key k : {key{10}, key{160}, key{10}}) {
            const auto n = w.get(k);
            weak::require(n && (*n == 5 || *n == k), "a row was missed, or torn");
            weak::require(!seen || (n && *n == 5), "a part of a bulk insert");
            seen = n && *n == 5;
        }
        weak::require(!seen || w.get(75) == 5, "a new row was missed");
        w.expect(140, 140);
    });
    p.afterwards([&w] {
        w.expect(10, Steps > 2 ? 5 : 10);
        w.expect_all(with(tens(leaf + 2), Steps > 2 ? std::vector<key>{75} : std::vector<key>{}));
    });
}
/// A large tree: much of it is shared by what was before and what is afterwards, and changes again.
template <class Kind>
void bulk_in_a_part(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(3 * leaf));
    p.thread([&w] {
        w.put_many({10, 20}, 5, false);
        w.put(405, 405, false);  // splits a leaf that was shared
        w.erase(420, false);
    });
    p.thread([&w] {
        const auto late = w.get(405);
        weak::require(!late || w.get(10) == 5, "an old row after a later change");
        w.expect(400, 400);
        w.expect(410, 410);
        w.expect(250, 250);
        if (w.get(420)) return;
        w.expect(20, 5);
        w.expect(405, 405);
    });
    p.afterwards([&w] {
        auto keys = with(tens(3 * leaf), {405});
        keys.pop_back();
        w.expect_all(keys);
    });
}
template <class Kind>
void bulk_of_new_rows_only(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(leaf));
    p.thread([&w] {
        weak::require(!w.put_many({75, 140}, 5, true, 100, true), "a row was there");
        weak::require(w.put_many({75, 76}, 5, true, 100, true), "no row was there");
    });
    p.thread([&w] {
        w.put(85, 85, true);
        w.expect(140, 140);
        if (w.get(75)) w.expect(76, 5);
    });
    p.afterwards([&w] { w.expect_all(with(tens(leaf), {75, 76, 85})); });
}
template <class Kind, bool Up>
void walk_beside_bulk(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(leaf + 2));
    p.thread([&w] { w.put_many({10, 75, 160}, 5, false); });
    p.thread([&w] {
        const auto before = w.get(10);
        bool seen = before == 5;
        std::size_t rows = 0;
        w.walk(Up, [&](key k, std::uint64_t n) {
            ++rows;
            if (k != 10 && k != 75 && k != 160) return;
            weak::require(!seen || n == 5, "an old row after a new one");
            seen = n == 5;
        });
        weak::require(rows >= leaf + 2, "a walk missed a row");
        weak::require(before != 5 || rows == leaf + 3, "a walk missed a new row");
    });
}
template <class Kind>
void bulk_beside_a_writer(weak::program& p) {
    auto& w = p.make<tree<Kind>>(tens(leaf));
    p.thread([&w] { w.put_many({10, 75}, 5, true); });
    p.thread([&w] {
        w.put(76, 76, true);
        if (w.get(75)) w.expect(10, 5);
        w.erase(140, true);
    });
    p.afterwards([&w] {
        w.expect(10, 5);
        auto keys = with(tens(leaf), {75, 76});
        keys.pop_back();
        w.expect_all(keys);
    });
}
/// The order throws when some of the rows are in and a leaf has split: nobody has seen anything.
template <bool Shared>
void bulk_that_throws(weak::program& p) {
    auto& w = p.make<tree<words_in_another_order>>(tens(leaf));
    p.thread([&w] {
        bool thrown = false;
        as_numbers::refuses = true;
        try {
            w.put_many({10, 75, as_numbers::refused}, 5, Shared);
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        as_numbers::refuses = false;
        weak::require(thrown, "the order was not asked");
    });
    p.thread([&w] {
        w.expect(10, 10);
        weak::require(!w.get(75), "a part of a bulk insert that failed");
        w.expect_walk(true, tens(leaf), {});
    });
    p.afterwards([&w] {
        w.expect(10, 10);
        w.expect_all(tens(leaf));
        w.put(75, 75, false);
        w.expect_all(with(tens(leaf), {75}));
    });
}

template <class Kind>
class tree_model : public testing::Test {};
using kinds = testing::Types<words, boxed_values, boxed_keys, words_in_another_order>;
TYPED_TEST_SUITE(tree_model, kinds, );

}  // namespace

TYPED_TEST(tree_model, readers_miss_nothing_while_a_leaf_splits) {
    EXPECT_TRUE(weak::holds_always(&splitting<TypeParam, leaf, 75, false>, little));
    EXPECT_TRUE(weak::holds_always(&splitting<TypeParam, leaf, 145, true>, little));
    EXPECT_TRUE(weak::holds_always(&splitting<TypeParam, 2 * leaf, 75, true>, little));
}
TYPED_TEST(tree_model, readers_miss_nothing_while_an_inner_node_splits) {
    EXPECT_TRUE(weak::holds_always(&splitting<TypeParam, two_levels, 75, false>, little));
    EXPECT_TRUE(
        weak::holds_always(&splitting<TypeParam, two_levels, two_levels * 10 + 5, false>, little));
}
TYPED_TEST(tree_model, readers_miss_nothing_while_leaves_are_taken_out) {
    EXPECT_TRUE(weak::holds_always(&emptying<TypeParam, false>, little));
    EXPECT_TRUE(weak::holds_always(&emptying<TypeParam, true>, little));
    EXPECT_TRUE(weak::holds_always(&emptying_all<TypeParam>, little));
}
TYPED_TEST(tree_model, a_walk_sees_each_row_once_and_in_order) {
    EXPECT_TRUE(weak::holds_always(&walk_beside_splitting<TypeParam, true>, little));
    EXPECT_TRUE(weak::holds_always(&walk_beside_splitting<TypeParam, false>, little));
    EXPECT_TRUE(weak::holds_always(&walk_beside_emptying<TypeParam, true>, little));
    EXPECT_TRUE(weak::holds_always(&walk_beside_emptying<TypeParam, false>, little));
}
TYPED_TEST(tree_model, readers_see_whole_values) {
    EXPECT_TRUE(weak::holds_always(&changing<TypeParam>, little));
}
TYPED_TEST(tree_model, writers_lose_nothing) {
    EXPECT_TRUE(weak::holds_always(&two_writers<TypeParam>, little));
}
TYPED_TEST(tree_model, a_bulk_insert_is_seen_as_a_whole) {
    EXPECT_TRUE(weak::holds_always(&bulk<TypeParam, false>, little));
    EXPECT_TRUE(weak::holds_always(&bulk<TypeParam, true>, little));
    EXPECT_TRUE(weak::holds_always(&bulk_beside_a_writer<TypeParam>, little));
}
TYPED_TEST(tree_model, a_bulk_insert_shares_what_it_does_not_change) {
    EXPECT_TRUE(weak::holds_always(&bulk_in_a_part<TypeParam>, little));
    EXPECT_TRUE(weak::holds_always(&bulk_of_new_rows_only<TypeParam>, little));
}
TYPED_TEST(tree_model, a_bulk_insert_that_is_given_up_has_been_or_not) {
    // With two of three rows in the draft; committed, with none or one of the copied nodes open.
    EXPECT_TRUE(weak::holds_always(&bulk<TypeParam, false, 2>, little));
    EXPECT_TRUE(weak::holds_always(&bulk<TypeParam, false, 3>, little));
    EXPECT_TRUE(weak::holds_always(&bulk<TypeParam, false, 4>, little));
    EXPECT_TRUE(weak::holds_always(&bulk<TypeParam, true, 2>, little));
}
TYPED_TEST(tree_model, a_walk_sees_a_bulk_insert_as_a_whole) {
    EXPECT_TRUE(weak::holds_always(&walk_beside_bulk<TypeParam, true>, little));
    EXPECT_TRUE(weak::holds_always(&walk_beside_bulk<TypeParam, false>, little));
}
TEST(tree_model_of_another_order, a_bulk_insert_that_throws_is_not_seen) {
    EXPECT_TRUE(weak::holds_always(&bulk_that_throws<false>, little));
    EXPECT_TRUE(weak::holds_always(&bulk_that_throws<true>, little));
}
TEST(tree_model_of_words, counters_lose_nothing) {
    EXPECT_TRUE(weak::holds_always(&counters, little));
}

// Which orders these programs can do without, at one preemption and one stale load: that of a word's value next to its key, and of the
// count of a node that is open for good.
template <class Kind>
std::vector<std::string> not_needed() {
    return weak::unnoticed({&changing<Kind>, &splitting<Kind, leaf, 75, false>,
                            &walk_beside_splitting<Kind, true>, &emptying<Kind, false>,
                            &emptying_all<Kind>, &two_writers<Kind>, &bulk<Kind, false>},
                           little);
}
TEST(tree_model_of_words, needs_its_orders) {
    EXPECT_THAT(not_needed<words>(),
                testing::IsSubsetOf(
                    {"open store release", "set_value store release", "value_word load acquire"}));
}
TEST(tree_model_of_boxed_keys, needs_its_orders) {
    EXPECT_THAT(not_needed<boxed_keys>(), testing::IsSubsetOf({"open store release"}));
}
