// The restarts of the last while, against a list that is counted afresh each time.
#include "restart_window.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::detail;
using namespace std::chrono_literals;

namespace {

time_point at(duration since) { return time_point(since); }

TEST(restart_window, counts_a_restart_as_long_ago_as_its_period_and_no_longer) {
    for (const duration within : {duration(1ns), duration(1s), duration(5s)}) {
        restart_window closed({.restarts = 1, .within = within});
        EXPECT_TRUE(closed.count(at(100s)));
        EXPECT_EQ(closed.recent(at(100s + within)), 1u);
        EXPECT_FALSE(closed.count(at(100s + within))) << "exactly one period later it still counts";
        restart_window open({.restarts = 1, .within = within});
        EXPECT_TRUE(open.count(at(100s)));
        EXPECT_EQ(open.recent(at(100s + within + 1ns)), 0u);
        EXPECT_TRUE(open.count(at(100s + within + 1ns))) << "a nanosecond more and it does not";
    }
}

TEST(restart_window, of_no_restarts_allows_none) {
    restart_window none({.restarts = 0, .within = 1s});
    EXPECT_FALSE(none.count(at(0s)));
    EXPECT_EQ(none.counted(), 1u);
    EXPECT_FALSE(none.count(at(1h)));
    EXPECT_EQ(none.counted(), 1u) << "the first one is forgotten";
}

TEST(restart_window, for_ever_forgets_nothing) {
    restart_window all({.restarts = 3, .within = forever});
    for (int year = 0; year < 3; ++year) EXPECT_TRUE(all.count(at(year * 8766h)));
    EXPECT_FALSE(all.count(at(3 * 8766h)));
}

TEST(restart_window, agrees_with_a_list) {
    std::minstd_rand random(11);
    for (int round = 0; round < 50; ++round) {
        const restart_intensity limit{.restarts = static_cast<int>(random() % 5),
                                      .within = duration(1 + random() % 20)};
        restart_window window(limit);
        std::vector<time_point> all;
        time_point now = at(1s);
        for (int step = 0; step < 200; ++step) {
            now += duration(random() % 8);
            const auto recent = [&] {
                return static_cast<std::size_t>(std::count_if(
                    all.begin(), all.end(), [&](time_point t) { return now - t <= limit.within; }));
            };
            if (random() % 3 == 0) {
                ASSERT_EQ(window.recent(now), recent());
                continue;
            }
            all.push_back(now);
            const bool allowed = recent() <= static_cast<std::size_t>(limit.restarts);
            ASSERT_EQ(window.count(now), allowed);
            ASSERT_EQ(window.counted(), recent());
        }
    }
}

}  // namespace
