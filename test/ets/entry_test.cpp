// How a verb begins and ends: whoever has used a table and then computes can lose its worker's role, and whoever
// reads holds reclamation back, wherever it runs.
#include "inside.hpp"
#include "support/effort.hpp"

#include <atomic>
#include <memory>
#include <thread>

#include <heirloom/blocking.hpp>

namespace heirloom::test {
namespace {

/// `use(table)` is the last that a process asks of the library before it computes until another one has run.
template <class F>
testing::AssertionResult delays_nobody(F use) {
    runtime rt({.workers = 1, .log = no_log()});
    std::atomic<bool> other_ran{false};
    const auto body = [&] {
        auto t = ets::set<long, std::string>::create({.access = ets::access::public_});
        t.insert(1, "one");
        spawn([&] { other_ran = true; });
        use(t);
        const auto begin = std::chrono::steady_clock::now();
        while (!other_ran)
            require(std::chrono::steady_clock::now() - begin < 20s, "the other process waits");
    };
    return holds_inside(rt, body);
}

TEST(entry, computing_after_a_lookup_delays_nobody) {
    EXPECT_TRUE(delays_nobody([](auto& t) { (void)t.lookup(1); }));
}
TEST(entry, computing_after_a_write_delays_nobody) {
    EXPECT_TRUE(delays_nobody([](auto& t) { t.insert(1, "uno"); }));
}
TEST(entry, computing_after_an_erase_delays_nobody) {
    EXPECT_TRUE(delays_nobody([](auto& t) { t.erase(1); }));
}
TEST(entry, computing_after_a_refused_verb_delays_nobody) {
    EXPECT_TRUE(
        delays_nobody([](auto& t) { require_throws<ets::no_such_key>([&] { (void)t.next(2); }); }));
    EXPECT_TRUE(delays_nobody([](auto& t) {
        t.delete_table();
        require_throws<ets::no_such_table>([&] { (void)t.lookup(1); });
    }));
}
TEST(entry, computing_after_nested_verbs_delays_nobody) {
    EXPECT_TRUE(
        delays_nobody([](auto& t) { t.visit(1, [&](const std::string&) { (void)t.member(1); }); }));
}

// A value that tells when the last copy of it is gone.
class counted {
public:
    explicit counted(std::shared_ptr<std::atomic<int>> alive) : alive_(std::move(alive)) {
        ++*alive_;
    }
    counted(const counted& other) : alive_(other.alive_) { ++*alive_; }
    counted& operator=(const counted&) = delete;
    ~counted() { --*alive_; }

private:
    std::shared_ptr<std::atomic<int>> alive_;
};

/// A reader, started by `begin(read)`, stands in a row while its owner erases it and others retire much.
template <class F>
testing::AssertionResult keeps_what_it_reads(F begin) {
    for (unsigned workers : {1u, 2u}) {
        runtime rt({.workers = workers, .log = no_log()});
        const auto body = [&] {
            auto alive = std::make_shared<std::atomic<int>>(0);
            ets::set<long, counted> t{{.access = ets::access::public_}};
            auto other = ets::set<long, std::string>::create();
            t.insert(1, counted(alive));
            require_eq(alive->load(), 1);
            const auto shared_stage = std::make_shared<std::atomic<int>>(0);
            auto& stage = *shared_stage;
            begin([t, shared_stage, alive] {
                auto& progress = *shared_stage;
                t.visit(1, [&](const counted&) {
                    progress = 1;
                    while (progress != 2 && *alive > 0) std::this_thread::yield();
                    progress = *alive > 0 ? 3 : 4;
                });
                while (progress != 5) std::this_thread::yield();
            });
            while (stage != 1) yield();
            t.erase(1);
            // Each of these retires a row, and every yield lets the worker collect.
            for (int i = 0; i < 2'000; ++i) {
                other.insert(1, "something longer than a short string");
                yield();
            }
            require_eq(alive->load(), 1);
            stage = 2;
            while (stage < 3) yield();
            require_eq(stage.load(), 3);
            // With the reader gone from the verb, if not from where it ran, the row goes.
            const auto limit = std::chrono::steady_clock::now() + 20s;
            while (*alive != 0 && std::chrono::steady_clock::now() < limit) {
                other.insert(1, "something longer than a short string");
                yield();
            }
            require_eq(alive->load(), 0);
            stage = 5;
        };
        if (const auto one = holds_inside(rt, body); !one)
            return testing::AssertionFailure() << "on " << workers << " workers: " << one.message();
    }
    return testing::AssertionSuccess();
}

TEST(entry, of_a_process_in_blocking_holds_reclamation_back) {
    EXPECT_TRUE(keeps_what_it_reads([](auto read) { spawn([read] { blocking(read); }); }));
}
TEST(entry, of_a_plain_thread_holds_reclamation_back) {
    std::thread reader;
    EXPECT_TRUE(keeps_what_it_reads([&](auto read) {
        if (reader.joinable()) reader.join();
        reader = std::thread(read);
    }));
    reader.join();
}

TEST(entry, numbers_tables_the_same_in_every_run_of_a_seed) {
    const auto ids = [] {
        runtime rt({.workers = 2, .deterministic = {.seed = 7}, .log = no_log()});
        std::vector<std::uint64_t> found;
        rt.invoke([&] {
            for (int i = 0; i < 5; ++i) found.push_back(ets::set<long, long>::create().id());
        });
        return found;
    };
    const auto first = ids();
    runtime in_between({.workers = 1, .log = no_log()});
    in_between.invoke([] { (void)ets::set<long, long>::create(); });
    EXPECT_EQ(ids(), first);
}
TEST(entry, takes_the_time_of_a_fixation_from_the_runtime) {
    const auto fixed_since = [] {
        runtime rt({.workers = 1, .deterministic = {.seed = 7}, .log = no_log()});
        std::chrono::system_clock::time_point when;
        rt.invoke([&] {
            auto t = ets::set<long, long>::create();
            t.safe_fixtable(true);
            when = t.info()->fixed_since_wall;
        });
        return when;
    };
    EXPECT_EQ(fixed_since(), fixed_since());
}

}  // namespace
}  // namespace heirloom::test
