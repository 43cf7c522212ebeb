// The index of a process's links or monitors, against a map.
#include "process/relation_index.hpp"

#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

using heirloom::detail::relation_index;

namespace {

template <unsigned Ignored>
void compare_with_a_map(std::uint64_t keys, int steps) {
    relation_index<int, Ignored> index;
    std::map<std::uint64_t, int*> model;
    std::vector<int> entries(keys + 1);
    std::minstd_rand random(7);
    for (int i = 0; i < steps; ++i) {
        const std::uint64_t n = 1 + random() % keys;
        const std::uint64_t key = n << Ignored | (Ignored ? 5 : 0);
        if (model.contains(key)) {
            ASSERT_EQ(index.find(key), model[key]);
            if (random() % 2) {
                index.erase(key);
                model.erase(key);
            }
        } else {
            ASSERT_EQ(index.find(key), nullptr);
            index.erase(key);  // of what is not there: nothing
            index.insert(key, &entries[n]);
            model.emplace(key, &entries[n]);
        }
        ASSERT_EQ(index.size(), model.size());
    }
    for (const auto& [key, entry] : model) ASSERT_EQ(index.find(key), entry);
    for (const auto& [key, entry] : model) index.erase(key);
    EXPECT_TRUE(index.empty());
}

}  // namespace

TEST(relation_index, agrees_with_a_map) {
    for (const std::uint64_t keys : {3u, 40u, 1000u, 20'000u}) {
        compare_with_a_map<0>(keys, 50'000);
        compare_with_a_map<32>(keys, 50'000);
    }
}

TEST(relation_index, can_be_cleared_and_used_again) {
    relation_index<int, 0> index;
    int entry = 0;
    for (std::uint64_t key = 1; key <= 200; ++key) index.insert(key, &entry);
    index.clear();
    EXPECT_TRUE(index.empty());
    EXPECT_EQ(index.find(1), nullptr);
    index.insert(1, &entry);
    EXPECT_EQ(index.find(1), &entry);
}
