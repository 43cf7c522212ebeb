// The catalogue's rows about what is known of a table, and about files, by their ids.
#include "tables.hpp"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>

#include <unistd.h>

namespace heirloom::test {
namespace {

TEST(conformance_ets, info_fields) {
    const auto body = [] {
        ets::ordered_set<std::string, long> t{
            {.name = "known", .access = ets::access::public_, .heir = {self(), 1}}};
        t.insert("a", 1);
        const auto check = [t, owner = self()] {
            const auto info = t.info().value();
            require(info.id == t.id() && info.name == "known"_a && info.named);
            require(info.owner == owner && info.heir == owner);
            require(info.kind == ets::kind::ordered_set && info.access == ets::access::public_);
            require(info.size == 1 && info.memory > 0 && !info.fixed && info.ownership_epoch == 0);
            // Compilers differ in what they call it.
            require(info.value_type == "long int" || info.value_type == "long",
                    std::string(info.value_type));
            require_eq(t.to_string(), "#table<known." + std::to_string(t.id()) + ">");
        };
        check();
        worker other;
        other.run(check);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, info_missing) {
    const auto body = [] {
        require(!ets::whereis_any("nobody").info());
        auto t = numbers::create();
        t.delete_table();
        require(!t.info());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, info_size_exact) {
    const auto body = [] {
        auto check = [](auto t) {
            std::atomic<bool> over{false};
            std::vector<worker> readers(2);
            for (auto& r : readers)
                r.begin([t, &over] {
                    std::size_t size = 0;
                    std::size_t memory = 0;
                    while (!over) {
                        const auto info = t.info().value();
                        require(info.size >= size, "the size went down");
                        require(info.memory >= memory, "the memory went down");
                        size = info.size;
                        memory = info.memory;
                        yield();
                    }
                });
            std::vector<worker> writers(2);
            for (long w = 0; w < 2; ++w)
                writers[static_cast<std::size_t>(w)].begin([t, w]() mutable {
                    for (long i = 0; i < 10'000; ++i) t.insert(2 * i + w, i);
                });
            for (auto& w : writers) w.finish();
            over = true;
            for (auto& r : readers) r.finish();
            require_eq(t.size(), 20'000u);
        };
        check(numbers::create({.access = ets::access::public_}));
        check(ordered::create({.access = ets::access::public_}));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, info_busy) {
    const auto body = [] {
        numbers t{{.name = "busy", .access = ets::access::public_}};
        std::atomic<bool> over{false};
        worker reader;
        reader.begin([&over] {
            while (!over) {
                const auto found = ets::whereis<numbers>("busy");
                const auto size = found.info().value().size;
                require(size == 0 || size == 20'000, "half a list was counted");
                yield();
            }
        });
        yield();
        std::vector<std::pair<long, long>> rows;
        for (long i = 0; i < 20'000; ++i) rows.emplace_back(i, i);
        t.insert(rows);
        over = true;
        reader.finish();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, conc_named_lookups) {
    const auto body = [] {
        const atom names[] = {"c0"_a, "c1"_a, "c2"_a, "c3"_a};
        std::vector<worker> crowd(4);
        for (std::size_t w = 0; w < 4; ++w)
            crowd[w].begin([name = names[w], w] {
                numbers named{{.name = name}};
                auto unnamed = numbers::create();
                for (long i = 0; i < 3'000; ++i) {
                    ets::whereis<numbers>(name).insert(i, static_cast<long>(w));
                    unnamed.insert(i, i);
                    require_eq(ets::whereis<numbers>(name).at(i), static_cast<long>(w));
                    require_eq(unnamed.at(i), i);
                }
            });
        for (auto& w : crowd) w.finish();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// Of this program alone: another build's tests may run at the same time.
class file {
public:
    explicit file(const char* name)
        : path(::testing::TempDir() + "heirloom_" + std::to_string(::getpid()) + "_" + name) {}
    ~file() { std::remove(path.c_str()); }
    file(const file&) = delete;
    file& operator=(const file&) = delete;
    std::string bytes() const {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(const std::string& content) const {
        std::ofstream(path, std::ios::binary) << content;
    }
    std::string path;
};

TEST(conformance_ets, file_roundtrip) {
    const auto body = [] {
        file f("roundtrip");
        const auto check = [&](auto t) {
            using table = decltype(t);
            require(bool(ets::tab2file(t, f.path)));
            auto before = t.to_vector();
            const auto info = t.info().value();
            t.delete_table();
            auto loaded = ets::file2tab<table>(f.path, {.verify = true}).value();
            auto after = loaded.to_vector();
            std::sort(before.begin(), before.end());
            std::sort(after.begin(), after.end());
            require(before == after);
            require(loaded.info()->owner == self() && loaded.info()->access == info.access &&
                    loaded.info()->named == info.named && loaded.info()->name == info.name);
            loaded.delete_table();
        };
        check(filled<numbers>(0));
        check(filled<numbers>(10'000, {.name = "numbers", .access = ets::access::private_}));
        check(filled<ordered>(10'000));
        check(filled<bag>(1'000));
        auto b = duplicate_bag::create();
        b.insert({{1, 1}, {1, 1}, {2, 2}});
        check(b);
        auto s = ets::set<std::string, std::vector<std::string>>::create();
        s.insert("a", {"b", "c"});
        check(s);
        auto a = ets::set<atom, std::optional<std::pair<long, double>>>{
            {.name = "label", .named = false}};
        a.insert("x"_a, {});
        a.insert("y"_a, std::pair(1L, 2.5));
        require(bool(ets::tab2file(a, f.path)));
        auto loaded =
            ets::file2tab<ets::set<atom, std::optional<std::pair<long, double>>>>(f.path).value();
        require(loaded.at("y"_a) == std::pair(1L, 2.5) && !loaded.at("x"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, file_verify) {
    const auto body = [] {
        file f("verify");
        auto t = filled<numbers>(100);
        require(bool(ets::tab2file(t, f.path)));
        const std::string whole = f.bytes();
        require_eq(ets::tabfile_info(f.path).value().size, 100u);
        f.write(whole.substr(0, whole.size() - 24));
        auto cut = ets::file2tab<numbers>(f.path, {.verify = true});
        require(!cut && cut.error().why == ets::file_error::cause::invalid_object_count);
        require_eq(ets::file2tab<numbers>(f.path).value().size(), 98u);
        std::string flipped = whole;
        flipped[flipped.size() - 5] = static_cast<char>(flipped[flipped.size() - 5] ^ 4);
        f.write(flipped);
        auto bad = ets::file2tab<numbers>(f.path, {.verify = true});
        require(!bad && bad.error().why == ets::file_error::cause::checksum_error);
        require_eq(ets::file2tab<numbers>(f.path).value().size(), 100u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, file_bad) {
    const auto body = [] {
        file f("bad");
        const auto why = [&] { return ets::file2tab<numbers>(f.path).error().why; };
        require(why() == ets::file_error::cause::cannot_open);
        f.write("something else");
        require(why() == ets::file_error::cause::bad_file);
        auto t = filled<numbers>(10);
        require(bool(ets::tab2file(t, f.path)));
        std::string damaged = f.bytes();
        damaged[40] = static_cast<char>(damaged[40] ^ 1);
        f.write(damaged);
        require(why() == ets::file_error::cause::bad_file);
        require(bool(ets::tab2file(filled<ordered>(10), f.path)));
        require(why() == ets::file_error::cause::wrong_type);
        t.delete_table();
        require_throws<ets::no_such_table>([&] { (void)ets::tab2file(t, f.path); });
        require(!ets::tab2file(filled<numbers>(1), "/nowhere/at/all"));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(files, name_their_table_when_all_rows_are_in) {
    const auto body = [] {
        file f("named_last");
        constexpr long rows = 30'000;
        const atom name = "loaded"_a;
        auto t = filled<numbers>(rows, {.name = name, .access = ets::access::public_});
        require(bool(ets::tab2file(t, f.path)));
        // Taken: nothing is made.
        const auto tables = ets::all().size();
        const auto refused = ets::file2tab<numbers>(f.path);
        require(!refused && refused.error().why == ets::file_error::cause::name_taken);
        require_eq(ets::all().size(), tables);
        t.delete_table();
        std::atomic<bool> looking{false};
        worker other;
        other.begin([&] {
            for (;;) {
                if (auto found = ets::whereis<numbers>(name)) {
                    require_eq(found.size(), static_cast<std::size_t>(rows));
                    found.insert(-1, 1);
                    return;
                }
                looking = true;
                yield();
            }
        });
        while (!looking) yield();
        const auto loaded = ets::file2tab<numbers>(f.path).value();
        other.finish();
        require(loaded.info()->named && loaded.info()->access == ets::access::public_);
        require_eq(loaded.at(-1), 1);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}
TEST(files, of_a_protected_table_are_written_by_whoever_may_read_it) {
    const auto body = [] {
        file f("protected");
        auto t = filled<numbers>(10, {});
        worker other;
        other.run([&] { require(bool(ets::tab2file(t, f.path))); });
        t.delete_table();
        const auto loaded = ets::file2tab<numbers>(f.path, {.verify = true}).value();
        require_eq(loaded.size(), 10u);
        require(loaded.info()->access == ets::access::protected_);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_ets, init_table) {
    const auto body = [](auto t) {
        t.insert(77, 1);
        int calls = 0;
        t.init_table([&]() -> std::optional<std::vector<std::pair<long, long>>> {
            switch (++calls) {
            case 1:
                return {{{1, 1}, {2, 2}}};
            case 2:
                return std::vector<std::pair<long, long>>();
            case 3:
                return {{{3, 3}}};
            default:
                return std::nullopt;
            }
        });
        require_eq(t.size(), 3u);
        require(!t.member(77) && t.member(3));
    };
    EXPECT_TRUE(holds_on_all_types(body));
}

}  // namespace
}  // namespace heirloom::test
