#pragma once

#include "heirloom/log.hpp"
#include "platform/parking.hpp"
#include "platform/sanitizers.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include <concurrentqueue.h>

// log_queue: between the processes, which never wait for a log, and the sink, which may be slow. Bounded; what does not fit is
// dropped and counted, and the count is reported when there is room again. While events keep coming the thread looks for them every
// millisecond, so that none costs its producer a system call; it waits to be woken only after a quiet while. In deterministic mode the sink is called
// directly, so that the order of lines is part of the run.
namespace heirloom::detail {

class log_queue {
public:
    log_queue(log_sink sink, bool direct);
    ~log_queue();
    void push(log_event event) noexcept;
    /// Enqueues, hence not inlined; see thread_context.hpp.
    [[gnu::noinline]] void push(std::unique_ptr<log_draft> draft) noexcept;
    /// Waits until everything pushed so far has reached the sink.
    void flush() noexcept;

private:
    static constexpr std::int64_t capacity = 10'000;
    void thread_main() noexcept;
    void emit(const log_event& event) noexcept;
    void emit(log_draft& draft) noexcept;
    /// Reports what the sink has thrown since the last time.
    void tell_failures() noexcept;

    log_sink sink_;
    const bool direct_;
    moodycamel::ConcurrentQueue<std::unique_ptr<log_draft>> queue_;
    std::atomic<std::int64_t> length_{0};
    std::atomic<std::uint64_t> dropped_{0};
    std::atomic<std::uint64_t> failed_{0};
    std::atomic<bool> stop_{false};
    std::atomic<bool> asleep_{false};  // set by the thread before it looks once more and waits
    parking_spot spot_;
    std::thread thread_;
};

}  // namespace heirloom::detail
