#pragma once

#include "support/inside.hpp"

#include <condition_variable>
#include <mutex>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/heirloom.hpp>

// What the supervisors' tests have beyond support/inside.hpp.
namespace heirloom::test {

/// The reason a call fails with.
template <class F>
exit_reason call_failure(F&& f, std::source_location where = std::source_location::current()) {
    return thrown_by<call_failed>(std::forward<F>(f), where).reason();
}

/// Log events, kept until looked at.
class log_keeper {
public:
    log_sink sink() {
        return [this](const log_event& e) {
            std::lock_guard lock(mutex_);
            events_.push_back({std::string(e.event), e.text});
            changed_.notify_all();
        };
    }
    struct kept {
        std::string event;
        std::string text;
    };
    std::vector<kept> events() const {
        std::lock_guard lock(mutex_);
        return events_;
    }
    std::size_t count(std::string_view event) const {
        std::lock_guard lock(mutex_);
        std::size_t n = 0;
        for (const kept& e : events_) n += e.event == event;
        return n;
    }
    /// Waits until an event of this kind came whose text contains `text`; false after 20 s.
    bool wait_for(std::string_view event, std::string_view text = {}) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(20), [&] {
            for (const kept& e : events_)
                if (e.event == event && e.text.find(text) != std::string::npos) return true;
            return false;
        });
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<kept> events_;
};

/// `body` holds on the clock of a deterministic run: waiting takes no time, and a limit passes when it says.
template <class F>
[[nodiscard]] testing::AssertionResult holds_in_virtual_time(const F& body) {
    runtime rt({.workers = 1, .deterministic = {.seed = 1}, .log = no_log()});
    return holds_inside(rt, body);
}

inline exit_reason down_of(const monitor_ref& ref) {
    return receive(when(ref, [](const down& d) { return d.reason; }));
}

}  // namespace heirloom::test
