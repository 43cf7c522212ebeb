// What becomes of the rows that a busy table replaces or erases one by one.
#include "tables.hpp"

#include <atomic>
#include <utility>

namespace heirloom::test::retiring {
namespace {

std::atomic<long> alive{0};
std::atomic<long> most{0};

/// Counts how many of it there are.
class counted {
public:
    explicit counted(long n) : number_(n) { come(); }
    counted(const counted& other) : number_(other.number_) { come(); }
    counted& operator=(const counted&) = default;
    ~counted() { --alive; }
    long number() const noexcept { return number_; }

private:
    static void come() {
        const long now = ++alive;
        if (now > most) most = now;  // a little less under a race, never more
    }
    long number_;
};

// A slice is 4000 reductions, of which a write takes two and an erase one. Rows retired in one are destroyed in the next
// or the one after that, by the same worker; not after a hundred thousand others, each of them cold by then.
constexpr long rounds = 200'000;
constexpr long bound = 20'000;

template <class Table, class F>
void check_bound(F change) {
    alive = 0;
    most = 0;
    {
        runtime rt({.workers = 1, .log = no_log()});
        const auto body = [&] {
            auto t = Table::create();
            for (long k = 0; k < 100; ++k) t.insert(k, counted(k));
            for (long i = 0; i < rounds; ++i) change(t, i);
            for (long k = 0; k < 100; ++k) require_eq(t.at(k).number() % 100, k);
        };
        EXPECT_TRUE(holds_inside(rt, body));
    }
    EXPECT_LT(most, bound);
    EXPECT_EQ(alive, 0) << "the runtime has ended";
}

const auto overwrite = [](auto& t, long i) { t.insert(i % 100, counted(i)); };
const auto erase_and_insert = [](auto& t, long i) {
    require(t.erase(i % 100));
    require(t.insert_new(i % 100, counted(i)));
};

TEST(retired_rows, that_were_replaced_are_destroyed_at_the_next_turns) {
    check_bound<ets::set<long, counted>>(overwrite);
    check_bound<ets::ordered_set<long, counted>>(overwrite);
}

TEST(retired_rows, that_were_erased_are_destroyed_at_the_next_turns) {
    check_bound<ets::set<long, counted>>(erase_and_insert);
    check_bound<ets::ordered_set<long, counted>>(erase_and_insert);
}

TEST(retired_rows, of_several_workers_are_destroyed_while_others_read_them) {
    alive = 0;
    {
        runtime rt({.workers = 4, .log = no_log()});
        const auto body = [] {
            auto t = ets::set<long, counted>::create({.access = ets::access::public_});
            for (long k = 0; k < 8; ++k) t.insert(k, counted(k));
            std::vector<worker> workers(4);
            for (auto& w : workers)
                w.begin([t]() mutable {
                    for (long i = 0; i < 20'000; ++i) {
                        t.insert(i % 8, counted(i));
                        require(t.visit((i + 1) % 8, [&](const counted& c) {
                            require_eq(c.number() % 8, (i + 1) % 8);
                        }));
                    }
                });
            for (auto& w : workers) w.finish();
            for (auto& w : workers) w.end();
        };
        EXPECT_TRUE(holds_inside(rt, body));
    }
    EXPECT_EQ(alive, 0);
}

TEST(retired_rows, of_a_worker_that_goes_to_sleep_are_destroyed_by_another) {
    alive = 0;
    runtime rt({.workers = 2, .log = no_log()});
    const auto body = [] {
        auto t = ets::set<long, counted>::create({.access = ets::access::public_});
        t.insert(1, counted(1));
        worker w;
        w.run([t]() mutable { t.insert(1, counted(2)); });
        // Whoever has retired it may be asleep by now; this one goes on.
        while (alive > 1) yield();
    };
    EXPECT_TRUE(holds_inside(rt, body));
}

}  // namespace
}  // namespace heirloom::test::retiring
