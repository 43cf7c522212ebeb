#pragma once

#include "heirloom/child_spec.hpp"

#include <cstddef>
#include <deque>

namespace heirloom::detail {

/// The restarts of the last while. Counting one costs the same however many there are: each time is put in once
/// and taken out once.
///   I1  times_ is in order; those older than the period are at its front and are dropped when the next is counted.
class restart_window {
public:
    explicit restart_window(const restart_intensity& limit) noexcept : limit_(limit) {}

    /// Counts a restart now. False if it is one too many.
    bool count(time_point now) {
        forget_older(now);
        times_.push_back(now);
        return times_.size() <= allowed();
    }
    std::size_t recent(time_point now) {
        forget_older(now);
        return times_.size();
    }
    /// As of the last count().
    std::size_t counted() const noexcept { return times_.size(); }
    std::size_t allowed() const noexcept { return static_cast<std::size_t>(limit_.restarts); }
    duration within() const noexcept { return limit_.within; }

private:
    void forget_older(time_point now) {
        while (!times_.empty() && now - times_.front() > limit_.within) times_.pop_front();
    }
    restart_intensity limit_;
    std::deque<time_point> times_;
};

}  // namespace heirloom::detail
