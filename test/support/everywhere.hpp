#pragma once

#include "support/effort.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/runtime.hpp>

// Runs one body in every way a runtime can run: on 1, 2 and 4 worker threads, and in deterministic mode from many
// seeds. The body is the main process. Processes report by message; the main process writes what it found into its
// witness, and the test's own thread asserts when the run has ended.
namespace heirloom::test {

/// Keeps what a runtime logs, so that a test may look at it and nothing is printed.
class captured_log {
public:
    log_sink sink() const;
    std::vector<log_event> events() const;
    /// Those with this event name.
    std::vector<log_event> events(std::string_view event) const;
    std::string text() const;

private:
    struct state {
        std::mutex mutex;
        std::vector<log_event> events;  // guarded by mutex
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

/// Of a runtime that prints nothing; `log` keeps what it would have printed.
options quiet(unsigned workers, const captured_log& log = {});

/// The value of a field of a log event; empty if it has none.
std::string field(const log_event& event, std::string_view name);

/// How one run of a body is set up.
struct setting {
    unsigned workers = 1;
    std::optional<std::uint64_t> seed = {};
    std::string text() const;
};

/// What the main process of one run finds. That process alone writes it.
class witness {
public:
    witness(setting how, const captured_log& log) : how_(how), log_(log) {}

    void that(bool holds, std::string_view what = "a condition",
              std::source_location where = std::source_location::current()) {
        if (!holds) fail(std::string(what) + " does not hold", where);
    }
    template <class A, class B>
    void equal(const A& is, const B& should_be,
               std::source_location where = std::source_location::current()) {
        if (is == should_be) return;
        std::ostringstream text;
        text << "is ";
        print(text, is);
        text << ", should be ";
        print(text, should_be);
        fail(text.str(), where);
    }
    void fail(std::string text, std::source_location where = std::source_location::current());

    bool deterministic() const noexcept { return how_.seed.has_value(); }
    unsigned workers() const noexcept { return how_.workers; }
    /// How long to wait for what must not come. Costs nothing in deterministic mode.
    duration a_while() const noexcept {
        return deterministic() ? duration(std::chrono::seconds(1))
                               : duration(std::chrono::milliseconds(20));
    }
    /// `here` where time and threads are real, a small number for each of many seeds.
    int times(int here, int seeded) const noexcept {
        const int n = deterministic() ? seeded : here;
        return (under_tsan || under_asan) && n > 20 ? n / 10 : n;
    }
    const captured_log& log() const noexcept { return log_; }
    const std::vector<std::string>& failures() const noexcept { return failures_; }

private:
    template <class T>
    static void print(std::ostream& out, const T& value) {
        if constexpr (requires { out << value; })
            out << value;
        else if constexpr (requires {
                               value.begin();
                               value.end();
                           }) {
            out << '[';
            for (const auto& each : value) {
                print(out, each);
                out << ' ';
            }
            out << ']';
        } else if constexpr (std::is_enum_v<T>)
            out << static_cast<int>(value);
        else
            out << "something else";
    }
    setting how_;
    const captured_log& log_;
    std::vector<std::string> failures_;
};

struct effort {
    std::vector<unsigned> workers = {1, 2, 4};
    std::size_t seeds = test::seeds();
    /// For what differs from the default: stack sizes, limits, faults.
    std::function<void(options&)> adjust = {};
};
/// For bodies that take many milliseconds of computing.
effort costly();
/// Only where time is real.
effort threads_only();

/// The body finds nothing wrong and ends normally, in every way; else the failure says in which way it did not, what was
/// found and what was logged. Name the body first: inside EXPECT_TRUE(...) each of its lines would be the macro's.
[[nodiscard]] testing::AssertionResult holds_everywhere(const std::function<void(witness&)>& body,
                                                        const effort& how = {});
/// One run; what went wrong, empty if nothing.
std::string run_once(const std::function<void(witness&)>& body, const setting& how,
                     const std::function<void(options&)>& adjust = {});

}  // namespace heirloom::test
