#pragma once

#include "deterministic/trace.hpp"
#include "process/lifecycle.hpp"
#include "scheduler/worker.hpp"

// leaving: the choice of who runs instead of the running process, in the frame that then switches. Each call above a switch is a
// return that the predictor does not know: a receive that made this choice in functions of its own took 5 ns longer.
namespace heirloom::detail {

/// What is to be left for whoever runs next on this thread.
[[gnu::always_inline]] inline departure plan_departure(thread_context& t, process& p,
                                                       farewell then) noexcept {
    worker* w = t.role;
    stack* mine = w->running;
    p.own_stack = mine;
    if (w->seeded && then == farewell::park) [[unlikely]]
        trace_wait(p);
    process* next = w->pick();
    stack* target;
    if (next && next->own_stack) {
        resume_process(t, next);
        target = next->own_stack;
    } else {
        set_current(t, nullptr);
        w->direct = next;
        target = w->take_spare();
    }
    return {&t, mine, target, &p, then};
}

/// The same, for a caller that jumps by itself. Returns the context to jump to.
[[gnu::always_inline]] inline void* begin_leaving(thread_context& t, process& p, farewell then,
                                                  departure& leaving) noexcept {
    leaving = plan_departure(t, p, then);
    return context_of(leaving, &base_loop);
}

}  // namespace heirloom::detail
