// Messages of every kind of type that C++ has to offer.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <any>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/timer.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

template <std::size_t Alignment, std::size_t Bytes>
struct alignas(Alignment) aligned {
    std::array<unsigned char, Bytes> bytes{};
    bool is_aligned() const { return reinterpret_cast<std::uintptr_t>(this) % Alignment == 0; }
};

/// Sends one, and looks at it where it lies in the mailbox.
template <class T>
void check_alignment(witness& w) {
    for (int i = 0; i < 3; ++i) send(self(), T{});
    for (int i = 0; i < 3; ++i)
        w.that(receive([](const T& m) { return m.is_aligned(); }), "a message is aligned");
}

}  // namespace

TEST(message_types, may_be_aligned_to_anything) {
    const auto body = [](witness& w) {
        check_alignment<aligned<32, 32>>(w);
        check_alignment<aligned<64, 64>>(w);
        check_alignment<aligned<128, 128>>(w);
        check_alignment<aligned<256, 300>>(w);
        check_alignment<aligned<4096, 5000>>(w);
        // So may what a process is started with.
        const aligned<256, 256> kept;
        auto child = spawn_monitor([kept] {
            if (!kept.is_aligned()) exit("crooked"_a);
        });
        w.equal(reason_of(child.ref), reason::normal);
        child = spawn_monitor(
            [](const aligned<128, 384>& argument) {
                if (!argument.is_aligned()) exit("crooked"_a);
            },
            aligned<128, 384>{});
        w.equal(reason_of(child.ref), reason::normal);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(message_types, may_be_of_any_size) {
    const auto body = [](witness& w) {
        struct empty {};
        send(self(), empty{});
        receive<empty>();
        auto huge = std::make_unique<std::array<int, 100'000>>();
        (*huge)[99'999] = 7;
        send(self(), std::move(huge));
        w.equal((*receive<std::unique_ptr<std::array<int, 100'000>>>())[99'999], 7);
        std::array<int, 2000> inline_one{};
        inline_one[1999] = 8;
        send(self(), inline_one);
        w.equal(receive([](const std::array<int, 2000>& a) { return a[1999]; }), 8);
        send(self(), std::vector<int>(1'000'000, 9));
        w.equal(receive<std::vector<int>>().size(), std::size_t{1'000'000});
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(message_types, are_told_apart_by_their_exact_type) {
    const auto body = [](witness& w) {
        using either = std::variant<int, std::string>;
        send(self(), std::any(1));
        send(self(), either("two"));
        send(self(), std::string("three"));
        send(self(), 4L);
        send(self(), 5);
        w.equal(receive<int>(), 5);
        w.equal(receive<long>(), 4L);
        w.equal(receive<std::string>(), std::string("three"));
        w.equal(std::get<std::string>(receive<either>()), std::string("two"));
        w.equal(std::any_cast<int>(receive<std::any>()), 1);
        send(self(), std::function<int()>([] { return 6; }));
        w.equal(receive<std::function<int()>>()(), 6);
        send(self(), "text");
        w.equal(receive<std::string>(), std::string("text"));
        struct text_in_place {
            char text[8];
            int length;
        };
        send(self(), text_in_place{"seven", 5});
        w.equal(receive<text_in_place>().length, 5);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(message_types, limits_that_are_past_zero_or_endless) {
    const auto body = [](witness& w) {
        send(self(), number{1});
        w.equal(receive([](number n) { return n.n; }, after(0s, [] { return -1; })), 1);
        w.equal(receive([](number n) { return n.n; }, after(0s, [] { return -1; })), -1);
        w.equal(receive([](number n) { return n.n; }, after(0ns, [] { return -1; })), -1);
        send(self(), number{2});
        w.equal(receive([](number n) { return n.n; }, after(forever, [] { return -1; })), 2);
        send(self(), number{3});
        w.equal(receive([](number n) { return n.n; },
                        after(std::chrono::hours::max(), [] { return -1; })),
                3);
        send_at(runtime_clock::now() - 1h, self(), number{4});
        w.equal(receive<number>().n, 4);
        send_after(0s, self(), number{5});
        w.equal(receive<number>().n, 5);
        bool refused = false;
        try {
            (void)receive_for<number>(-1ns);
        } catch (const bad_argument&) {
            refused = true;
        }
        w.that(refused, "a negative limit is an error");
    };
    EXPECT_TRUE(holds_everywhere(body));
}
