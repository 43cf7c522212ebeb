#pragma once

#include "support/inside.hpp"

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

// What the tables' tests have beyond support/inside.hpp.
namespace heirloom::test {

using namespace std::chrono_literals;

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
