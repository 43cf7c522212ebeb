#include "support/effort.hpp"

#include <sstream>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/atom.hpp>
#include <heirloom/exit_reason.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/pid.hpp>

using namespace heirloom;

TEST(atom, is_equal_by_text) {
    EXPECT_EQ("a"_a, "a"_a);
    EXPECT_NE("a"_a, "b"_a);
    EXPECT_EQ("abc"_a, atom::intern(std::string("ab") + "c"));
    EXPECT_EQ(atom::intern("x"), atom::intern("x"));
    EXPECT_EQ(atom(), ""_a);
    EXPECT_EQ(atom(), atom::intern(""));
    EXPECT_FALSE(atom());
    EXPECT_TRUE("a"_a);
    EXPECT_LT("a"_a, "b"_a);
    EXPECT_EQ(std::hash<atom>()("abc"_a), std::hash<atom>()(atom::intern("abc")));
    std::ostringstream text;
    text << "abc"_a;
    EXPECT_EQ(text.str(), "abc");
}

TEST(atom, keeps_text_that_its_maker_has_forgotten) {
    std::vector<atom> all;
    for (int i = 0; i < 1000; ++i) {
        std::string text = "made_at_run_time_" + std::to_string(i);
        all.push_back(atom::intern(text));
        text.assign(text.size(), '?');
    }
    for (int i = 0; i < 1000; ++i)
        EXPECT_EQ(all[static_cast<std::size_t>(i)].text(), "made_at_run_time_" + std::to_string(i));
}

TEST(atom, is_interned_once_by_many_threads) {
    std::vector<std::thread> threads;
    std::vector<std::vector<const char*>> seen(4);
    for (auto& mine : seen)
        threads.emplace_back([&mine] {
            for (int i = 0; i < 500; ++i)
                mine.push_back(atom::intern("shared_" + std::to_string(i)).c_str());
        });
    for (auto& t : threads) t.join();
    for (auto& mine : seen) EXPECT_EQ(mine, seen[0]);
}

TEST(pid, prints_and_orders) {
    const pid p = pid::make(3, 42, 7);
    EXPECT_EQ(to_string(p), "<3.42.7>");
    EXPECT_EQ(p.runtime_index(), 3u);
    EXPECT_EQ(p.slot(), 42u);
    EXPECT_EQ(p.generation(), 7u);
    EXPECT_EQ(pid::from_bits(p.bits()), p);
    EXPECT_LT(pid::make(3, 42, 6), p);
    EXPECT_FALSE(pid());
    EXPECT_EQ(pid::make(255, 0xffffff, 0xffffffff).slot(), 0xffffffu);
    EXPECT_EQ(pid::make(255, 0xffffff, 0xffffffff).runtime_index(), 255u);
}

TEST(exit_reason, compares_by_structure) {
    EXPECT_EQ(exit_reason(), reason::normal);
    EXPECT_EQ(exit_reason("normal"_a), reason::normal);
    EXPECT_EQ(exit_reason(atom::intern("killed")), reason::killed);
    EXPECT_NE(exit_reason("a"_a), exit_reason("b"_a));
    EXPECT_EQ(exit_reason("shutdown"_a, "x"_a), exit_reason("shutdown"_a, "x"_a));
    EXPECT_NE(exit_reason("shutdown"_a, "x"_a), exit_reason("shutdown"_a, "y"_a));
    EXPECT_NE(exit_reason("shutdown"_a, "x"_a), reason::shutdown);
    EXPECT_EQ(exit_reason::crash("E", "w"), exit_reason::crash("E", "w"));
    EXPECT_NE(exit_reason::crash("E", "w"), exit_reason::crash("E", "v"));
    EXPECT_NE(exit_reason::crash("E", "w"), exit_reason::crash("F", "w"));
    EXPECT_NE(exit_reason::crash("crash", ""), exit_reason("crash"_a));
    EXPECT_EQ(exit_reason::of(1, "one"), exit_reason::of(1, "one"));
    EXPECT_NE(exit_reason::of(1, "one"), exit_reason::of(2, "two"));
    EXPECT_EQ(to_string(exit_reason::of(std::string("why"))), "why");  // prints as it is
    const auto unprintable = exit_reason::of(1);
    EXPECT_EQ(unprintable, unprintable);
    EXPECT_NE(unprintable, exit_reason::of(1));
}

TEST(exit_reason, knows_what_is_orderly) {
    EXPECT_TRUE(reason::normal.is_orderly());
    EXPECT_TRUE(reason::shutdown.is_orderly());
    EXPECT_TRUE(exit_reason("shutdown"_a, "x"_a).is_orderly());
    EXPECT_FALSE(exit_reason("normal"_a, "x"_a).is_orderly()) << "{normal, X} is not normal";
    EXPECT_FALSE(reason::killed.is_orderly());
    EXPECT_FALSE(exit_reason("odd"_a).is_orderly());
    EXPECT_FALSE(exit_reason::crash("E", "w").is_orderly());
    EXPECT_FALSE(exit_reason::of(1, "normal").is_orderly());
}

TEST(exit_reason, prints) {
    EXPECT_EQ(to_string(reason::normal), "normal");
    EXPECT_EQ(to_string(exit_reason("shutdown"_a, exit_reason("a"_a, "b"_a))),
              "{shutdown, {a, b}}");
    EXPECT_EQ(to_string(exit_reason::crash("std::runtime_error", "broken")),
              "std::runtime_error: broken");
    EXPECT_EQ(to_string(exit_reason::crash("int", "")), "int");
    EXPECT_EQ(to_string(exit_reason::of(5, "five")), "five");
    const exit_reason compound("shutdown"_a, "x"_a);
    ASSERT_NE(compound.detail(), nullptr);
    EXPECT_EQ(*compound.detail(), exit_reason("x"_a));
    EXPECT_EQ(reason::normal.detail(), nullptr);
    const auto five = exit_reason::of(5);
    ASSERT_NE(five.value<int>(), nullptr);
    EXPECT_EQ(*five.value<int>(), 5);
    EXPECT_EQ(five.value<long>(), nullptr);
}

TEST(exit_reason, is_shared_by_threads_and_freed_once) {
    const auto token = std::make_shared<const int>(1);
    {
        const auto why = exit_reason::of(token, "shared");
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([why] {
                for (int i = 0; i < 10'000; ++i) {
                    exit_reason copy = why;
                    exit_reason moved = std::move(copy);
                    copy = moved;
                    moved = exit_reason("other"_a);
                }
            });
        for (auto& t : threads) t.join();
        EXPECT_EQ(token.use_count(), 2);
    }
    EXPECT_EQ(token.use_count(), 1);
}
