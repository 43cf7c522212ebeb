#include "heirloom/detail/activity.hpp"
#include "process/names.hpp"
#include "scheduler/reclamation.hpp"
#include "support/effort.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::detail;

namespace {

atom name_of(std::size_t n) { return atom::intern("name_" + std::to_string(n)); }
pid someone(std::uint32_t n) { return pid::make(0, n + 1, 1); }

}  // namespace

TEST(name_table, gives_a_name_to_one) {
    name_table names;
    EXPECT_FALSE(names.find("a"_a));
    EXPECT_FALSE(names.find(atom()));
    EXPECT_EQ(names.insert("a"_a, someone(1)), name_table::outcome::done);
    EXPECT_EQ(names.insert("a"_a, someone(2)), name_table::outcome::taken);
    EXPECT_EQ(names.insert("a"_a, someone(1)), name_table::outcome::taken);
    EXPECT_EQ(names.find("a"_a), someone(1));
    EXPECT_EQ(names.erase("a"_a, someone(2)), pid()) << "only its holder's";
    EXPECT_EQ(names.find("a"_a), someone(1));
    EXPECT_EQ(names.erase("a"_a, someone(1)), someone(1));
    EXPECT_FALSE(names.find("a"_a));
    EXPECT_EQ(names.erase("a"_a), pid());
    EXPECT_EQ(names.insert("a"_a, someone(2)), name_table::outcome::done);
    EXPECT_EQ(names.all(), std::vector{"a"_a});
}

TEST(name_table, compares_text_where_hashes_collide) {
    // Two texts in one chain: the slots are few at first.
    name_table names;
    for (std::uint32_t i = 0; i < 48; ++i)
        ASSERT_EQ(names.insert(name_of(i), someone(i)), name_table::outcome::done);
    for (std::uint32_t i = 0; i < 48; ++i) EXPECT_EQ(names.find(name_of(i)), someone(i));
    EXPECT_FALSE(names.find(name_of(48)));
}

TEST(name_table, agrees_with_a_model_on_random_steps) {
    for (std::uint64_t seed = 1; seed <= test::seeds() / 4 + 1; ++seed) {
        std::minstd_rand random(static_cast<unsigned>(seed));
        name_table names;
        std::map<std::string, pid> model;
        for (int step = 0; step < 600; ++step) {
            const std::uint32_t n = static_cast<std::uint32_t>(random() % 300);
            const atom name = name_of(n);
            const std::string text(name.text());
            const pid who = someone(static_cast<std::uint32_t>(random() % 5));
            switch (random() % 4) {
            case 0:
            case 1: {
                const bool is_free = !model.contains(text);
                ASSERT_EQ(names.insert(name, who) == name_table::outcome::done, is_free);
                if (is_free) model[text] = who;
                break;
            }
            case 2: {
                const pid before = model.contains(text) ? model[text] : pid();
                ASSERT_EQ(names.erase(name), before);
                model.erase(text);
                break;
            }
            case 3:
                ASSERT_EQ(names.find(name), model.contains(text) ? model[text] : pid())
                    << "seed " << seed;
            }
        }
        auto all = names.all();
        std::sort(all.begin(), all.end());
        ASSERT_EQ(all.size(), model.size());
        std::size_t i = 0;
        for (auto& [text, who] : model) EXPECT_EQ(all[i++].text(), text);
    }
}

TEST(name_table, is_read_while_it_grows) {
    // Readers see a name's holder of before or after, never another name's, never nothing for a name that stays.
    name_table names;
    const atom fixed = "fixed"_a;
    names.insert(fixed, someone(7));
    std::atomic<bool> over{false};
    std::atomic<long> wrong{0};
    std::vector<std::thread> readers;
    for (int t = 0; t < 2; ++t)
        readers.emplace_back([&] {
            while (!over) {
                const reader_scope scope;
                wrong += names.find(fixed) != someone(7);
                const pid moving = names.find(name_of(1));
                wrong += moving && moving != someone(1);
            }
        });
    const std::size_t rounds = test::under_tsan ? 3'000 : 30'000;
    for (std::size_t i = 0; i < rounds; ++i) {
        const atom name = name_of(1 + i % 2'000);
        if (names.insert(name, someone(static_cast<std::uint32_t>(1 + i % 2'000))) ==
            name_table::outcome::taken)
            names.erase(name);
        if (i % 64 == 0) collect();
    }
    over = true;
    for (auto& t : readers) t.join();
    EXPECT_EQ(wrong, 0);
    while (anything_retired()) collect();
}
