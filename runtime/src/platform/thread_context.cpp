#include "platform/thread_context.hpp"

#include "process/blocks.hpp"
#include "scheduler/reclamation.hpp"

#include <cxxabi.h>

namespace heirloom::detail {
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

// A plain pointer is read without the guard that a thread-local object with a destructor needs.
constinit thread_local thread_context* mine = nullptr;

[[gnu::noinline, gnu::cold]] thread_context& make_context() noexcept {
    thread_local owned_context owned;
    mine = &owned.context;
    return *mine;
}

}  // namespace

thread_context& this_thread() noexcept {
    thread_context* context = mine;
    asm volatile("" : "+r"(context));  // keeps calls from being merged as if the function were pure
    return context ? *context : make_context();
}

}  // namespace heirloom::detail
