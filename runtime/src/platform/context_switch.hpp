#pragma once

#include "platform/stack_pool.hpp"
#include "platform/thread_context.hpp"

#include <boost/context/detail/fcontext.hpp>

// context_switch: the only file that moves a thread from one stack to another.
//
// A switch hands a `departure` to the context that runs next: who left, from which stack, and what is still to be
// done for it now that its registers are stored. Nothing may resume or free the departed context before that is
// done, which is why the *next* context does it (arrive), never the departing one.
// The new thread_context travels in the transfer: a process that resumes on another thread reads no thread-local.
namespace heirloom::detail {

enum class farewell : std::uint64_t {
    nothing,       // a base context that went back to its pool's list, or a deferred caller
    park,          // make the process wait, unless a message came in between
    requeue,       // it stays runnable
    block,         // its job goes to the blocking pool
    orphan,        // its thread has lost the worker's role: any worker may have it
    retire_stack,  // the base context's stack is to be released
};

struct departure {
    thread_context* thread;
    stack* from;   // null: the thread's native stack
    stack* to;     // null: the thread's native stack
    process* who;  // null: no process, a base context
    farewell then;
};

using base_function = void (*)(boost::context::detail::transfer_t) noexcept;

/// What a departing context left behind. Word by word: a wider load of words just stored waits for the store buffer.
inline departure departure_at(const void* data) noexcept {
    const auto* left = static_cast<const volatile departure*>(data);
    return {left->thread, left->from, left->to, left->who, left->then};
}

/// jump_fcontext, entered by a jump: it leaves by a jump, so that a call would put the return predictor out of step, and every
/// `ret` after a switch would be guessed wrong.
inline boost::context::detail::transfer_t jump(boost::context::detail::fcontext_t to,
                                               void* data) noexcept {
#if defined(__x86_64__)
    boost::context::detail::transfer_t t;
    // Below the red zone, which the compiler may use where it sees no call.
    asm volatile("leaq -128(%%rsp), %%rsp\n\t"
                 "leaq 1f(%%rip), %%rax\n\t"
                 "pushq %%rax\n\t"
                 "jmp jump_fcontext\n"
                 "1:\tleaq 128(%%rsp), %%rsp"
                 : "=a"(t.fctx), "=d"(t.data), "+D"(to), "+S"(data)
                 :
                 : "rcx", "r8", "r9", "r10", "r11", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3",
                   "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
                   "xmm13", "xmm14", "xmm15");
    return t;
#else
    return boost::context::detail::jump_fcontext(to, data);
#endif
}

/// Leaves the running context for `to` (null: the thread's native stack) and returns when it is resumed, with the
/// departure of whoever switched here.
inline departure switch_context(const departure& leaving, base_function fresh) noexcept {
    thread_context* thread = leaving.thread;
    stack* const to = leaving.to;
    const exception_state kept = *thread->exceptions;
    void* target;
    if (to) {
        if (!to->context) {
            to->context = boost::context::detail::make_fcontext(to->top, to->size(), fresh);
#if HEIRLOOM_TSAN
            to->fiber = __tsan_create_fiber(0);
#endif
        }
        target = to->context;
    } else {
        target = thread->native_context;
    }
#if HEIRLOOM_ASAN
    void** save = nullptr;
    void* native_fake = nullptr;
    save = leaving.from ? &leaving.from->fake_stack : &native_fake;
    if (to)
        __sanitizer_start_switch_fiber(save, to->bottom, to->size());
    else
        __sanitizer_start_switch_fiber(save, thread->native_bottom, thread->native_size);
#endif
#if HEIRLOOM_TSAN
    __tsan_switch_to_fiber(to ? to->fiber : thread->native_fiber, 0);
#endif
    auto transfer = jump(target, const_cast<departure*>(&leaving));
    departure arrived = departure_at(transfer.data);
    if (arrived.from)
        arrived.from->context = transfer.fctx;
    else
        arrived.thread->native_context = transfer.fctx;
#if HEIRLOOM_ASAN
    // This context continues; its own fake stack was saved where it left.
    const void* old_bottom = nullptr;
    std::size_t old_size = 0;
    __sanitizer_finish_switch_fiber(*save, &old_bottom, &old_size);
    if (!arrived.from) {
        arrived.thread->native_bottom = old_bottom;
        arrived.thread->native_size = old_size;
    }
#endif
    *arrived.thread->exceptions = kept;
    return arrived;
}

/// The first thing a fresh context does with what it was given.
inline departure enter_context(boost::context::detail::transfer_t transfer) noexcept {
    departure arrived = departure_at(transfer.data);
    if (arrived.from)
        arrived.from->context = transfer.fctx;
    else
        arrived.thread->native_context = transfer.fctx;
#if HEIRLOOM_ASAN
    const void* old_bottom = nullptr;
    std::size_t old_size = 0;
    __sanitizer_finish_switch_fiber(nullptr, &old_bottom, &old_size);
    if (!arrived.from) {
        arrived.thread->native_bottom = old_bottom;
        arrived.thread->native_size = old_size;
    }
#endif
    *arrived.thread->exceptions = {};
    return arrived;
}

}  // namespace heirloom::detail
