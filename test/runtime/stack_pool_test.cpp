#include "platform/stack_pool.hpp"
#include "support/effort.hpp"

#include <atomic>
#include <csignal>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace heirloom::detail;

namespace {

constexpr std::size_t kib = 1024;

void touch(stack& s) { std::memset(s.bottom, 0x5a, s.size()); }

bool is_resident(const void* page) {
    unsigned char there = 0;
    return mincore(const_cast<void*>(page), page_bytes, &there) == 0 && (there & 1) != 0;
}

class stack_pool_with : public testing::TestWithParam<guard_kind> {};

}  // namespace

TEST_P(stack_pool_with, hands_out_distinct_writable_stacks_up_to_its_capacity) {
    stack_region region(64 * kib, 100, GetParam());
    std::vector<stack*> all;
    for (int i = 0; i < 100; ++i) {
        stack* s = region.acquire();
        ASSERT_NE(s, nullptr);
        EXPECT_GE(s->size(), 62 * kib) << "less the colour";
        EXPECT_LE(s->size(), 64 * kib) << "its guard is not part of it";
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(s->top) % 16, 0u);
        touch(*s);
        all.push_back(s);
    }
    EXPECT_EQ(region.acquire(), nullptr) << "the region is exhausted";
    EXPECT_EQ(region.in_use(), 100u);
    std::set<std::byte*> bottoms;
    for (stack* s : all) {
        bottoms.insert(s->bottom);
        EXPECT_EQ(region.find(s->bottom), s);
        EXPECT_EQ(region.find(s->top - 1), s);
        EXPECT_EQ(region.find(s->bottom - 1), s) << "its guard is its own";
        for (std::byte* p = s->bottom; p < s->top; p += page_bytes) ASSERT_EQ(*p, std::byte{0x5a});
    }
    EXPECT_EQ(bottoms.size(), 100u);
    region.release(all[7]);
    EXPECT_EQ(region.acquire(), all[7]) << "the one used last comes first";
    for (stack* s : all) region.release(s);
    EXPECT_EQ(region.in_use(), 0u);
    int somewhere_else = 0;
    EXPECT_EQ(region.find(&somewhere_else), nullptr);
}

TEST_P(stack_pool_with, gives_pages_back_and_uses_the_stack_again) {
    stack_region region(64 * kib, 20, GetParam());
    std::vector<stack*> all;
    for (int i = 0; i < 20; ++i) all.push_back(region.acquire());
    for (stack* s : all) {
        touch(*s);
        s->context = s->bottom;  // something ran on it
        region.release(s);
    }
    EXPECT_EQ(region.trim(5, 3), 3u) << "some at a time";
    EXPECT_EQ(region.trim(5, 100), 12u) << "down to what is to be kept";
    EXPECT_EQ(region.trim(5, 100), 0u);
    int resident = 0;
    for (stack* s : all) resident += is_resident(s->bottom);
    EXPECT_EQ(resident, 5);
    for (int i = 0; i < 20; ++i) {
        stack* s = region.acquire();
        ASSERT_NE(s, nullptr);
        EXPECT_TRUE(is_resident(s->bottom) || s->context == nullptr)
            << "what ran on it is gone with its pages";
        touch(*s);
    }
    EXPECT_EQ(region.acquire(), nullptr);
}

// Pages that a program comes back to are not taken from under it: each costs an interrupt on every core, and a fault.
TEST_P(stack_pool_with, trims_what_was_not_needed_for_a_while) {
    stack_pool pool(64 * kib, 100, GetParam());
    stack_region& region = pool.standard();
    std::vector<stack*> all;
    auto acquire_all = [&] {
        for (int i = 0; i < 40; ++i) {
            all.push_back(region.acquire());
            touch(*all.back());
        }
    };
    auto release_all = [&] {
        while (!all.empty()) {
            region.release(all.back());
            all.pop_back();
        }
    };
    acquire_all();
    for (stack* s : all) s->context = s->bottom;
    std::vector<stack*> seen = all;
    release_all();
    for (int ms = 0; ms < 500; ++ms) {  // needed again within each while
        acquire_all();
        release_all();
        pool.trim_unused(10, 8);
    }
    for (stack* s : seen) EXPECT_NE(s->context, nullptr) << "trimmed although in use";
    for (int ms = 0; ms < 200; ++ms) pool.trim_unused(10, 8);
    int kept = 0;
    for (stack* s : seen) kept += is_resident(s->bottom);
    EXPECT_EQ(kept, 10) << "down to what is to be kept";
}

TEST_P(stack_pool_with, guard_page_faults) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const guard_kind guard = GetParam();
    EXPECT_DEATH(
        {
            stack_region region(64 * kib, 4, guard);
            stack* s = region.acquire();
            touch(*s);
            // Used, trimmed and used again, the guard is still there.
            region.release(s);
            region.trim(0, 10);
            s = region.acquire();
            touch(*s);
            const_cast<volatile std::byte*>(s->bottom)[-1] = std::byte{1};
            std::_Exit(0);
        },
        "");
}

TEST_P(stack_pool_with, is_shared_by_many_threads) {
    stack_region region(16 * kib, 64, GetParam());
    std::atomic<bool> over{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    const int rounds = heirloom::test::under_tsan ? 500 : 5'000;
    std::thread trimmer([&] {
        while (!over) {
            region.trim(2, 4);
            std::this_thread::yield();
        }
    });
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < rounds; ++i) {
                stack* s = region.acquire();
                if (!s) continue;
                const auto mark = static_cast<std::byte>(t + 1);
                *s->bottom = mark;
                s->top[-1] = mark;
                std::this_thread::yield();
                wrong += *s->bottom != mark || s->top[-1] != mark;
                region.release(s);
            }
        });
    for (auto& t : threads) t.join();
    over = true;
    trimmer.join();
    EXPECT_EQ(wrong, 0) << "a stack belongs to one at a time";
    EXPECT_EQ(region.in_use(), 0u);
}

TEST_P(stack_pool_with, has_a_region_for_each_size) {
    stack_pool pool(64 * kib, 100, GetParam());
    EXPECT_EQ(pool.standard_stride(), 64 * kib);
    EXPECT_EQ(pool.region_for(64 * kib), &pool.standard());
    EXPECT_EQ(pool.region_for(33 * kib), &pool.standard());
    stack_region* large = pool.region_for(1024 * kib);
    ASSERT_NE(large, nullptr);
    EXPECT_EQ(large->stride(), 1024 * kib);
    EXPECT_EQ(pool.region_for(600 * kib), large);
    stack* s = large->acquire();
    ASSERT_NE(s, nullptr);
    touch(*s);
    EXPECT_EQ(pool.find(s->bottom), s);
    EXPECT_EQ(pool.region_for(1)->stride(), smallest_stack);
    EXPECT_EQ(pool.region_for(largest_stack)->stride(), largest_stack);
    large->release(s);
}

INSTANTIATE_TEST_SUITE_P(guards, stack_pool_with, testing::ValuesIn([] {
                             std::vector<guard_kind> kinds{guard_kind::mprotect};
                             if (best_guard() == guard_kind::markers)
                                 kinds.push_back(guard_kind::markers);
                             return kinds;
                         }()),
                         [](const auto& instance) {
                             return instance.param == guard_kind::markers ? std::string("markers")
                                                                          : std::string("mprotect");
                         });

TEST(stack_pool, rounds_to_powers_of_two) {
    EXPECT_EQ(stack_pool::rounded(0), smallest_stack);
    EXPECT_EQ(stack_pool::rounded(smallest_stack), smallest_stack);
    EXPECT_EQ(stack_pool::rounded(smallest_stack + 1), 2 * smallest_stack);
    EXPECT_EQ(stack_pool::rounded(largest_stack), largest_stack);
}
