#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

#include <boost/pfr/tuple_size.hpp>

// The declared types of an aggregate's members. Boost.PFR counts them; its own accessors lose the
// difference between `int` and `int&`, which is what ownership is about, so the types are read here.
namespace heirloom::detail {

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
using aggregate_fields = fields_of<T, boost::pfr::tuple_size_v<T>>;

}  // namespace heirloom::detail
