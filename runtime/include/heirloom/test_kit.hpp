#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

#include <heirloom/clock.hpp>
#include <heirloom/detail/faults.hpp>
#include <heirloom/explore.hpp>
#include <heirloom/names.hpp>
#include <heirloom/runtime.hpp>

// For tests of programs that use the library.
namespace heirloom {

/// Thrown by `require`: what did not hold, and where.
class requirement_failed : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A check for the body of an exploration or any process: an exception fails the seed, with its
/// place and text.
inline void require(bool holds, std::string_view what = "a requirement",
                    std::source_location where = std::source_location::current()) {
    if (holds) return;
    throw requirement_failed(std::string(what) + " does not hold (line " +
                             std::to_string(where.line()) + ")");
}

/// Waits until another process than `last` has the name, and returns it: the restarted one, or, for
/// no `last`, the first. Throws requirement_failed when the limit passes. Requires: called by a
/// process.
pid next_incarnation(atom name, pid last = {}, duration limit = std::chrono::seconds(5));

/// Drives a deterministic runtime by hand. While it exists the clock stands, and moves by `advance`
/// and `run_until` alone; who runs next still comes from the seed. Requires: a thread that runs no
/// process; the runtime is deterministic (bad_argument otherwise), and outlives it.
class stepper {
public:
    explicit stepper(runtime& rt);
    ~stepper();
    stepper(const stepper&) = delete;
    stepper& operator=(const stepper&) = delete;

    /// Lets one process run until it waits, ends or is switched away from. False: nobody can run
    /// now.
    bool step();
    /// Steps until nobody can run now; returns how many steps that took. Throws requirement_failed
    /// past `limit`.
    std::size_t settle(std::size_t limit = 1'000'000);
    /// Moves the clock, firing timers at their deadlines, in order, and letting run whoever they
    /// wake.
    void advance(duration by);
    /// Steps, and lets time pass to the next deadline when nobody can run, until `holds`; false if
    /// it never will: nobody can run and no timer is armed, or `limit` steps were taken.
    bool run_until(const std::function<bool()>& holds, std::size_t limit = 1'000'000);

    /// The virtual time.
    time_point now() const;
    /// When the next timer fires or the next limit passes.
    std::optional<time_point> next_deadline() const;
    /// Whether somebody can run now.
    bool can_step() const;
    /// How often a fault has struck so far.
    std::uint64_t struck(detail::fault f) const;

    /// As the free function, from outside.
    pid next_incarnation(atom name, pid last = {}, duration limit = std::chrono::seconds(5));
    /// Everybody who waits and for what, as in the report of a deadlock.
    std::string who_waits() const;

private:
    detail::runtime_core& core_;
    bool clock_stood_;
};

}  // namespace heirloom
