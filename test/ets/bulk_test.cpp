// Inserts of many rows in which code of the keys throws, wherever it may: no reader sees a part of them, and nothing stays.
#include "tables.hpp"

#include <algorithm>
#include <atomic>
#include <compare>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <type_traits>

namespace heirloom::test::bulk_inserts {
namespace {

/// Lets code of the keys throw when the process that lit it has run it so many times.
class fuse {
public:
    explicit fuse(long calls) : started_(calls) {
        left_ = calls;
        whose_ = self().bits();
    }
    fuse(const fuse&) = delete;
    fuse& operator=(const fuse&) = delete;
    ~fuse() { whose_ = 0; }
    long burnt() const { return started_ - left_; }
    static void burn() {
        if (whose_ != 0 && whose_ == self().bits() && --left_ == 0)
            throw std::runtime_error("burnt");
    }

private:
    long started_;
    static inline std::atomic<std::uint64_t> whose_{0};
    static inline std::atomic<long> left_{0};
};

/// Unlike std::less, an order that may throw; so may a copy of the key.
struct brittle_order {
    template <class K>
    bool operator()(const K& a, const K& b) const {
        fuse::burn();
        return a < b;
    }
};
struct brittle_equal {
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
        fuse::burn();
        return a == b;
    }
};
struct brittle_key {
    std::string text;
    brittle_key(std::string t) : text(std::move(t)) {}  // NOLINT(google-explicit-constructor)
    brittle_key(const brittle_key& other) : text(other.text) { fuse::burn(); }
    brittle_key(brittle_key&&) noexcept = default;
    brittle_key& operator=(const brittle_key&) = default;
    brittle_key& operator=(brittle_key&&) noexcept = default;
    ~brittle_key() = default;
    auto operator<=>(const brittle_key&) const = default;
};
/// A key of one word that is not compared as a number.
struct word_key {
    std::uint64_t word;
    bool operator==(const word_key&) const = default;
    auto operator<=>(const word_key&) const = default;
};
struct word_hash {
    std::uint64_t operator()(const word_key& k) const noexcept {
        return k.word * 0x9e3779b97f4a7c15;
    }
};

template <class K>
K key_of(long n) {
    if constexpr (std::is_same_v<K, word_key>)
        return {static_cast<std::uint64_t>(n)};
    else if constexpr (std::is_integral_v<K>)
        return n;
    else
        return K(std::to_string(100'000 + n));
}

template <class Table>
auto rows_of(const Table& t) {
    auto rows = t.to_vector();
    std::sort(rows.begin(), rows.end());
    return rows;
}

/// What a process reads of `t` until it is told to stop is always `rows`.
template <class Table>
class watcher {
public:
    using rows = decltype(rows_of(std::declval<const Table&>()));
    watcher(const Table& t, const rows& always) : watched_(std::make_shared<watched>()) {
        watched_->rows = always;
        process_.begin([t, w = watched_] {
            do require(rows_of(t) == w->rows, "a part of the rows was seen");
            while (!w->stop);
        });
    }
    void finish() {
        watched_->stop = true;
        process_.finish();
    }

private:
    struct watched {
        watcher::rows rows;
        std::atomic<bool> stop{false};
    };
    std::shared_ptr<watched> watched_;
    worker process_;
};

/// Rows that replace some, come between and behind others, and have a key twice.
template <class Row, class K = typename Row::first_type>
std::vector<Row> rows_between(long n) {
    std::vector<Row> rows;
    for (long i = 0; i < n; ++i) rows.emplace_back(key_of<K>(2 * i), -i);
    for (long i = 0; i < n; i += 5) rows.emplace_back(key_of<K>(2 * i), -1'000 - i);
    return rows;
}

/// The fuse burns at one call after the other, until it is longer than the insert.
template <class Table>
void check(const ets::table_options& options) {
    using K = typename Table::key_type;
    std::vector<std::pair<K, long>> old;
    for (long i = 0; i < 150; ++i) old.emplace_back(key_of<K>(3 * i), i);
    const auto fresh = rows_between<std::pair<K, long>>(250);

    auto other = Table::create();  // tells how many calls there are, nearly: hashes differ
    other.insert(old);
    long all_calls = 0;
    {
        const fuse whole(std::numeric_limits<long>::max());
        other.insert(fresh);
        all_calls = whole.burnt();
    }
    require(all_calls > 50);

    auto t = Table::create(options);
    t.insert(old);
    const auto before = rows_of(t);
    require_eq(before.size(), old.size());
    const auto memory = t.info()->memory;
    const auto burns_at = [&](long call) {
        try {
            const fuse lit(call);
            t.insert(fresh);
        } catch (const std::runtime_error&) {
            require(rows_of(t) == before, "something stayed");
            require_eq(t.size(), before.size());
            if constexpr (Table::table_type_of.kind == ets::kind::ordered_set)
                require_eq(t.info()->memory, memory);
            return true;
        }
        return false;
    };
    const auto later = [](long call) { return call + 1 + call / 100; };
    long call = 1;
    watcher seen(t, before);
    for (; call < all_calls * 7 / 8; call = later(call))
        require(burns_at(call), "it did not throw");
    seen.finish();
    while (burns_at(call)) call = later(call);
    require(rows_of(t) == rows_of(other));
    require_eq(t.size(), other.size());
    for (const auto& [key, value] : fresh) require(t.erase(key) || value <= -1'000);
}

template <class Table>
void check() {
    check<Table>({.access = ets::access::public_});
    check<Table>({});
}

TEST(bulk_inserts, whose_order_throws_have_not_been) {
    const auto body = [] {
        check<ets::ordered_set<long, long, brittle_order>>();
        check<ets::ordered_set<std::string, long, brittle_order>>();
        check<ets::ordered_set<brittle_key, long>>();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(bulk_inserts, whose_equality_throws_have_not_been) {
    const auto body = [] {
        using text_hash = ets::hash<std::string>;
        check<ets::set<std::string, long, text_hash, brittle_equal>>();
        check<ets::set<word_key, long, word_hash, brittle_equal>>();
        check<ets::bag<std::string, long, text_hash, brittle_equal>>();
        check<ets::duplicate_bag<word_key, long, word_hash, brittle_equal>>();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

/// An insert of many rows into an ordered table rests with its draft half made: what strangers do meanwhile is not lost, and it
/// goes on with the tree that there is then, or fails as a whole.
TEST(bulk_inserts, of_an_ordered_table_rest_while_strangers_change_clear_and_delete_it) {
    const auto body = [] {
        const auto check = [](auto kind, const auto& value_of) {
            using table = decltype(kind);
            constexpr long n = 4'000;
            std::vector<std::pair<long, typename table::mapped_type>> rows;
            for (long k = 0; k < n; ++k) rows.emplace_back(k, value_of(k));
            worker inserter;
            for (int round = 0; round < 12; ++round) {
                auto t = table::create({.access = ets::access::public_});
                t.insert(-1, value_of(0));
                t.insert(n / 2, value_of(1));
                inserter.begin([t, &rows]() mutable {
                    try {
                        t.insert(rows);
                    } catch (const ets::no_such_table&) {
                    }
                });
                for (int i = 0; i < round; ++i) yield();
                const int disturbance = round % 4;
                if (disturbance == 1) t.insert(-2, value_of(2));
                if (disturbance == 2) t.clear();
                if (disturbance == 3) t.delete_table();
                inserter.finish();
                if (disturbance == 3) {
                    require(!t.info());
                    continue;
                }
                const auto in = t.select_count([](long k, const auto&) { return k >= 0; });
                require(in == n || (disturbance == 2 && in == 0), "a part of the insert");
                require(disturbance == 2 || t.member(-1), "a row was lost");
                require_eq(t.member(-2), disturbance == 1);
                require_eq(t.size(), t.to_vector().size());
                if (in == n) require(t.at(n / 2) == value_of(n / 2));
                t.delete_table();
            }
        };
        check(ordered(), [](long k) { return k; });
        check(ets::ordered_set<long, std::string>(), [](long k) { return std::to_string(k); });
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test::bulk_inserts
