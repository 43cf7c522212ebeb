#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

namespace heirloom {

/// Names one process for ever: runtime, slot and generation in 64 bits. A value like any other; the
/// process it names may be long gone, and no later process is ever reached through it.
class pid {
public:
    constexpr pid() noexcept = default;

    /// False for the pid that names nobody. Says nothing of whether the process still lives.
    constexpr explicit operator bool() const noexcept { return bits_ != 0; }

    constexpr std::uint32_t runtime_index() const noexcept {
        return static_cast<std::uint32_t>(bits_ >> 56);
    }
    constexpr std::uint32_t slot() const noexcept {
        return static_cast<std::uint32_t>(bits_ >> 32) & 0xff'ffff;
    }
    constexpr std::uint32_t generation() const noexcept {
        return static_cast<std::uint32_t>(bits_);
    }

    /// The 64 bits, for logs and hash functions of other libraries.
    constexpr std::uint64_t bits() const noexcept { return bits_; }
    static constexpr pid from_bits(std::uint64_t bits) noexcept { return pid(bits); }
    static constexpr pid make(std::uint32_t runtime, std::uint32_t slot,
                              std::uint32_t generation) noexcept {
        return pid(std::uint64_t{runtime} << 56 | std::uint64_t{slot} << 32 | generation);
    }

    friend constexpr bool operator==(pid, pid) noexcept = default;
    friend constexpr auto operator<=>(pid, pid) noexcept = default;

private:
    explicit constexpr pid(std::uint64_t bits) noexcept : bits_(bits) {}
    std::uint64_t bits_ = 0;
};

/// `<0.42.7>`: runtime, slot, generation.
std::string to_string(pid p);
std::ostream& operator<<(std::ostream& out, pid p);

namespace detail {
/// Spreads the low-entropy bits of ids over a whole word.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ull;
    x ^= x >> 32;
    return x;
}
}  // namespace detail

}  // namespace heirloom

template <>
struct std::hash<heirloom::pid> {
    std::size_t operator()(heirloom::pid p) const noexcept {
        return heirloom::detail::mix(p.bits());
    }
};
