#pragma once

#include "heirloom/detail/running.hpp"
#include "heirloom/detail/switching.hpp"
#include "platform/sanitizers.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>

#include <sys/types.h>

namespace heirloom::detail {

class worker;
class process;
class runtime_core;
struct stack;

/// What the library knows of an operating-system thread. One for each thread that has called it.
struct thread_context : thread_words {
    worker* role = nullptr;      // the worker this thread drives; null for foreign and pool threads
    process* current = nullptr;  // whose code is running; set with `running`, see set_current()
    runtime_core* core = nullptr;  // the runtime it works for
    exception_state* exceptions = nullptr;
    // The thread's own stack, left while it drives a worker.
    void* native_context = nullptr;
#if HEIRLOOM_ASAN
    const void* native_bottom = nullptr;
    std::size_t native_size = 0;
#endif
#if HEIRLOOM_TSAN
    void* native_fiber = nullptr;
#endif
    void* reader_slot = nullptr;  // see reclamation.hpp, for threads that drive no worker
    bool pool_thread = false;     // runs blocking(f): waits throw
    clockid_t cpu_clock = 0;      // of this thread's CPU time
    pid_t system_id = 0;          // of this thread, for the system
    stack* orphaned = nullptr;    // after a revocation: the stack its process runs on
};

[[gnu::noinline, gnu::cold]] thread_context& make_context() noexcept;

// Besides this the library reads two things of the thread's own: errno, and moodycamel's queues, which know a producer that has
// no token by the address of a thread-local. Compilers take that address, and errno's, for constant within a function, so
// whoever reads them calls nothing that switches and is never inlined: not by link-time optimisation, nor in a unity build.

/// Not to be kept across a switch; see known_thread().
inline thread_context& this_thread() noexcept {
    thread_words* context = known_thread();
    return __builtin_expect(context != nullptr, 1) ? static_cast<thread_context&>(*context)
                                                   : make_context();
}

}  // namespace heirloom::detail
