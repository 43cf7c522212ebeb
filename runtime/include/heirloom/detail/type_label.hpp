#pragma once

#include <iosfwd>
#include <string_view>
#include <typeinfo>

namespace heirloom::detail {

/// A type as the compiler at hand spells it; each compiler has a spelling of its own.
template <class T>
consteval std::string_view spelled_type() {
    std::string_view text = __PRETTY_FUNCTION__;
    auto begin = text.find("T = ") + 4;
    auto end = text.find_first_of(";]", begin);
    return text.substr(begin, end - begin);
}

/// The name of a type by the ABI, which is the same from every compiler and at every level of optimisation: for what
/// people read, and for traces, which have to be equal byte by byte. Put in words at the first question and kept for
/// ever; takes a lock.
std::string_view words_of(const std::type_info& type);

template <class T>
std::string_view type_name() {
#if defined(__cpp_rtti)
    return words_of(typeid(T));
#else
    return spelled_type<T>();
#endif
}

/// The same for a constant: of a type, or a name for what has no type (a signal, a process of the library's).
struct type_label {
    std::string_view spelled = {};         // at hand at once, also in a signal handler
    const std::type_info* type = nullptr;  // null: `spelled` is the name

    constexpr type_label() = default;
    consteval type_label(const char* name)
        : spelled(name) {}  // NOLINT(google-explicit-constructor)
    consteval type_label(std::string_view name, const std::type_info* t) : spelled(name), type(t) {}

    std::string_view text() const { return type ? words_of(*type) : spelled; }
    operator std::string_view() const { return text(); }  // NOLINT(google-explicit-constructor)
};
std::ostream& operator<<(std::ostream& out, const type_label& label);

template <class T>
consteval type_label make_label() {
#if defined(__cpp_rtti)
    return {spelled_type<T>(), &typeid(T)};
#else
    return {spelled_type<T>(), nullptr};
#endif
}
template <class T>
inline constexpr type_label label_of = make_label<T>();

}  // namespace heirloom::detail
