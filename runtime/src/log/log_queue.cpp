#include "log/log_queue.hpp"

#include <chrono>

namespace heirloom::detail {

log_queue::log_queue(log_sink sink, bool direct) : sink_(std::move(sink)), direct_(direct) {
    if (!direct_) thread_ = std::thread([this] { thread_main(); });
}

log_queue::~log_queue() {
    if (direct_) return;
    stop_.store(true, std::memory_order_release);
    queue_.enqueue(log_event{.event = "stop"});
    thread_.join();
}

void log_queue::emit(const log_event& event) noexcept {
    try {
        sink_(event);
    } catch (...) {
        failed_.fetch_add(1, std::memory_order_relaxed);
    }
}

void log_queue::tell_failures() noexcept {
    if (const auto bad = failed_.exchange(0, std::memory_order_relaxed))
        emit({.level = log_level::warning,
              .event = "log_failed",
              .text = "the log sink threw " + std::to_string(bad) + " times"});
}

void log_queue::push(log_event event) noexcept {
    if (direct_) {
        emit(event);
        return tell_failures();
    }
    if (length_.fetch_add(1, std::memory_order_acq_rel) >= capacity) {
        length_.fetch_sub(1, std::memory_order_acq_rel);
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    bool queued = false;
    try {
        queued = queue_.enqueue(std::move(event));
    } catch (...) {
        queued = false;
    }
    if (!queued) {
        length_.fetch_sub(1, std::memory_order_acq_rel);
        dropped_.fetch_add(1, std::memory_order_relaxed);
    }
}

void log_queue::flush() noexcept {
    if (direct_) return;
    for (int i = 0; i < 1000 && length_.load(std::memory_order_acquire) > 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void log_queue::thread_main() noexcept {
    log_event event;
    for (;;) {
        queue_.wait_dequeue(event);
        if (stop_.load(std::memory_order_acquire) && event.event == "stop") {
            // Events of several producers may still be behind the stop mark.
            while (queue_.try_dequeue(event))
                if (event.event != "stop") emit(event);
            return;
        }
        emit(event);
        event = {};
        length_.fetch_sub(1, std::memory_order_acq_rel);
        if (const auto lost = dropped_.exchange(0, std::memory_order_relaxed))
            emit({.level = log_level::warning,
                  .event = "log_dropped",
                  .text = std::to_string(lost) + " log events were dropped: the sink is too slow"});
        tell_failures();
    }
}

}  // namespace heirloom::detail
