// What a message may hold: aggregates are looked into, whatever their members are.
#include <any>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/message.hpp>

using heirloom::sendable;
using heirloom::detail::member_count;

namespace {

struct pair_of_ints {
    int x, y;
};
struct array_first {
    int a[3];
    int b;
};
struct only_array {
    char text[64];
};
struct array_between {
    int n;
    char text[8];
    std::string s;
};
struct array_of_arrays {
    int m[2][3];
    double d;
};
struct array_of_one {
    int one[1];
    int b;
};
struct nested_aggregates {
    pair_of_ints i[2];
    pair_of_ints j;
    int k;
};
struct containers {
    std::vector<int> v;
    std::array<int, 4> a;
    std::optional<int> o;
    std::tuple<int, char> t;
    std::vector<std::string> w;
};
struct move_only {
    std::unique_ptr<int> p[2];
    int a[2];
};
struct without_defaults {
    explicit without_defaults(int);
};
struct all_needed {
    without_defaults x;
    int b;
    without_defaults y;
    int c[2];
};
struct bits {
    unsigned a : 1, b : 3, c;
};
struct anything {
    std::any x;
    std::variant<int, std::string> v;
};
struct with_base : pair_of_ints {
    int b;
};
struct array_of_pointers {
    int n;
    int* p[2];
};
struct array_of_texts {
    const char* names[3];
};
struct array_of_views {
    std::string_view v[2];
    int n;
};
struct pointer_behind_an_array {
    char big[4096];
    int* p;
};
struct reference_behind_an_array {
    int a[2];
    int& r;
};

static_assert(member_count<array_first> == 2 && sendable<array_first>);
static_assert(member_count<only_array> == 1 && sendable<only_array>);
static_assert(member_count<array_between> == 3 && sendable<array_between>);
static_assert(member_count<array_of_arrays> == 2 && sendable<array_of_arrays>);
static_assert(member_count<array_of_one> == 2 && sendable<array_of_one>);
static_assert(member_count<nested_aggregates> == 3 && sendable<nested_aggregates>);
static_assert(member_count<containers> == 5 && sendable<containers>);
static_assert(member_count<move_only> == 2 && sendable<move_only>);
static_assert(member_count<all_needed> == 4 && sendable<all_needed>);
static_assert(member_count<bits> == 3 && sendable<bits>);
static_assert(member_count<anything> == 2 && sendable<anything>);
static_assert(sendable<with_base>, "what cannot be looked into is trusted");
static_assert(!sendable<array_of_pointers>);
static_assert(!sendable<array_of_texts>);
static_assert(!sendable<array_of_views>);
static_assert(!sendable<pointer_behind_an_array>);
static_assert(!sendable<reference_behind_an_array>);

}  // namespace

TEST(ownership, is_looked_for_in_arrays_of_aggregates) {
    // The assertions above are the test; this shows that they were compiled.
    EXPECT_EQ(member_count<array_between>, 3u);
}
