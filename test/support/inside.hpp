#pragma once

#include <cstdlib>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <heirloom/runtime.hpp>

// Running a test's body inside a runtime. Processes do not use gtest: what a process finds wrong it throws, and the
// test's own thread asserts.
namespace heirloom::test {

class found_wrong : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Throws, naming the line, unless `holds`.
inline void require(bool holds, const std::string& what = "does not hold",
                    std::source_location where = std::source_location::current()) {
    if (!holds)
        throw found_wrong(std::string(where.file_name()) + ":" + std::to_string(where.line()) +
                          ": " + what);
}
template <class A, class B>
void require_eq(const A& got, const B& wanted,
                std::source_location where = std::source_location::current()) {
    if (got == wanted) return;
    std::ostringstream out;
    if constexpr (requires { out << got << wanted; })
        out << "got " << got << ", wanted " << wanted;
    else
        out << "values differ";
    require(false, std::move(out).str(), where);
}
/// What `f` throws of type E; throws found_wrong if it does not.
template <class E, class F>
E thrown_by(F&& f, std::source_location where = std::source_location::current()) {
    try {
        f();
    } catch (const E& e) {
        return e;
    }
    require(false, "nothing was thrown", where);
    std::abort();
}
/// That `f` throws an E.
template <class E, class F>
void require_throws(F&& f, std::source_location where = std::source_location::current()) {
    (void)thrown_by<E>(std::forward<F>(f), where);
}

inline log_sink no_log() {
    return [](const log_event&) {};
}

/// Runs `body` as a process of `rt`; what it throws says what does not hold. Name the body first, as everywhere here: inside
/// EXPECT_TRUE(...) each of its lines would be the macro's.
template <class F>
[[nodiscard]] testing::AssertionResult holds_inside(runtime& rt, const F& body) {
    try {
        rt.invoke(body);
    } catch (const std::exception& e) {
        return testing::AssertionFailure() << e.what();
    }
    return testing::AssertionSuccess();
}
/// `body` holds as a process on 1, on 2 and on 4 workers.
template <class F>
[[nodiscard]] testing::AssertionResult holds_on_all_workers(const F& body) {
    auto all = testing::AssertionSuccess();
    for (unsigned workers : {1u, 2u, 4u}) {
        runtime rt({.workers = workers, .log = no_log()});
        const auto one = holds_inside(rt, body);
        if (one) continue;
        if (all) all = testing::AssertionFailure();
        all << "\n  on " << workers << (workers == 1 ? " worker: " : " workers: ") << one.message();
    }
    return all;
}

}  // namespace heirloom::test
