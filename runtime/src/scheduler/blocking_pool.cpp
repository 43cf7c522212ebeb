#include "scheduler/blocking_pool.hpp"

#include "heirloom/blocking.hpp"
#include "heirloom/errors.hpp"
#include "platform/inside.hpp"
#include "process/lifecycle.hpp"
#include "process/throw_stack.hpp"
#include "scheduler/runtime_core.hpp"

#include <exception>

#include <pthread.h>

namespace heirloom::detail {

blocking_pool::~blocking_pool() { stop(); }

bool blocking_pool::submit(blocking_job* job) noexcept {
    // idle_ counts threads that wait or are about to look; a job queued for a thread that is about to look is found.
    const bool served = idle_.fetch_sub(1, std::memory_order_acq_rel) > 0 || start_thread();
    handed_over(job);
    // Last: once it is queued, it is run.
    try {
        if (served && jobs_.enqueue(job)) return true;
    } catch (...) {  // NOLINT(bugprone-empty-catch): refused, as below
    }
    idle_.fetch_add(1, std::memory_order_acq_rel);
    return false;
}

bool blocking_pool::start_thread() noexcept {
    std::lock_guard lock(mutex_);
    if (stopped_ || threads_.size() >= limit_) return true;  // a busy thread will come to it
    try {
        threads_.emplace_back([this] { thread_main(); });
    } catch (...) {
        return !threads_.empty();
    }
    return true;
}

void blocking_pool::stop() noexcept {
    std::vector<std::thread> all;
    {
        std::lock_guard lock(mutex_);
        stopped_ = true;
        all.swap(threads_);
    }
    for (std::size_t i = 0; i < all.size(); ++i) jobs_.enqueue(nullptr);
    for (auto& t : all) t.join();
}

void blocking_pool::thread_main() noexcept {
    pthread_setname_np(pthread_self(), "heirloom block");
    thread_context& t = this_thread();
    t.core = &core_;
    t.pool_thread = true;
    for (;;) {
        blocking_job* job = nullptr;
        jobs_.wait_dequeue(job);
        if (!job) return;
        taken_over(job);
        t.current = job->who;
        try {
            job->run(job->argument);
        } catch (thrown_stack_probe&) {
            // Never entered: it takes down the throwing stack; see throw_stack.hpp.
        } catch (...) {
            keep_thrown_stack(std::current_exception());
            *static_cast<std::exception_ptr*>(job->thrown) = std::current_exception();
        }
        t.current = nullptr;
        idle_.fetch_add(1, std::memory_order_acq_rel);
        process* p = job->who;  // the job lives on its stack: gone once it runs
        core_.inject(p);
    }
}

void run_blocking(void (*run)(void*), void* argument) {
    inside_scope scope;
    scope.may_move();
    process& p = running_process("blocking");
    refuse_wait(p, "blocking");
    take_signals(p);
    runtime_core& core = *runtime_core::current();
    if (core.is_deterministic()) {  // one step (R18)
        // As on a pool thread: it is still the process, and may not wait.
        thread_context& t = this_thread();
        struct as_pool_thread {
            thread_context& t;
            worker* role = std::exchange(t.role, nullptr);
            explicit as_pool_thread(thread_context& thread) : t(thread) { t.pool_thread = true; }
            ~as_pool_thread() {
                t.pool_thread = false;
                t.role = role;
            }
        } scope_of_pool(t);
        run(argument);
        return;
    }
    std::exception_ptr thrown;
    blocking_job job{&p, run, argument, &thrown};
    p.blocking = &job;
    leave_running(this_thread(), p, farewell::block);
    if (job.refused)
        throw limit_reached("blocking threads", "heirloom: blocking: no thread can be started");
    if (thrown) std::rethrow_exception(thrown);
    take_signals(p);
}

}  // namespace heirloom::detail
