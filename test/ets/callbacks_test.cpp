// What user code inside a verb may do to a table, and what becomes of the row when it throws or its process is killed (R5).
#include "tables.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>

namespace heirloom::test::users_code {
namespace {

template <class Table>
Table open_to_all() {
    return Table::create({.access = ets::access::public_});
}

/// Refuses to be copied or compared once `armed`.
struct brittle {
    long number = 0;
    std::shared_ptr<std::atomic<bool>> armed = std::make_shared<std::atomic<bool>>(false);

    brittle() = default;
    brittle(long n, std::shared_ptr<std::atomic<bool>> a) : number(n), armed(std::move(a)) {}
    brittle(const brittle& other) : number(other.number), armed(other.armed) { snap(); }
    brittle& operator=(const brittle&) = default;
    brittle(brittle&&) noexcept = default;
    brittle& operator=(brittle&&) noexcept = default;
    bool operator==(const brittle& other) const {
        snap();
        return number == other.number;
    }
    void snap() const {
        if (*armed) throw std::runtime_error("snap");
    }
};

const auto refuse = [](const auto&...) -> bool { throw std::runtime_error("no"); };

TEST(callbacks, that_throw_leave_the_row_whatever_the_verb) {
    const auto body = [] {
        const auto check = [](auto t, auto value) {
            const auto stays = [&](auto verb) {
                require_throws<std::runtime_error>(verb);
                require(t.at(1) == value);
                require_eq(t.size(), 1u);
                require(!t.info()->fixed);
                t.insert(1, value);  // the row is not held any more
            };
            t.insert(1, value);
            stays([&] {
                t.update(1, [](auto& v) {
                    v = {};
                    throw std::runtime_error("no");
                });
            });
            stays([&] { t.visit(1, [](const auto&) { throw std::runtime_error("no"); }); });
            stays([&] { (void)t.select(refuse); });
            stays([&] { (void)t.select(every, refuse); });
            stays([&] { (void)t.select(refuse, 10); });
            stays([&] { (void)t.select_reverse(refuse); });
            stays([&] { (void)t.select_count(refuse); });
            stays([&] { (void)t.select_delete(refuse); });
            stays([&] { (void)t.select_replace(refuse, [&](auto&, auto&) { return value; }); });
            stays([&] {
                (void)t.select_replace(every, [&](auto&, auto&) {
                    throw std::runtime_error("no");
                    return value;
                });
            });
            stays([&] {
                (void)t.fold(0, [](auto&, auto&, int) -> int { throw std::runtime_error("no"); });
            });
            stays([&] { t.for_each(refuse); });
        };
        check(open_to_all<numbers>(), 5L);
        check(numbers::create(), 5L);
        check(open_to_all<ets::set<long, std::string>>(), std::string("five"));
        check(ets::set<long, std::string>::create(), std::string("five"));
        check(open_to_all<ordered>(), 5L);
        check(ordered::create(), 5L);
        check(open_to_all<ets::ordered_set<long, std::string>>(), std::string("five"));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(callbacks, that_ask_again_and_then_throw_leave_the_row) {
    // select_delete and select_replace ask their predicate twice: the second time the row is held.
    const auto body = [] {
        const auto check = [](auto t) {
            t.insert(1, 5);
            const auto second_time = [] {
                return [n = 0](long, long) mutable {
                    if (++n == 2) throw std::runtime_error("no");
                    return true;
                };
            };
            require_throws<std::runtime_error>([&] { (void)t.select_delete(second_time()); });
            require_eq(t.size(), 1u);
            if constexpr (requires { t.at(1); }) {
                require_throws<std::runtime_error>(
                    [&] { (void)t.select_replace(second_time(), [](long, long) { return 6L; }); });
                require_eq(t.at(1), 5);
            }
            t.insert(1, 7);
            require(t.erase(1));
        };
        check(open_to_all<numbers>());
        check(open_to_all<ordered>());
        check(open_to_all<bag>());
        check(open_to_all<duplicate_bag>());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(values, that_throw_on_copy_or_comparison_leave_the_table) {
    const auto body = [] {
        const auto check = [](auto t) {
            const auto armed = std::make_shared<std::atomic<bool>>(false);
            t.insert(1, brittle(10, armed));
            const std::vector<std::pair<long, brittle>> rows{{1, {11, armed}}, {2, {12, armed}}};
            *armed = true;
            const auto refused = [](auto verb) { require_throws<std::runtime_error>(verb); };
            refused([&] { (void)t.lookup(1); });
            refused([&] { (void)t.to_vector(); });
            refused([&] { t.insert(rows); });
            refused([&] { (void)t.insert_new(rows); });
            refused([&] { (void)t.erase_object(1, rows[0].second); });
            *armed = false;
            require_eq(t.size(), 1u);
            require(!t.member(2));
            require_eq(t.select(every).front().second.number, 10);
            t.insert(rows);
            require(t.erase(1));
            require(t.erase(2));
            require_eq(t.size(), 0u);
        };
        check(open_to_all<ets::set<long, brittle>>());
        check(ets::set<long, brittle>::create());
        check(open_to_all<ets::ordered_set<long, brittle>>());
        check(open_to_all<ets::bag<long, brittle>>());
        check(open_to_all<ets::duplicate_bag<long, brittle>>());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(callbacks, whose_process_is_killed_leave_a_whole_row_that_others_can_write) {
    struct pair_of_words {
        long a;
        long b;
    };
    const auto check = [](auto t) {
        using value = typename decltype(t)::mapped_type;
        t.insert(1, value{1, 1});
        std::atomic<bool> inside{false};
        std::atomic<bool> killed{false};
        worker w;
        w.begin([&, t]() mutable {
            t.update(1, [&](value& v) {
                v.a = 2;
                inside = true;
                while (!killed) std::this_thread::yield();
                v.b = 2;
            });
            t.insert(2, value{9, 9});  // a safe point: not reached
        });
        while (!inside) yield();
        exit(w.id(), reason::kill);
        killed = true;
        w.end();
        const value now = t.at(1);
        require_eq(now.a, now.b);
        require_eq(now.a, 2);  // a kill waits for the callback, and the change is one
        require(!t.member(2));
        t.insert(1, value{3, 3});
        require_eq(t.at(1).b, 3);
    };
    struct wide : pair_of_words {
        char more[100] = {};
        wide(long x, long y) : pair_of_words{x, y} {}
    };
    const auto body = [&] {
        check(open_to_all<ets::set<long, pair_of_words>>());
        check(open_to_all<ets::set<long, wide>>());
        check(open_to_all<ets::ordered_set<long, wide>>());
    };
    runtime rt({.workers = 2, .log = no_log()});  // one for the callback, one for who kills it
    EXPECT_TRUE(holds_inside(rt, body));
}

/// Key code that writes a table when told to.
struct meddler {
    static inline std::atomic<const numbers*> victim{nullptr};
    static void meddle() {
        if (const numbers* t = victim) numbers(*t).insert(1, 1);
    }
};
struct meddling_equal : meddler {
    bool operator()(const std::string& a, std::string_view b) const {
        meddle();
        return a == b;
    }
};
struct meddling_order : meddler {
    bool operator()(const std::string& a, const std::string& b) const {
        meddle();
        return a < b;
    }
};

class armed {
public:
    explicit armed(const numbers& t) { meddler::victim = &t; }
    armed(const armed&) = delete;
    armed& operator=(const armed&) = delete;
    ~armed() { meddler::victim = nullptr; }
};

TEST(callbacks, of_the_keys_do_not_write_and_leave_the_row) {
    const auto check = [](auto t) {
        auto other = open_to_all<numbers>();
        using rows = std::vector<std::pair<std::string, long>>;
        const rows one{{"a", 3}};
        const rows more{{"a", 3}, {"c", 3}};
        t.insert("a", 1);
        t.insert("b", 2);
        const auto refused = [&](auto verb) {
            const armed meddling(other);
            require_throws<in_table_callback>(verb);
        };
        refused([&] { t.insert("a", 3); });
        refused([&] { (void)t.lookup("a"); });
        refused([&] { (void)t.next("a"); });
        refused([&] { (void)t.erase("a"); });
        refused([&] { t.insert(one); });
        refused([&] { t.insert(more); });
        refused([&] { (void)t.insert_new(more); });
        if constexpr (requires { t.at("a"); }) refused([&] { t.update_counter("a", 1); });
        require_eq(other.size(), 0u);
        require_eq(t.size(), 2u);
        require(t.to_vector().size() == 2);
        require_eq(t.select(every).size(), 2u);
        if constexpr (requires { t.at("a"); }) require_eq(t.at("a"), 1);
        t.insert(more);  // nothing is held any more
        require(t.member("c"));
        require(t.erase("a"));
    };
    const auto body = [&] {
        using hash = ets::hash<std::string>;
        check(open_to_all<ets::set<std::string, long, hash, meddling_equal>>());
        check(ets::set<std::string, long, hash, meddling_equal>::create());
        check(open_to_all<ets::ordered_set<std::string, long, meddling_order>>());
        check(ets::ordered_set<std::string, long, meddling_order>::create());
        check(open_to_all<ets::bag<std::string, long, hash, meddling_equal>>());
        check(open_to_all<ets::duplicate_bag<std::string, long, hash, meddling_equal>>());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(callbacks, read_but_do_not_write_or_wait) {
    const auto body = [] {
        auto t = open_to_all<numbers>();
        t.insert({{1, 1}, {2, 2}});
        t.update(1, [&](long& v) {
            require_eq(t.at(2), 2);
            require_throws<in_table_callback>([&] { t.insert(3, 3); });
            require_throws<in_table_callback>([&] { t.erase(2); });
            require_throws<in_table_callback>([] { sleep(1ms); });
            require_throws<in_table_callback>([] { numbers::create(); });
            v = 9;
        });
        require_eq(t.at(1), 9);
        t.visit(1, [&](const long&) { require_throws<in_table_callback>([&] { t.clear(); }); });
        require_throws<in_table_callback>(
            [&] { t.select_count([&](long k, long) { return t.insert(k, 0), true; }); });
        require_eq(t.size(), 2u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test::users_code
