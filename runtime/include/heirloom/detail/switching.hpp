#pragma once

#include <cstdint>

#include <heirloom/detail/sanitizers.hpp>

// The switch from one stack to another, as far as templates must see it: a receive that waits makes it in its own frame, so
// that nothing returns through a frame entered on another stack. The return predictor knows the process that left, and
// would be wrong at each `ret` above the switch. The private side is platform/context_switch.hpp.

// A build may ask for Boost's own jump, everywhere in a program: -DHEIRLOOM_OWN_JUMP=0.
#if !defined(HEIRLOOM_OWN_JUMP)
#if defined(__x86_64__)
#define HEIRLOOM_OWN_JUMP 1
#else
#define HEIRLOOM_OWN_JUMP 0
#endif
#endif
// What sanitizers want to be told, they want to be told by whoever jumps.
#define HEIRLOOM_RECEIVE_JUMPS (HEIRLOOM_OWN_JUMP && !HEIRLOOM_ASAN && !HEIRLOOM_TSAN)

namespace heirloom::detail {

struct stack;
struct thread_context;
class process;

/// The two words in which the C++ runtime keeps a thread's exceptions in flight (Itanium C++ ABI, 2.2.2). They
/// belong to the process, not to the thread, so every switch carries them along.
struct exception_state {
    void* caught = nullptr;
    unsigned uncaught = 0;
};

enum class farewell : std::uint64_t {
    nothing,       // a base context that went back to its pool's list, or a deferred caller
    park,          // make the process wait, unless a message came in between
    requeue,       // it stays runnable
    block,         // its job goes to the blocking pool
    orphan,        // its thread has lost the worker's role: any worker may have it
    retire_stack,  // the base context's stack is to be released
};

/// What a context that leaves hands to the one that runs next.
struct departure {
    thread_context* thread;
    stack* from;   // null: the thread's native stack
    stack* to;     // null: the thread's native stack
    process* who;  // null: no process, a base context
    farewell then;
};

/// Who has left for a context: where to go back to, and its `departure`.
struct visitor {
    void* context;
    void* left;
};

#if HEIRLOOM_OWN_JUMP
#if defined(__AVX512F__)
#define HEIRLOOM_MORE_VECTORS                                                                      \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",    \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6",  \
        "k7"
#else
#define HEIRLOOM_MORE_VECTORS
#endif

/// Leaves for the context `to`; returns when somebody comes back.
///
/// It is Boost's jump_fcontext in place, less two things. The floating-point control words are neither stored nor loaded:
/// reading MXCSR takes longer than all the rest, so the floating-point environment is the thread's, as errno is. And the
/// compiler keeps what it has in registers, which is little, instead of all that a function may have to keep. A context is the
/// address of three words: rbx, rbp, and where to go on.
[[gnu::always_inline]] inline visitor jump(void* to, void* data) noexcept {
    visitor from;
    asm volatile("leaq -128(%%rsp), %%rsp\n\t"  // the red zone, which the compiler may use
                 "leaq 1f(%%rip), %%rax\n\t"
                 "pushq %%rax\n\t"
                 "pushq %%rbp\n\t"
                 "pushq %%rbx\n\t"
                 "movq %%rsp, %%rax\n\t"
                 "movq 16(%%rdi), %%r8\n\t"
                 "movq 8(%%rdi), %%rbp\n\t"
                 "movq (%%rdi), %%rbx\n\t"
                 "leaq 24(%%rdi), %%rsp\n\t"
                 "movq %%rax, %%rdi\n\t"  // rdi and rsi: the argument of a fresh context's function
                 "jmp *%%r8\n"
                 "1:\tleaq 128(%%rsp), %%rsp"
                 : "=a"(from.context), "+S"(data), "+D"(to)
                 :
                 : "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc",
                   "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                   "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)",
                   "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)" HEIRLOOM_MORE_VECTORS);
    from.left = data;
    return from;
}
#undef HEIRLOOM_MORE_VECTORS
#endif

}  // namespace heirloom::detail
