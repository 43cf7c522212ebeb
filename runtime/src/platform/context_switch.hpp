#pragma once

#include "heirloom/detail/switching.hpp"
#include "platform/check.hpp"
#include "platform/stack_pool.hpp"
#include "platform/thread_context.hpp"

#include <algorithm>

#include <boost/context/detail/fcontext.hpp>

// context_switch: the only file that moves a thread from one stack to another.
//
// A switch hands a `departure` to the context that runs next: who left, from which stack, and what is still to be
// done for it now that its registers are stored. Nothing may resume or free the departed context before that is
// done, which is why the *next* context does it (arrive), never the departing one.
// The new thread_context travels in the transfer: a process that resumes on another thread reads no thread-local.
namespace heirloom::detail {

using base_function = void (*)(boost::context::detail::transfer_t) noexcept;

/// What a departing context left behind. Word by word: a wider load of words just stored waits for the store buffer.
inline departure departure_at(const void* data) noexcept {
    const auto* left = static_cast<const volatile departure*>(data);
    return {left->thread, left->from, left->to, left->who, left->then};
}

/// A context that runs `fresh` on a stack from its top down.
inline boost::context::detail::fcontext_t make_context_on(void* top, std::size_t size,
                                                          base_function fresh) noexcept {
#if HEIRLOOM_OWN_JUMP
    // Where Boost keeps the three registers that jump() knows depends on its version: found by the function among them.
    constexpr std::size_t frame_words = 16;
    void** const below = static_cast<void**>(top) - frame_words;
    std::fill_n(below, frame_words, nullptr);
    void** word = static_cast<void**>(boost::context::detail::make_fcontext(top, size, fresh));
    while (word < top && *word != reinterpret_cast<void*>(fresh)) ++word;
    HEIRLOOM_CHECK(word < top, "context_switch: this Boost lays a context out in another way; "
                               "build with -DHEIRLOOM_OWN_JUMP=0");
    return word;
#else
    return boost::context::detail::make_fcontext(top, size, fresh);
#endif
}

#if !HEIRLOOM_OWN_JUMP
inline visitor jump(void* to, void* data) noexcept {
    const auto t = boost::context::detail::jump_fcontext(to, data);
    return {t.fctx, t.data};
}
#endif

/// Where a departure leads.
inline void* context_of(const departure& leaving, base_function fresh) noexcept {
    stack* const to = leaving.to;
    if (!to) return leaving.thread->native_context;
    if (!to->context) [[unlikely]] {
        to->context = make_context_on(to->top, to->size(), fresh);
#if HEIRLOOM_TSAN
        to->fiber = __tsan_create_fiber(0);
#endif
    }
    return to->context;
}
/// What whoever came left behind, once its context is stored.
inline departure receive_visitor(const visitor& from) noexcept {
    const departure arrived = departure_at(from.left);
    if (arrived.from)
        arrived.from->context = from.context;
    else
        arrived.thread->native_context = from.context;
    return arrived;
}

/// Leaves the running context for `to` (null: the thread's native stack) and returns when it is resumed, with the
/// departure of whoever switched here.
inline departure switch_context(const departure& leaving, base_function fresh) noexcept {
    const exception_state kept = *leaving.thread->exceptions;
    void* const target = context_of(leaving, fresh);
#if HEIRLOOM_ASAN
    thread_context* const thread = leaving.thread;
    stack* const to = leaving.to;
    void** save = nullptr;
    void* native_fake = nullptr;
    save = leaving.from ? &leaving.from->fake_stack : &native_fake;
    if (to)
        __sanitizer_start_switch_fiber(save, to->bottom, to->size());
    else
        __sanitizer_start_switch_fiber(save, thread->native_bottom, thread->native_size);
#endif
#if HEIRLOOM_TSAN
    __tsan_switch_to_fiber(leaving.to ? leaving.to->fiber : leaving.thread->native_fiber, 0);
#endif
    const departure arrived = receive_visitor(jump(target, const_cast<departure*>(&leaving)));
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
    const departure arrived = receive_visitor({transfer.fctx, transfer.data});
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
