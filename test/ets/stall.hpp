#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>

#include <heirloom/process.hpp>

namespace heirloom::test {

/// CPU time of the calling thread in microseconds: other programs on the machine do not count.
inline std::int64_t thread_time_us() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1'000'000ll + time.tv_nsec / 1'000;
}

/// The longest that a process which is always ready has to wait for its turn, on one worker, while `work` runs in the
/// calling process and until `over()` holds, in microseconds of CPU time. Requires: a runtime of one worker.
template <class F, class G>
std::int64_t longest_stall_us(F work, G over) {
    std::atomic<bool> done{false};
    std::atomic<bool> ended{false};
    std::int64_t longest = 0;
    spawn([&] {
        std::int64_t last = thread_time_us();
        while (!done) {
            yield();
            const std::int64_t now = thread_time_us();
            longest = std::max(longest, now - last);
            last = now;
        }
        ended = true;
    });
    yield();
    work();
    while (!over()) yield();
    done = true;
    while (!ended) yield();
    return longest;
}

}  // namespace heirloom::test
