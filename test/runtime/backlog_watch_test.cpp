#include "scheduler/backlog_watch.hpp"

#include <gtest/gtest.h>

namespace heirloom::detail {
namespace {

TEST(backlog_watch, knows_no_age_at_the_first_look) {
    backlog_watch watch;
    EXPECT_EQ(watch.age(0, 5, 1000), 0);
}

TEST(backlog_watch, counts_from_the_look_that_saw_the_oldest_entry) {
    backlog_watch watch;
    watch.age(0, 5, 1000);
    EXPECT_EQ(watch.age(0, 5, 3000), 2000);
    // The entries of the first look are partly gone; the oldest that is left was there.
    EXPECT_EQ(watch.age(4, 9, 4000), 3000);
}

TEST(backlog_watch, begins_anew_when_all_that_was_seen_has_been_taken) {
    backlog_watch watch;
    watch.age(0, 5, 1000);
    EXPECT_EQ(watch.age(5, 9, 4000), 0);
    EXPECT_EQ(watch.age(8, 12, 4500), 500);
    EXPECT_EQ(watch.age(20, 20, 9000), 0);
}

// A queue that is worked off faster than the age asked for never looks old, however long it has been busy.
TEST(backlog_watch, a_queue_that_moves_stays_young) {
    backlog_watch watch;
    std::uint64_t head = 0;
    for (std::int64_t now = 0; now < 1'000'000; now += 500, head += 10)
        EXPECT_LE(watch.age(head, head + 100, now), 5500) << now;
}

}  // namespace
}  // namespace heirloom::detail
