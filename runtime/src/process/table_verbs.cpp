// What a table asks of the process that uses it: entry and leave of a verb, callbacks, its estate.
#include "heirloom/process.hpp"
#include "platform/inside.hpp"
#include "process/lifecycle.hpp"
#include "process/safe_point.hpp"
#include "process/signals.hpp"
#include "scheduler/reclamation.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom::detail {

callback_scope::callback_scope() noexcept {
    if (process* p = this_thread().current) ++p->callbacks;
}
callback_scope::~callback_scope() {
    if (process* p = this_thread().current) --p->callbacks;
}

bool in_callback() noexcept {
    process* p = this_thread().current;
    return p && p->callbacks != 0;
}

void refuse_in_callback(const char* function) {
    if (in_callback()) throw in_table_callback(function);
}

namespace {

// The whole of an entry.
verb_entry enter_verb(unsigned reductions) {
    thread_context* t = &this_thread();
    process* p = t->current;
    const std::uint64_t self = p ? p->id.bits() : 0;
    const bool nested = t->inside.load(std::memory_order_relaxed);
    if (p && !nested) {
        set_inside(*t);
        if (t->revoked.load(inside_order)) {
            rejoin();
            t = &this_thread();
        }
    }
    if (!t->role) {  // a plain thread, or one of the blocking pool
        if (p && !nested) clear_inside(*t);
        hold_reclamation(*t);
        return {self, nullptr};
    }
    if (nested || !p) return {self, nullptr};
    if (reductions == 0) --t->role->budget;  // no safe point, but work
    if (reductions != 0 && may_switch(*t, *p) && is_due(*t, *p, reductions)) {
        try {
            take_turn(*p);
        } catch (...) {
            clear_inside(this_thread());
            throw;
        }
        t = &this_thread();
    }
    return {self, &t->inside};
}

}  // namespace

verb_entry enter_read_slowly() { return enter_verb(1); }
verb_entry enter_write_slowly(const char* verb) {
    refuse_in_callback(verb);
    return enter_verb(2);
}
verb_entry enter_quietly(const char* verb) {
    refuse_in_callback(verb);
    return enter_verb(0);
}

void leave_nested_or_foreign_verb() noexcept {
    thread_context& t = this_thread();
    if (!t.role) release_reclamation(t);
}

std::uint64_t current_pid_bits() noexcept {
    process* p = this_thread().current;
    return p ? p->id.bits() : 0;
}

int current_runtime_index() noexcept {
    runtime_core* core = runtime_core::current();
    return core ? static_cast<int>(core->index) : -1;
}

bool adopt(pid owner, estate_item& item) noexcept {
    process* p = resolve(owner);
    if (!p) return false;
    std::lock_guard lock(p->side_lock);
    if (p->closed.load(std::memory_order_relaxed) || !p->lives_as(owner)) return false;
    p->estate.add(item);
    return true;
}

bool disown(pid owner, estate_item& item) noexcept {
    process* p = resolve(owner);
    if (!p) return false;
    std::lock_guard lock(p->side_lock);
    return !p->closed.load(std::memory_order_relaxed) && p->lives_as(owner) &&
           p->estate.remove(item);
}

}  // namespace heirloom::detail
