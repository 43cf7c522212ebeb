#include "log/log_queue.hpp"

#include <chrono>

namespace heirloom::detail {

log_queue::log_queue(log_sink sink, bool direct) : sink_(std::move(sink)), direct_(direct) {
    if (!direct_) thread_ = std::thread([this] { thread_main(); });
}

log_queue::~log_queue() {
    if (direct_) return;
    stop_.store(true, std::memory_order_release);
    spot_.unpark();
    thread_.join();
}

void log_queue::emit(const log_event& event) noexcept {
    try {
        sink_(event);
    } catch (...) {
        failed_.fetch_add(1, std::memory_order_relaxed);
    }
}

void log_queue::emit(log_draft& draft) noexcept {
    try {
        sink_(draft.write());
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
    try {
        auto write = [e = std::move(event)]() mutable { return std::move(e); };
        push(std::make_unique<log_draft_of<decltype(write)>>(std::move(write)));
    } catch (...) {  // no memory
        dropped_.fetch_add(1, std::memory_order_relaxed);
    }
}

void log_queue::push(std::unique_ptr<log_draft> draft) noexcept {
    if (direct_) {
        emit(*draft);
        return tell_failures();
    }
    // seq_cst: pairs with the thread's store to asleep_ and load of this, so that one of the two sees the other.
    if (length_.fetch_add(1, std::memory_order_seq_cst) >= capacity) {
        length_.fetch_sub(1, std::memory_order_acq_rel);
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    bool queued = false;
    try {
        handed_over(&queue_);
        queued = queue_.enqueue(std::move(draft));
    } catch (...) {
        queued = false;
    }
    if (!queued) {
        length_.fetch_sub(1, std::memory_order_acq_rel);
        dropped_.fetch_add(1, std::memory_order_relaxed);
    } else if (asleep_.load(std::memory_order_seq_cst)) {
        spot_.unpark();
    }
}

void log_queue::flush() noexcept {
    if (direct_) return;
    for (int i = 0; i < 1000 && length_.load(std::memory_order_acquire) > 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void log_queue::thread_main() noexcept {
    constexpr int quiet_rounds = 20;
    constexpr std::int64_t round_ns = 1'000'000;
    std::unique_ptr<log_draft> draft;
    for (int quiet = 0;;) {
        if (!queue_.try_dequeue(draft)) {
            if (stop_.load(std::memory_order_acquire) &&
                length_.load(std::memory_order_acquire) == 0)
                return;
            if (++quiet < quiet_rounds) {
                spot_.park(round_ns);
                continue;
            }
            quiet = 0;
            asleep_.store(true, std::memory_order_seq_cst);
            if (length_.load(std::memory_order_seq_cst) == 0 &&
                !stop_.load(std::memory_order_acquire))
                spot_.park(-1);
            asleep_.store(false, std::memory_order_relaxed);
            continue;
        }
        taken_over(&queue_);
        quiet = 0;
        emit(*draft);
        draft.reset();
        length_.fetch_sub(1, std::memory_order_acq_rel);
        if (const auto lost = dropped_.exchange(0, std::memory_order_relaxed))
            emit({.level = log_level::warning,
                  .event = "log_dropped",
                  .text = std::to_string(lost) + " log events were dropped: the sink is too slow"});
        tell_failures();
    }
}

}  // namespace heirloom::detail
