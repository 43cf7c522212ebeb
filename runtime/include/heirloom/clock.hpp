#pragma once

#include <chrono>

namespace heirloom {

using duration = std::chrono::nanoseconds;

/// The runtime's own clock: monotonic, read once per scheduling step; virtual in deterministic mode.
/// From a thread that runs no process it is std::chrono::steady_clock.
struct runtime_clock {
    using duration = heirloom::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<runtime_clock>;
    static constexpr bool is_steady = true;
    static time_point now() noexcept;
};
using time_point = runtime_clock::time_point;

/// A limit that never passes.
inline constexpr duration forever = duration::max();

namespace detail {
/// The time of day; in deterministic mode the runtime's clock, counted from the epoch.
std::chrono::system_clock::time_point wall_clock_now() noexcept;

/// `now + limit`, saturating; throws bad_argument for a negative limit.
time_point deadline_after(duration limit, const char* function);

template <class Rep, class Period>
constexpr duration to_duration(std::chrono::duration<Rep, Period> d) {
    // Saturates: hours::max() means for ever, not a wrapped negative number.
    using wide = std::chrono::duration<long double, std::nano>;
    if (wide(d) >= wide(duration::max())) return duration::max();
    if (wide(d) <= wide(duration::min())) return duration::min();
    auto whole = std::chrono::duration_cast<duration>(d);
    return std::chrono::duration<Rep, Period>(d) > whole && whole < duration::max()
               ? whole + duration(1)  // never early
               : whole;
}
constexpr duration to_duration(duration d) noexcept { return d; }
}  // namespace detail

}  // namespace heirloom
