#pragma once

// The thread that runs this, as the library knows it. It stands in a public header because the inline ways into table verbs and
// blocks begin with it.
namespace heirloom::detail {

struct thread_words;

// The calling thread's context must not be kept across a switch: a process may resume on another thread, and compilers treat
// a thread-local's address as constant within a function.
#if defined(__x86_64__)
extern "C" {
extern constinit thread_local thread_words* heirloom_this_thread
    __attribute__((tls_model("initial-exec")));
}
/// Null in a thread that has not called the library yet.
[[gnu::always_inline]] inline thread_words* known_thread() noexcept {
    // Two loads that the compiler can neither merge nor keep across a call, which a switch is.
    thread_words* context;
    asm volatile("movq heirloom_this_thread@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0"
                 : "=r"(context)
                 :
                 : "memory");
    return context;
}
#else
/// Never inlined, for that reason.
[[gnu::noinline]] thread_words* known_thread() noexcept;
#endif

}  // namespace heirloom::detail
