#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

// The declared types of an aggregate's members. Not Boost.PFR: it counts what initialises them, which of an array is each
// element, and its accessors lose the difference between `int` and `int&`, which is what ownership is about.
namespace heirloom::detail {

/// Converts to any member, by copy or by move.
struct from_lvalue {
    std::size_t ignored;
    template <class T>
    operator T&() const& noexcept;  // NOLINT(google-explicit-constructor)
    template <class T>
    operator T&() const&& noexcept;  // NOLINT(google-explicit-constructor)
};
struct from_rvalue {
    std::size_t ignored;
    template <class T>
    operator T() const&& noexcept;  // NOLINT(google-explicit-constructor)
};
template <class T>
using from_anything = std::conditional_t<std::is_copy_constructible_v<T>, from_lvalue, from_rvalue>;
/// Converts to a base of `Of` and to nothing else.
template <class Of>
struct base_of {
    base_of();
    base_of(const base_of&) = delete;  // refused by what takes anything, as std::any does
    base_of& operator=(const base_of&) = delete;
    template <class T>
        requires std::is_base_of_v<T, Of>
    operator T() const&& noexcept;  // NOLINT(google-explicit-constructor)
};

/// Whether T can be made of so many values, without braces of their own for any of them.
template <class T, std::size_t... I>
constexpr bool takes_plain(std::index_sequence<I...>) {
    using any = from_anything<T>;
    return requires { T{any{I}...}; };
}
template <class T, std::size_t Count>
constexpr bool takes() {
    return takes_plain<T>(std::make_index_sequence<Count>());
}
template <class T, std::size_t... I>
constexpr bool begins_with_base(std::index_sequence<I...>) {
    using any = from_anything<T>;
    return requires { T{base_of<T>{}, any{I}...}; };
}

/// The most values that T takes, which are at least `Low` and at most `High`. It takes all numbers in between.
template <class T, std::size_t Low, std::size_t High>
constexpr std::size_t most_values() {
    if constexpr (Low == High) {
        return Low;
    } else {
        constexpr std::size_t middle = (Low + High + 1) / 2;
        if constexpr (takes<T, middle>())
            return most_values<T, middle, High>();
        else
            return most_values<T, Low, middle - 1>();
    }
}
/// The same without a bound, in growing steps: long lists of values are slow to try.
template <class T, std::size_t Low, std::size_t Step>
constexpr std::size_t most_values_from() {
    if constexpr (takes<T, Low + Step>())
        return most_values_from<T, Low + Step, Step * 2>();
    else
        return most_values<T, Low, Low + Step - 1>();
}
/// The fewest values that T takes; `Limit` if it takes none fewer.
template <class T, std::size_t From, std::size_t Limit>
constexpr std::size_t fewest_values() {
    if constexpr (From >= Limit || takes<T, From>())
        return From;
    else
        return fewest_values<T, From + 1, Limit>();
}
template <class T>
constexpr std::size_t count_values() {
    // More than none only if members without a default must be given.
    constexpr std::size_t needed = fewest_values<T, 0, 64>();
    if constexpr (takes<T, needed>())
        return most_values_from<T, needed, 4>();
    else
        return 0;
}

/// Whether T can be made of `before` values, then `inside` values in braces of their own, then `behind` values.
template <class T, std::size_t... Before, std::size_t... Inside, std::size_t... Behind>
constexpr bool takes_nested(std::index_sequence<Before...>, std::index_sequence<Inside...>,
                            std::index_sequence<Behind...>) {
    using any = from_anything<T>;
    return requires { T{any{Before}..., {any{Inside}...}, any{Behind}...}; };
}
template <class T, std::size_t Before, std::size_t Inside, std::size_t Behind>
constexpr bool takes() {
    return takes_nested<T>(std::make_index_sequence<Before>(), std::make_index_sequence<Inside>(),
                           std::make_index_sequence<Behind>());
}

/// The same with as many values behind as are needed: none, unless a member there has no default.
template <class T, std::size_t Before, std::size_t Inside, std::size_t... Behind>
constexpr bool fits_with(std::index_sequence<Behind...>) {
    return (takes<T, Before, Inside, Behind>() || ...);
}
template <class T, std::size_t Before, std::size_t Inside, std::size_t Total>
constexpr bool fits() {
    constexpr std::size_t room = Total - Before - Inside;
    if constexpr (takes<T, 0>())
        return takes<T, Before, Inside, 0>();
    else
        return fits_with<T, Before, Inside>(
            std::make_index_sequence<(room < 32 ? room + 1 : 32)>());
}

/// The most values, of at least `Low` and at most `High`, that the member behind `Before` of `Total` values takes in braces.
template <class T, std::size_t Before, std::size_t Total, std::size_t Low, std::size_t High>
constexpr std::size_t most_nested() {
    if constexpr (Low == High) {
        return Low;
    } else {
        constexpr std::size_t middle = (Low + High + 1) / 2;
        if constexpr (fits<T, Before, middle, Total>())
            return most_nested<T, Before, Total, middle, High>();
        else
            return most_nested<T, Before, Total, Low, middle - 1>();
    }
}

/// How many of `Total` values the member behind `Before` values is initialised by: an array takes one for each element, as
/// its braces may be left out, everything else one.
template <class T, std::size_t Before, std::size_t Total>
constexpr std::size_t width() {
    constexpr std::size_t inside = most_nested<T, Before, Total, 1, Total - Before>();
    if constexpr (inside > 1 && takes<T, Before, inside, Total - Before - inside>() &&
                  !takes<T, Before, inside, Total - Before - inside + 1>())
        return inside;
    else
        return 1;
}
template <class T, std::size_t Before, std::size_t Total>
constexpr std::size_t count_members() {
    if constexpr (Before >= Total)
        return 0;
    else
        return 1 + count_members<T, Before + width<T, Before, Total>(), Total>();
}

/// How many members an aggregate has; more than are looked at if it has a base, whose members cannot be told from its own.
template <class T>
constexpr std::size_t count_members_of() {
    constexpr std::size_t values = count_values<T>();
    if constexpr (values == 0)
        return 0;
    else if constexpr (begins_with_base<T>(std::make_index_sequence<values - 1>()))
        return ~std::size_t{0};
    else
        return count_members<T, 0, values>();
}
template <class T>
inline constexpr std::size_t member_count = count_members_of<T>();

template <class... Fields>
struct field_list {};

template <class T, std::size_t N>
struct fields_of {
    using type = field_list<>;
    static constexpr bool known = N == 0;
};

// clang-format off
#define HEIRLOOM_FIELDS(N, ...)                                                                  \
    template <class T>                                                                           \
    struct fields_of<T, N> {                                                                     \
        static auto list(T& object) {                                                            \
            auto& [__VA_ARGS__] = object;                                                        \
            return HEIRLOOM_FIELD_TYPES(__VA_ARGS__);                                            \
        }                                                                                        \
        using type = decltype(list(std::declval<T&>()));                                         \
        static constexpr bool known = true;                                                      \
    }
// clang-format on
#define HEIRLOOM_FIELD_TYPES(...) HEIRLOOM_FIELD_TYPES_(__VA_ARGS__)
#define HEIRLOOM_D(x) decltype(x)
#define HEIRLOOM_FIELD_TYPES_(...) field_list<HEIRLOOM_EACH(__VA_ARGS__)>()
#define HEIRLOOM_EACH(...)                                                                         \
    HEIRLOOM_PICK(__VA_ARGS__, HEIRLOOM_12, HEIRLOOM_11, HEIRLOOM_10, HEIRLOOM_9, HEIRLOOM_8,      \
                  HEIRLOOM_7, HEIRLOOM_6, HEIRLOOM_5, HEIRLOOM_4, HEIRLOOM_3, HEIRLOOM_2,          \
                  HEIRLOOM_1)                                                                      \
    (__VA_ARGS__)
#define HEIRLOOM_PICK(a, b, c, d, e, f, g, h, i, j, k, l, name, ...) name
#define HEIRLOOM_1(a) HEIRLOOM_D(a)
#define HEIRLOOM_2(a, ...) HEIRLOOM_D(a), HEIRLOOM_1(__VA_ARGS__)
#define HEIRLOOM_3(a, ...) HEIRLOOM_D(a), HEIRLOOM_2(__VA_ARGS__)
#define HEIRLOOM_4(a, ...) HEIRLOOM_D(a), HEIRLOOM_3(__VA_ARGS__)
#define HEIRLOOM_5(a, ...) HEIRLOOM_D(a), HEIRLOOM_4(__VA_ARGS__)
#define HEIRLOOM_6(a, ...) HEIRLOOM_D(a), HEIRLOOM_5(__VA_ARGS__)
#define HEIRLOOM_7(a, ...) HEIRLOOM_D(a), HEIRLOOM_6(__VA_ARGS__)
#define HEIRLOOM_8(a, ...) HEIRLOOM_D(a), HEIRLOOM_7(__VA_ARGS__)
#define HEIRLOOM_9(a, ...) HEIRLOOM_D(a), HEIRLOOM_8(__VA_ARGS__)
#define HEIRLOOM_10(a, ...) HEIRLOOM_D(a), HEIRLOOM_9(__VA_ARGS__)
#define HEIRLOOM_11(a, ...) HEIRLOOM_D(a), HEIRLOOM_10(__VA_ARGS__)
#define HEIRLOOM_12(a, ...) HEIRLOOM_D(a), HEIRLOOM_11(__VA_ARGS__)

HEIRLOOM_FIELDS(1, a);
HEIRLOOM_FIELDS(2, a, b);
HEIRLOOM_FIELDS(3, a, b, c);
HEIRLOOM_FIELDS(4, a, b, c, d);
HEIRLOOM_FIELDS(5, a, b, c, d, e);
HEIRLOOM_FIELDS(6, a, b, c, d, e, f);
HEIRLOOM_FIELDS(7, a, b, c, d, e, f, g);
HEIRLOOM_FIELDS(8, a, b, c, d, e, f, g, h);
HEIRLOOM_FIELDS(9, a, b, c, d, e, f, g, h, i);
HEIRLOOM_FIELDS(10, a, b, c, d, e, f, g, h, i, j);
HEIRLOOM_FIELDS(11, a, b, c, d, e, f, g, h, i, j, k);
HEIRLOOM_FIELDS(12, a, b, c, d, e, f, g, h, i, j, k, l);

#undef HEIRLOOM_FIELDS

template <class T>
using aggregate_fields = fields_of<T, member_count<T>>;

}  // namespace heirloom::detail
