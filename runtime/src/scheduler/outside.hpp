#pragma once

#include "platform/thread_context.hpp"
#include "scheduler/reclamation.hpp"

namespace heirloom::detail {

/// For code that any thread may run: of one that drives no worker it holds reclamation back. On a worker, inside the library,
/// it has nothing to do.
class outside_scope {
public:
    explicit outside_scope(thread_context& t) noexcept : thread_(t.role ? nullptr : &t) {
        if (thread_) [[unlikely]]
            hold_reclamation(t);
    }
    ~outside_scope() {
        if (thread_) [[unlikely]]
            release_reclamation(*thread_);
    }
    outside_scope(const outside_scope&) = delete;
    outside_scope& operator=(const outside_scope&) = delete;

private:
    thread_context* thread_;
};

}  // namespace heirloom::detail
