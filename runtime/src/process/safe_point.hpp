#pragma once
// Where a running process may switch, migrate or be killed (R1), for the verbs that are such places.
#include "deterministic/drive.hpp"
#include "heirloom/process.hpp"
#include "platform/inside.hpp"
#include "process/signals.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom::detail {

/// Charges the process, and tells whether there is reason for it to take its turn.
inline bool is_due(thread_context& t, process& p, unsigned reductions) noexcept {
    const std::int32_t budget = t.role->budget -= static_cast<std::int32_t>(reductions);
    return (budget <= 0) | p.urgent.load(std::memory_order_relaxed) | p.dying;
}

/// Takes what is due: signals, and the end of the slice. The process may come back on another worker.
inline void take_turn(process& p) {
    if (p.urgent.load(std::memory_order_relaxed) | p.dying) take_signals(p);
    worker& w = *this_thread().role;  // a suspended process may have come back elsewhere
    if (w.budget > 0) return;
    if (w.seeded && !seeded_safe_point(w.core, p)) return;
    yield();
}

inline void safe_point_of(inside_scope& scope, process& p, unsigned reductions) {
    if (!is_due(scope.thread(), p, reductions)) return;
    scope.may_move();
    take_turn(p);
}

inline bool may_switch(const thread_context& t, const process& p) noexcept {
    return t.role && !(p.shields | p.callbacks | p.in_exit);
}

}  // namespace heirloom::detail
