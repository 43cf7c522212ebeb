// The forum's two counters: no increment is lost, however and whenever the counter is killed.
#include "inside.hpp"
#include "support/effort.hpp"
#include "variants.hpp"

#include <algorithm>
#include <atomic>
#include <iostream>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace heirloom::test {
namespace {

using namespace std::chrono_literals;

class dont_lose : public testing::TestWithParam<std::tuple<const variant*, unsigned>> {
protected:
    const variant& the() const { return *std::get<0>(GetParam()); }
    unsigned workers() const { return std::get<1>(GetParam()); }
};

/// Silences what the examples say on std::clog.
class quiet_clog {
public:
    quiet_clog() : before_(std::clog.rdbuf(nullptr)) {}
    ~quiet_clog() { std::clog.rdbuf(before_); }

private:
    std::streambuf* before_;
};

// Several programs at once, each with a runtime of its own: the demo mostly sleeps.
TEST_P(dont_lose, prints_one_to_nine_and_ok_in_every_run) {
    quiet_clog quiet;
    const std::size_t runs = scaled(1000);
    constexpr std::size_t side_by_side = 8;
    std::atomic<std::size_t> next{0}, good{0};
    std::mutex mutex;
    std::string first_bad;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < side_by_side; ++t)
        threads.emplace_back([&] {
            while (next.fetch_add(1) < runs) {
                std::ostringstream out;
                int status = -1;
                {
                    runtime rt({.workers = workers(), .log = no_log()});
                    status = rt.run([&] { the().program(out); });
                }
                if (status == 0 && out.str() == "1\n2\n3\n4\n5\n6\n7\n8\n9\nok\n") {
                    ++good;
                } else {
                    std::lock_guard lock(mutex);
                    if (first_bad.empty())
                        first_bad = "status " + std::to_string(status) + ":\n" + out.str();
                }
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(good, runs) << first_bad;
}

struct replies {
    std::vector<long> got;
    std::size_t requests = 0;
};

// Increments until told to stop; every answer it gets goes into the report.
void client(const variant* v, pid boss, int number) {
    replies mine;
    bool more = true;
    while (more) {
        ++mine.requests;
        if (long n = v->increment(5s); n >= 0)
            mine.got.push_back(n);
        else
            yield();
        more = receive([](atom) { return false; }, after(0s, [] { return true; }));
    }
    send(boss, std::make_tuple(number, mine.requests, std::move(mine.got)));
}
using client_report = std::tuple<int, std::size_t, std::vector<long>>;

TEST_P(dont_lose, survives_two_thousand_kills_at_random_moments) {
    quiet_clog quiet;
    const variant* v = &the();
    const int kills = static_cast<int>(scaled(2000));
    constexpr int clients = 4;
    runtime rt({.workers = workers(), .log = no_log()});
    std::vector<client_report> reports;
    long last = 0;
    rt.invoke([&] {
        auto sup = v->start(1'000'000);
        std::vector<pid> all;
        for (int i = 0; i < clients; ++i)
            all.push_back(spawn_link([v, boss = self(), i] { client(v, boss, i); }));
        std::mt19937 random(workers());
        for (int killed = 0; killed < kills;) {
            for (auto pause = random() % 64; pause > 0; --pause) yield();
            const pid victim = v->counter();
            if (!victim) continue;
            const auto watch = monitor(victim);
            exit(victim, reason::kill);
            const exit_reason why = receive(when(watch, [](down d) { return d.reason; }));
            require(why == reason::killed || why == reason::no_process,
                    "the counter died by itself: " + to_string(why));
            killed += why == reason::killed;
        }
        for (pid c : all) send(c, "enough"_a);
        for (int i = 0; i < clients; ++i) reports.push_back(receive<client_report>());
        while ((last = v->increment(5s)) < 0) yield();
        stop(sup);
    });

    std::size_t requests = 1;
    std::vector<long> every{last};
    for (const auto& [number, asked, got] : reports) {
        EXPECT_TRUE(std::is_sorted(got.begin(), got.end(), std::less_equal<long>()))
            << "client " << number;
        requests += asked;
        every.insert(every.end(), got.begin(), got.end());
    }
    std::sort(every.begin(), every.end());
    EXPECT_EQ(std::adjacent_find(every.begin(), every.end()), every.end())
        << "an answer was given twice";
    EXPECT_EQ(every.back(), last);
    EXPECT_GE(static_cast<std::size_t>(last), every.size());
    EXPECT_LE(static_cast<std::size_t>(last), requests);
    EXPECT_GT(every.size(), static_cast<std::size_t>(kills) / 10)
        << "the clients were hardly ever answered";
}

// Not the counter alone: whoever keeps its table, and whoever supervises both, may die with it, at once.
TEST_P(dont_lose, survives_the_death_of_all_who_know_the_table) {
    quiet_clog quiet;
    const variant* v = &the();
    runtime rt({.workers = workers(), .log = no_log()});
    const int rounds = static_cast<int>(scaled(200));
    const auto body = [&] {
        trap_exit(true);
        auto sup = v->start(1'000'000);
        const auto next_answer = [&] {
            for (;;)
                if (const long n = v->increment(5s); n >= 0) return n;
        };
        long last = next_answer();
        for (int i = 0; i < rounds; ++i) {
            if (i % 4 == 3) {
                // The next tree begins when nothing of this one is left that has a name or the table.
                std::vector<monitor_ref> gone{monitor(pid(sup))};
                for (const auto& c : which_children(sup))
                    if (c.pid) gone.push_back(monitor(c.pid));
                exit(pid(sup), reason::kill);
                for (const auto& watch : gone) receive(when(watch, [](down) {}));
                sup = v->start(1'000'000);
            } else {
                for (const auto& c : which_children(sup))
                    if (c.pid) exit(c.pid, reason::kill);
            }
            const long n = next_answer();
            require(n == last + 1, "after " + std::to_string(last) + " came " + std::to_string(n));
            last = n;
        }
        stop(sup);
    };
    EXPECT_TRUE(holds_inside(rt, body));
}

// The order of events that broke the Elixir original: the counter has its name, a call comes before the table does.
TEST_P(dont_lose, a_call_cannot_overtake_the_table) {
    quiet_clog quiet;
    const variant* v = &the();
    runtime rt({.workers = workers(), .log = no_log()});
    const int restarts = static_cast<int>(scaled(1000));
    const auto body = [&] {
        auto sup = v->start(1'000'000);
        long last = v->increment(5s);
        for (int i = 0; i < restarts; ++i) {
            const pid victim = v->counter();
            exit(victim, reason::kill);
            // As fast as it can: through the whole of the restart, from before the death on.
            for (exit_reason why = reason::killed;;) {
                why = v->try_increment(5s);
                if (why == reason::normal) break;
                require(why == reason::killed || why == reason::no_process,
                        "a call crashed it: " + to_string(why));
            }
            const long next = v->increment(5s);
            require(next > last, "an increment was lost");
            last = next;
        }
        stop(sup);
    };
    EXPECT_TRUE(holds_inside(rt, body));
}

TEST_P(dont_lose, holds_for_every_seed) {
    quiet_clog quiet;
    const variant* v = &the();
    for (std::size_t seed = 1; seed <= seeds(); ++seed) {
        runtime rt({.workers = workers(), .deterministic = {.seed = seed}, .log = no_log()});
        try {
            rt.invoke([&] {
                auto sup = v->start(1000);
                long last = 0;
                for (int cycle = 0; cycle < 5; ++cycle) {
                    for (int i = 0; i < 3; ++i) {
                        long n;
                        while ((n = v->increment(5s)) < 0) yield();
                        require_eq(n, last + 1);
                        last = n;
                    }
                    const pid victim = v->counter();
                    const auto watch = monitor(victim);
                    exit(victim, reason::kill);
                    receive(when(watch, [](down) {}));
                }
                stop(sup);
            });
        } catch (const std::exception& e) {
            FAIL() << "seed " << seed << ": " << e.what();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(each, dont_lose,
                         testing::Combine(testing::Values(&the_public_variant, &the_heir_variant),
                                          testing::Values(1u, 2u, 4u)),
                         [](const auto& one) {
                             return std::string(std::get<0>(one.param)->name) + "_workers_" +
                                    std::to_string(std::get<1>(one.param));
                         });

}  // namespace
}  // namespace heirloom::test
