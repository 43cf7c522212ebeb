#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>

#include <pthread.h>

#include <heirloom/process.hpp>

// For the tests, and for bench/ets/stall.cpp, which does the same with ten million rows.
namespace heirloom::test {

/// The thread of the moment. The C library lets the compiler remember pthread_self() for good; but a process may move to
/// another thread, and the difference of two threads' times is no stall.
[[gnu::noinline]] inline pthread_t thread_here() {
    asm volatile("");
    return pthread_self();
}

/// CPU time, for other programs on the machine do not count; of whose thread, for a process may move to another.
struct thread_time {
    pthread_t thread = thread_here();
    std::int64_t us = [] {
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return time.tv_sec * 1'000'000ll + time.tv_nsec / 1'000;
    }();
};

/// The longest that a process which is always ready has to wait for its turn, on one worker, while `work` runs in the
/// calling process and until `over()` holds, in microseconds of CPU time. Requires: a runtime of one worker.
template <class F, class G>
std::int64_t longest_stall_us(F work, G over) {
    std::atomic<bool> done{false};
    std::atomic<bool> ended{false};
    std::int64_t longest = 0;
    spawn([&] {
        thread_time last;
        while (!done) {
            yield();
            const thread_time now;
            if (pthread_equal(now.thread, last.thread))
                longest = std::max(longest, now.us - last.us);
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
