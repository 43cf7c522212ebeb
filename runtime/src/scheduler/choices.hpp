#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "heirloom/pid.hpp"
#include "heirloom/runtime.hpp"

namespace heirloom::detail {

/// The one source of every choice in deterministic mode (R18), and the trace of what was chosen. SplitMix64: small, and
/// the same on every machine.
class seeded_choices {
public:
    explicit seeded_choices(deterministic_options opts) : opts_(std::move(opts)), state_(*opts_.seed) {}

    std::uint64_t next() noexcept {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        return z ^ (z >> 31);
    }
    /// In [0, n).
    std::uint64_t below(std::uint64_t n) noexcept { return n ? next() % n : 0; }
    /// True with this many parts per million.
    bool chance(unsigned parts_per_million) noexcept {
        return parts_per_million != 0 && below(1'000'000) < parts_per_million;
    }
    const deterministic_options& options() const noexcept { return opts_; }

    bool tracing() const noexcept { return static_cast<bool>(opts_.trace); }
    void trace(std::int64_t now, std::string_view what, pid who, std::string_view detail = {}) {
        if (!opts_.trace) return;
        std::string line = std::to_string(now);
        line += ' ';
        line += what;
        if (who) {
            line += ' ';
            line += to_string(who);
        }
        if (!detail.empty()) {
            line += ' ';
            line += detail;
        }
        opts_.trace(line);
    }

private:
    deterministic_options opts_;
    std::uint64_t state_;
};

}  // namespace heirloom::detail
