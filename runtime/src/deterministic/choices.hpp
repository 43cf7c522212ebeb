#pragma once

#include "heirloom/detail/faults.hpp"
#include "heirloom/pid.hpp"
#include "heirloom/runtime.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace heirloom::detail {

class process;

/// The one source of every choice in deterministic mode (R18), and what the choices have brought
/// about. SplitMix64: small, and the same on every machine.
class seeded_choices {
public:
    explicit seeded_choices(deterministic_options opts)
        : opts_(std::move(opts)), state_(*opts_.seed) {}

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
    /// Whether this fault strikes here. A fault that is off draws nothing, so it does not change
    /// the schedule.
    bool strikes(fault f) noexcept {
        if (!chance(chance_of(f))) return false;
        ++struck[static_cast<std::size_t>(f)];
        return true;
    }
    unsigned chance_of(fault f) const noexcept {
        const fault_options& faults = opts_.faults;
        switch (f) {
        case fault::kill:
            return faults.kill;
        case fault::fail_allocation:
            return faults.fail_allocation;
        case fault::fail_stack:
            return faults.fail_stack;
        case fault::delay_worker:
            return faults.delay_worker;
        case fault::crash_init:
            return faults.crash_init;
        case fault::crash_terminate:
            return faults.crash_terminate;
        }
        return 0;
    }
    const deterministic_options& options() const noexcept { return opts_; }
    bool tracing() const noexcept { return static_cast<bool>(opts_.trace); }

    // What the driver keeps between two steps.
    std::uint64_t steps = 0;        // processes picked so far
    std::uint64_t stop_at = ~0ull;  // back to the driver when `steps` reaches it
    bool clock_stands = false;      // a test moves it by hand
    std::array<std::uint64_t, fault_count> struck{};
    struct delayed {
        std::int64_t until;
        process* who;
    };
    std::vector<delayed> late;             // runnable, on a worker that is delayed
    std::vector<std::int64_t> late_until;  // by worker: its timers stand still until then

private:
    deterministic_options opts_;
    std::uint64_t state_;
};

}  // namespace heirloom::detail
