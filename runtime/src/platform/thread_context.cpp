#include "platform/thread_context.hpp"

#include "process/blocks.hpp"
#include "scheduler/reclamation.hpp"

#include <cxxabi.h>

namespace heirloom::detail {

constinit thread_local thread_context* thread_in_use = nullptr;

namespace {

struct owned_context {
    thread_context context{};
    owned_context() noexcept {
        context.exceptions = reinterpret_cast<exception_state*>(abi::__cxa_get_globals());
    }
    ~owned_context() {
        return_blocks(context.blocks);
        release_reader_slot(context.reader_slot);
    }
};

[[gnu::noinline, gnu::cold]] thread_context& make_context() noexcept {
    thread_local owned_context owned;
    thread_in_use = &owned.context;
    return owned.context;
}

}  // namespace

thread_context& this_thread() noexcept {
    thread_context* context = thread_in_use;
    asm volatile("" : "+r"(context));  // keeps calls from being merged as if the function were pure
    return context ? *context : make_context();
}

}  // namespace heirloom::detail
