#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

namespace heirloom {

namespace detail {
constexpr std::uint64_t hash_text(const char* text, std::size_t length) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325ull ^ length;
    for (std::size_t i = 0; i < length; ++i) {
        hash ^= static_cast<unsigned char>(text[i]);
        hash *= 0x100000001b3ull;
    }
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93ull;
    return hash ^ (hash >> 32);
}
}  // namespace detail

/// A name that compares about as fast as a number. Made from a literal at compile time (`"counter"_a`), or by
/// `intern` from text known only at run time. Equality is by text: the hash only decides quickly.
class atom {
public:
    /// The empty name, which names nothing.
    constexpr atom() noexcept = default;

    template <std::size_t N>
    consteval atom(const char (&literal)[N]) noexcept  // NOLINT(google-explicit-constructor)
        : hash_(N == 1 ? 0 : detail::hash_text(literal, N - 1)), text_(literal) {}

    /// The atom of any text; the text is kept until the program ends.
    static atom intern(std::string_view text);

    constexpr std::string_view text() const noexcept {
        return text_ ? std::string_view(text_) : std::string_view();
    }
    constexpr const char* c_str() const noexcept { return text_ ? text_ : ""; }
    constexpr std::uint64_t hash() const noexcept { return hash_; }
    constexpr explicit operator bool() const noexcept { return hash_ != 0; }

    friend constexpr bool operator==(atom a, atom b) noexcept {
        return a.hash_ == b.hash_ && (a.text_ == b.text_ || a.text() == b.text());
    }
    friend constexpr auto operator<=>(atom a, atom b) noexcept { return a.text() <=> b.text(); }

private:
    friend constexpr atom operator""_a(const char* text, std::size_t length) noexcept;
    constexpr atom(std::uint64_t hash, const char* text) noexcept : hash_(hash), text_(text) {}

    std::uint64_t hash_ = 0;
    const char* text_ = nullptr;
};

constexpr atom operator""_a(const char* text, std::size_t length) noexcept {
    return atom(length == 0 ? 0 : detail::hash_text(text, length), text);
}

std::ostream& operator<<(std::ostream& out, atom a);

}  // namespace heirloom

template <>
struct std::hash<heirloom::atom> {
    std::size_t operator()(heirloom::atom a) const noexcept { return a.hash(); }
};
