#include "platform/thread_context.hpp"

#include "process/blocks.hpp"
#include "scheduler/reclamation.hpp"

#include <utility>

#include <cxxabi.h>

namespace heirloom::detail {

namespace {

struct owned_context {
    thread_context context{};
    owned_context() noexcept {
        context.exceptions = reinterpret_cast<exception_state*>(abi::__cxa_get_globals());
    }
    ~owned_context() {
        return_blocks(context);
        // Another thread's from here on. What is destroyed after this, of the user's thread-locals, may still call us: then
        // it takes another.
        release_reader_slot(std::exchange(context.reader_slot, nullptr));
    }
};

}  // namespace

// A plain pointer is read without the guard that a thread-local object with a destructor needs.
extern "C" {
#if defined(__x86_64__)
// `used`: elsewhere it is named by assembler text alone, which link-time optimisation does not read.
[[gnu::used]] constinit thread_local thread_words* heirloom_this_thread = nullptr;
#else
static constinit thread_local thread_words* heirloom_this_thread = nullptr;
#endif
}

[[gnu::noinline, gnu::cold]] thread_context& make_context() noexcept {
    thread_local owned_context owned;
    heirloom_this_thread = &owned.context;
    return owned.context;
}

#if !defined(__x86_64__)
thread_words* known_thread() noexcept {
    thread_words* context = heirloom_this_thread;
    asm volatile("" : "+r"(context));  // keeps calls from being merged as if the function were pure
    return context;
}
#endif

}  // namespace heirloom::detail

#if HEIRLOOM_TSAN
// moodycamel's queue orders its elements by atomic_thread_fence, which ThreadSanitizer does not model: it takes an element written
// before a fence and read after one for a race. What is handed through our queues is announced with tsan_release and tsan_acquire,
// so the reports that matter, about what the elements point to, stay.
// Not weak: Clang's runtime brings a weak one that would come first.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions() {
    return "race:moodycamel::\n";
}
#endif
