#pragma once

#include "heirloom/detail/sanitizers.hpp"

#include <cstddef>

// The calls that sanitizers need around a context switch, and what Valgrind has to know of our stacks.

#if HEIRLOOM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

#endif
#if HEIRLOOM_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if HEIRLOOM_VALGRIND
#include <valgrind/memcheck.h>
#endif

namespace heirloom::detail {
// What goes through a queue that orders by fences, which ThreadSanitizer does not model: said before it is put in, and after it is
// taken out.
#if HEIRLOOM_TSAN
inline void handed_over(void* what) noexcept { __tsan_release(what); }
inline void taken_over(void* what) noexcept { __tsan_acquire(what); }
#else
inline void handed_over(const void*) noexcept {}
inline void taken_over(const void*) noexcept {}
#endif

// LeakSanitizer does not look for pointers in what was mapped, unless it is told to.
#if HEIRLOOM_ASAN
inline void holds_pointers(const void* where, std::size_t bytes) noexcept {
    if (bytes != 0) __lsan_register_root_region(where, bytes);
}
#else
inline void holds_pointers(const void*, std::size_t) noexcept {}
#endif

// Valgrind takes a jump of the stack pointer for a large frame, unless both ends are in stacks that it knows. What was below
// the stack pointer is out of bounds to it; a stack that begins anew is not.
#if HEIRLOOM_VALGRIND
inline unsigned known_stack(const void* bottom, const void* top) noexcept {
    return VALGRIND_STACK_REGISTER(bottom, top);
}
inline void forgotten_stack(unsigned id) noexcept { VALGRIND_STACK_DEREGISTER(id); }
inline void fresh_memory(const void* where, std::size_t bytes) noexcept {
    VALGRIND_MAKE_MEM_UNDEFINED(where, bytes);
}
#else
inline unsigned known_stack(const void*, const void*) noexcept { return 0; }
inline void forgotten_stack(unsigned) noexcept {}
inline void fresh_memory(const void*, std::size_t) noexcept {}
#endif
}  // namespace heirloom::detail
