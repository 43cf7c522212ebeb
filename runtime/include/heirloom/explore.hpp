#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <heirloom/runtime.hpp>

namespace heirloom {

/// Seeds `first`, `first + 1`, ... A number alone is how many, from 1.
struct seed_range {
    std::uint64_t first = 1;
    std::uint64_t count = 1;
    constexpr seed_range(std::uint64_t how_many) noexcept
        : count(how_many) {}  // NOLINT(google-explicit-constructor)
    constexpr seed_range(std::uint64_t from, std::uint64_t how_many) noexcept
        : first(from), count(how_many) {}
};

struct explore_options {
    /// Of the runtime that every seed gets; its seed, trace and log sink are explore's.
    options runtime = {};
    /// What is explored, for the report.
    std::string name = {};
    /// The command that runs the body again; empty: this program's own, with its arguments.
    std::string replay = {};
    /// Asked after every seed, for checks that do not throw: whether the body has failed.
    std::function<bool()> failed = {};
    /// Lines of the trace in the report, the last ones; 0: all.
    std::size_t trace_lines = 200;
    /// A seed fails that has not ended after so many steps.
    std::uint64_t step_limit = 2'000'000;
    /// Where the report of a failure goes; null: std::cerr.
    std::ostream* out = nullptr;
};

/// What came of it. True if no seed failed.
struct exploration {
    std::uint64_t seeds = 0;  // how many were run
    std::optional<std::uint64_t> failing_seed = {};
    std::string why = {};                 // of the failure
    std::vector<std::string> trace = {};  // all of the failing seed
    std::string replay = {};              // the command that runs this seed alone
    /// False: the failing seed ended otherwise when it was run again, so something outside the
    /// runtime has a say in the body: the time of day, a thread, an address, what an earlier seed
    /// left behind.
    bool reproducible = true;
    explicit operator bool() const noexcept { return !failing_seed; }
};

/// Runs `body` as the main process of a deterministic runtime, once for each seed, and stops at the
/// first that fails: an exception left the body, its process ended otherwise than by returning,
/// nobody can run (deadlock), or it does not end. That seed is then run again for its trace, and
/// reported: why, the trace, and the command that replays it.
///
/// The body must be repeatable: it gets nothing from the seed before, and reads time, chance and
/// identity from the runtime alone. HEIRLOOM_SEEDS=N in the environment runs N seeds instead;
/// HEIRLOOM_SEED=S runs that one alone and prints its trace. Requires: a thread that runs no
/// process.
[[nodiscard]] exploration explore(const std::function<void()>& body, seed_range seeds,
                                  const explore_options& options = {});

/// Runs `body` once and returns every line of its trace, whatever it ends with; the last line says
/// that. Equal seeds give equal lines, on every run, whatever
/// compiler built it.
[[nodiscard]] std::vector<std::string> trace_of(const std::function<void()>& body,
                                                std::uint64_t seed, const options& opts = {});

}  // namespace heirloom
