// Readers and writers of one table while everything happens to it: growth, shrinking, clearing, narrowing, moving, dying.
#include "inside.hpp"
#include "support/effort.hpp"

#include <atomic>
#include <chrono>
#include <random>

namespace heirloom::test {
namespace {

struct triple {
    long a = 0;
    long b = 0;
    long c = 0;
    bool whole() const { return a == b && b == c; }
};
bool whole(const triple& t) { return t.whole(); }
bool whole(const std::string& s) {
    return s.empty() || s.find_first_not_of(s[0]) == std::string::npos;
}
[[maybe_unused]] bool whole(long) { return true; }

template <class V>
V version(long n) {
    if constexpr (std::is_same_v<V, triple>)
        return {n, n, n};
    else if constexpr (std::is_same_v<V, std::string>)
        return std::string(20 + static_cast<std::size_t>(n % 40), static_cast<char>('a' + n % 26));
    else
        return n;
}

/// Readers see whole values only while `disturb(table)` is called again and again.
template <class Table, class F>
testing::AssertionResult readers_see_whole_values(F disturb) {
    using V = typename Table::mapped_type;
    const auto body = [disturb] {
        Table t{{.name = "read", .access = ets::access::protected_, .heir = {self(), "back"_a}}};
        for (long k = 0; k < 500; ++k) t.insert(k, version<V>(k));
        std::atomic<bool> over{false};
        std::vector<worker> readers(3);
        for (auto& r : readers)
            r.begin([t, &over] {
                std::mt19937 random(static_cast<unsigned>(self().slot()));
                while (!over) {
                    try {
                        for (int i = 0; i < 50; ++i) {
                            const auto v = t.lookup(static_cast<long>(random() % 1'000));
                            require(!v || whole(*v), "a torn value");
                        }
                        if (random() % 32 == 0)
                            t.for_each([](long, const V& v) { require(whole(v), "a torn value"); });
                    } catch (const ets::access_denied&) {
                        yield();
                    } catch (const ets::no_such_table&) {
                        return;
                    }
                }
            });
        for (long i = 0; i < static_cast<long>(scaled(40)); ++i) {
            disturb(t, i);
            yield();
        }
        over = true;
        for (auto& r : readers) r.finish();
    };
    return holds_on_all_workers(body);
}

template <class Table>
void grow_and_shrink(Table& t, long i) {
    using V = typename Table::mapped_type;
    for (long k = 500; k < 3'000; ++k) t.insert(k, version<V>(k + i));
    for (long k = 500; k < 3'000; ++k) t.erase(k);
    for (long k = 0; k < 500; ++k) t.insert(k, version<V>(k + i));
}

TEST(readers, see_whole_values_while_a_set_grows_and_shrinks) {
    const auto change = [](auto& t, long i) { grow_and_shrink(t, i); };
    EXPECT_TRUE((readers_see_whole_values<ets::set<long, triple>>(change)));
    EXPECT_TRUE((readers_see_whole_values<ets::set<long, std::string>>(change)));
}
TEST(readers, see_whole_values_while_an_ordered_set_grows_and_shrinks) {
    const auto change = [](auto& t, long i) { grow_and_shrink(t, i); };
    EXPECT_TRUE((readers_see_whole_values<ets::ordered_set<long, triple>>(change)));
    EXPECT_TRUE((readers_see_whole_values<ets::ordered_set<long, std::string>>(change)));
}
TEST(readers, see_whole_values_while_a_table_is_cleared) {
    const auto clear_and_fill = [](auto& t, long i) {
        using V = typename std::remove_reference_t<decltype(t)>::mapped_type;
        t.clear();
        for (long k = 0; k < 300; ++k) t.insert(k, version<V>(k + i));
    };
    EXPECT_TRUE((readers_see_whole_values<ets::set<long, std::string>>(clear_and_fill)));
    EXPECT_TRUE((readers_see_whole_values<ets::ordered_set<long, std::string>>(clear_and_fill)));
}
TEST(readers, are_refused_or_right_while_access_narrows_and_widens) {
    const auto change = [](auto& t, long i) {
        constexpr ets::access round[] = {ets::access::private_, ets::access::public_,
                                         ets::access::protected_};
        t.setopts({.access = round[i % 3]});
        for (long k = 0; k < 200; ++k) t.insert(k, version<triple>(k + i));
    };
    EXPECT_TRUE((readers_see_whole_values<ets::set<long, triple>>(change)));
}
TEST(readers, see_whole_values_while_the_table_moves_and_its_owners_die) {
    const auto change = [](auto& t, long i) {
        worker next;
        require(bool(t.give_away(next.id(), i)));
        next.run([i] {
            auto mine = receive<ets::transfer>().as<ets::set<long, triple>>();
            for (long k = 0; k < 300; ++k) mine.insert(k, version<triple>(k + i));
        });
        next.end();
        require(receive<ets::transfer>().as<ets::set<long, triple>>() == t);
    };
    EXPECT_TRUE((readers_see_whole_values<ets::set<long, triple>>(change)));
}
TEST(readers, see_whole_values_while_strangers_fix_the_table_and_die) {
    const auto fix_and_change = [](auto& t, long i) {
        worker fixer;
        fixer.run([t]() mutable { t.safe_fixtable(true); });
        t.safe_fixtable(true);
        grow_and_shrink(t, i);
        t.safe_fixtable(false);
        require(t.info()->fixed);
        fixer.end();
        require(!t.info()->fixed);
    };
    EXPECT_TRUE((readers_see_whole_values<ets::set<long, triple>>(fix_and_change)));
    EXPECT_TRUE((readers_see_whole_values<ets::ordered_set<long, std::string>>(fix_and_change)));
}
TEST(readers, of_a_table_that_a_stranger_deletes_are_told) {
    const auto body = [] {
        for (std::size_t i = 0; i < scaled(100); ++i) {
            ets::ordered_set<long, std::string> t{{.access = ets::access::public_}};
            for (long k = 0; k < 200; ++k) t.insert(k, version<std::string>(k));
            std::vector<worker> readers(2);
            for (auto& r : readers)
                r.begin([t] {
                    try {
                        for (long k = 0;; k = (k + 1) % 200) require(whole(t.at(k)));
                    } catch (const ets::no_such_table&) {
                    }
                });
            worker stranger;
            stranger.run([t]() mutable { t.delete_table(); });
            for (auto& r : readers) r.finish();
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}
TEST(readers, of_a_table_that_dies_are_told) {
    const auto body = [] {
        for (std::size_t i = 0; i < scaled(100); ++i) {
            using table = ets::set<long, std::string>;
            worker owner;
            table t;
            owner.run([&t] {
                t = table::create();
                for (long k = 0; k < 500; ++k) t.insert(k, version<std::string>(k));
            });
            worker reader;
            reader.begin([t] {
                try {
                    for (long k = 0;; k = (k + 1) % 500) require(whole(t.at(k)));
                } catch (const ets::no_such_table&) {
                }
            });
            yield();
            owner.end();
            reader.finish();
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(writers, of_a_public_table_that_narrows_lose_nothing) {
    const auto body = [] {
        for (std::size_t i = 0; i < scaled(40); ++i) {
            ets::set<long, long> t{{.access = ets::access::public_}};
            t.insert(1, 0);
            std::atomic<long> added{0};
            std::vector<worker> strangers(2);
            for (auto& s : strangers)
                s.begin([t, &added]() mutable {
                    try {
                        for (;;) {
                            t.update_counter(1, 1);
                            ++added;
                        }
                    } catch (const ets::access_denied&) {
                    }
                });
            yield();
            t.setopts({.access = ets::access::protected_});
            long mine = 0;
            for (; mine < 2'000; ++mine) t.update_counter(1, 1);
            for (auto& s : strangers) s.finish();
            require_eq(t.at(1), added + mine);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(writers, of_a_table_that_narrows_wait_for_a_stranger_who_is_inside) {
    const auto body = [] {
        for (int i = 0; i < 3; ++i) {
            ets::set<long, long> t{{.access = ets::access::public_}};
            t.insert(1, 0);
            std::atomic<bool> inside{false};
            std::atomic<bool> written{false};
            worker stranger;
            stranger.begin([t, &inside, &written]() mutable {
                t.update(1, [&](long& v) {
                    inside = true;
                    // The owner's write has to wait for this one; were it to come in between, it would be lost.
                    const auto end =
                        std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
                    while (!written && std::chrono::steady_clock::now() < end) {
                    }
                    ++v;
                });
            });
            while (!inside) yield();
            t.setopts({.access = ets::access::protected_});
            t.update_counter(1, 1);
            written = true;
            stranger.finish();
            require_eq(t.at(1), 2);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
