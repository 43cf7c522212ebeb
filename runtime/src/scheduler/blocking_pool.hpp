#pragma once

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include <blockingconcurrentqueue.h>

// blocking_pool: threads that run what blocks (R14). Grows to its limit, one thread at a time, whenever a job finds
// nobody idle; shrinks never.
namespace heirloom::detail {

class process;
class runtime_core;

struct blocking_job {
    process* who = nullptr;
    void (*run)(void*) = nullptr;
    void* argument = nullptr;
    void* thrown = nullptr;  // std::exception_ptr of the process's frame
    bool refused = false;
};

class blocking_pool {
public:
    explicit blocking_pool(runtime_core& core, unsigned limit) : core_(core), limit_(limit) {}
    ~blocking_pool();
    /// False if the job could not be queued for want of memory or threads; the caller still owns it. Enqueues, hence not
    /// inlined; see thread_context.hpp.
    [[gnu::noinline]] bool submit(blocking_job* job) noexcept;
    void stop() noexcept;

private:
    /// Unless there are as many as there may be. False if nobody would come to a job.
    bool start_thread() noexcept;
    void thread_main() noexcept;

    runtime_core& core_;
    const unsigned limit_;
    moodycamel::BlockingConcurrentQueue<blocking_job*> jobs_;
    std::atomic<int> idle_{0};
    std::mutex mutex_;
    std::vector<std::thread> threads_;  // guarded by mutex_
    bool stopped_ = false;              // guarded by mutex_
};

}  // namespace heirloom::detail
