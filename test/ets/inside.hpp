#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/ets.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/names.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/runtime.hpp>
#include <heirloom/send.hpp>

// Running a test's body inside a runtime. Processes do not use gtest: what a process finds wrong it throws, and the
// test's own thread asserts.
namespace heirloom::test {

using namespace std::chrono_literals;

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
/// That `f` throws an E.
template <class E, class F>
void require_throws(F&& f, std::source_location where = std::source_location::current()) {
    try {
        f();
    } catch (const E&) {
        return;
    }
    require(false, "nothing was thrown", where);
}

/// Runs `body` as a process on 1, 2 and 4 workers; what it throws fails the test.
template <class F>
void on_all_workers(F body) {
    for (unsigned workers : {1u, 2u, 4u}) {
        SCOPED_TRACE("workers: " + std::to_string(workers));
        runtime rt({.workers = workers, .log = [](const log_event&) {}});
        try {
            rt.invoke(body);
        } catch (const std::exception& e) {
            ADD_FAILURE() << e.what();
        }
    }
}

/// A process that does what it is told.
class worker {
public:
    struct task {
        std::function<void()> job;
    };
    struct done {
        pid who;
        std::string wrong;
    };
    worker() {
        auto started = spawn_monitor([] {
            for (;;) {
                auto [job, boss] = receive<std::pair<task, pid>>();
                std::string wrong;
                try {
                    job.job();
                } catch (const std::exception& e) {
                    wrong = e.what();
                }
                send(boss, done{self(), wrong});
            }
        });
        who_ = started.pid;
        watch_ = started.ref;
    }
    pid id() const noexcept { return who_; }
    operator pid() const noexcept { return who_; }  // NOLINT(google-explicit-constructor)
    /// Runs `f` there and waits; what it throws is thrown here.
    template <class F>
    void run(F f, std::source_location where = std::source_location::current()) {
        begin(std::move(f));
        finish(where);
    }
    template <class F>
    void begin(F f) {
        send(who_, std::pair<task, pid>(task{std::move(f)}, self()));
    }
    void finish(std::source_location where = std::source_location::current()) {
        const pid who = who_;
        std::string wrong = receive(
            when([who](const done& d) { return d.who == who; }, [](done d) { return d.wrong; }));
        require(wrong.empty(), wrong, where);
    }
    /// Ends it and waits until that is known.
    void end(exit_reason why = reason::kill) {
        exit(who_, std::move(why));
        receive(when(watch_, [](down) {}));
    }

private:
    pid who_;
    monitor_ref watch_;
};

}  // namespace heirloom::test

namespace heirloom {
template <>
struct owns_what_it_holds<test::worker::task> : std::true_type {};
}  // namespace heirloom
