// What a table takes: memory for a row, and other processes' time while it grows, moves and goes. At sizes that a test
// can afford; bench/ets/stall.cpp does the same with ten million rows.
#include "inside.hpp"
#include "stall.hpp"
#include "support/effort.hpp"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>

#include <unistd.h>

namespace heirloom::test {
namespace {

[[maybe_unused]] std::size_t resident_bytes() {
    std::size_t all = 0;
    std::size_t resident = 0;
    std::ifstream("/proc/self/statm") >> all >> resident;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST(footprint, of_a_row_of_two_words_is_at_most_40_bytes_and_80_while_growing) {
    runtime rt({.workers = 1, .log = no_log()});
    const auto body = [] {
        constexpr long rows = 1'000'000;
        [[maybe_unused]] const std::size_t before = resident_bytes();
        auto t = ets::set<long, long>::create();
        double worst = 0;
        for (long i = 0; i < rows; ++i) {
            t.insert(i, i);
            if (i >= 1'000 && i % 512 == 0)
                worst = std::max(worst, static_cast<double>(t.info()->memory) /
                                            static_cast<double>(i + 1));
        }
        const auto bytes = t.info()->memory;
        std::printf("%.1f bytes a row, %.1f at most while growing\n",
                    static_cast<double>(bytes) / rows, worst);
        require(bytes <= 40 * rows, std::to_string(bytes) + " bytes for a million rows");
        require(worst <= 80, std::to_string(worst) + " bytes a row while growing");
        // And that is what the system has given.
        if constexpr (!under_asan && !under_tsan) {
            const std::size_t given = resident_bytes() - before;
            require(given < bytes + bytes / 16 + (std::size_t{4} << 20),
                    std::to_string(given) + " bytes are resident");
        }
    };
    EXPECT_TRUE(holds_inside(rt, body));
}

// Five milliseconds is the promise; what the sanitizers add to every access is not ours.
constexpr std::int64_t longest_allowed_us = under_asan || under_tsan ? 100'000 : 5'000;
// With fewer, AddressSanitizer does not come to the point where one free() tidies up a quarantine of 256 MB.
const long stall_rows =
    static_cast<long>(number_from_environment("HEIRLOOM_ROWS", scaled(200'000)));

// Boxed, but nothing of it is the allocator's: glibc's free() tidies up what other frees have left, for as long as that takes.
struct wide {
    long n = 0;
    long a = 0, b = 0, c = 0, d = 0, e = 0, f = 0;
};

template <class Table>
testing::AssertionResult stalls_nobody() {
    using V = typename Table::mapped_type;
    const auto value = [](long n) { return V{n}; };
    runtime rt({.workers = 1, .log = no_log()});
    const auto body = [&] {
        const auto check = [](const char* what, std::int64_t us) {
            std::printf("%-10s %6lld us\n", what, static_cast<long long>(us));
            require(us <= longest_allowed_us, what);
        };
        const auto now = [] { return true; };
        auto t = Table::create({.access = ets::access::public_});
        check("growing", longest_stall_us(
                             [&] {
                                 for (long i = 0; i < stall_rows; ++i) t.insert(i, value(i));
                             },
                             now));
        worker other;
        check("given away", longest_stall_us([&] { require(bool(t.give_away(other.id()))); }, now));
        check("shrinking", longest_stall_us(
                               [&] {
                                   for (long i = 0; i < stall_rows; i += 2) {
                                       t.erase(i);
                                       if (i % 128 == 0) yield();  // erase is no safe point
                                   }
                               },
                               now));
        // Its rows go in the background: the ticker goes on for as long as that may take.
        const auto after_a_while = [n = 0L]() mutable { return ++n > stall_rows / 20; };
        check("cleared", longest_stall_us([&] { t.clear(); }, after_a_while));
        for (long i = 0; i < stall_rows; ++i) t.insert(i, value(i));
        check("owner dead", longest_stall_us([&] { other.end(); }, after_a_while));
        t = Table::create();
        for (long i = 0; i < stall_rows; ++i) t.insert(i, value(i));
        check("deleted", longest_stall_us([&] { t.delete_table(); }, after_a_while));
    };
    return holds_inside(rt, body);
}

// The change itself is one step; all that goes before it leaves room for others.
TEST(footprint, a_bulk_insert_gives_others_their_turns) {
    runtime rt({.workers = 1, .log = no_log()});
    const auto body = [] {
        auto t = ets::set<long, long>::create({.access = ets::access::public_});
        std::vector<std::pair<long, long>> rows;
        // A turn of its own is over after some thousand rows, whatever the build.
        const long count = std::max(stall_rows, 100'000L);
        for (long i = 0; i < count; ++i) rows.emplace_back(i, i);
        std::atomic<long> turns{0};
        const auto counter = spawn_monitor([&] {
            for (;;) {
                ++turns;
                yield();
            }
        });
        t.insert(rows);
        require(turns > count / 20'000, std::to_string(turns) + " turns");
        exit(counter.pid, reason::kill);
        receive(when(counter.ref, [](down) {}));
        require_eq(t.size(), rows.size());
    };
    EXPECT_TRUE(holds_inside(rt, body));
}

TEST(footprint, a_large_set_stalls_nobody) { EXPECT_TRUE((stalls_nobody<ets::set<long, long>>())); }
TEST(footprint, a_large_set_of_boxed_rows_stalls_nobody) {
    EXPECT_TRUE((stalls_nobody<ets::set<long, wide>>()));
}
TEST(footprint, a_large_ordered_set_stalls_nobody) {
    EXPECT_TRUE((stalls_nobody<ets::ordered_set<long, wide>>()));
}

}  // namespace
}  // namespace heirloom::test
