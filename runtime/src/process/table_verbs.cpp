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

// The whole of an entry, for whatever the short way does not see to.
[[gnu::noinline]] verb_entry enter_verb_slowly(unsigned reductions) {
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

[[gnu::noinline, gnu::cold]] verb_entry enter_write_slowly(const char* verb, unsigned reductions) {
    refuse_in_callback(verb);
    return enter_verb_slowly(reductions);
}

// The short way, of a process on a worker that is in no other verb and has budget left: no call, no stack frame.
[[gnu::always_inline]] inline bool enter_verb_quickly(unsigned reductions, verb_entry& entry) {
    thread_context* t = known_thread();
    if (!t || !t->current || t->inside.load(std::memory_order_relaxed)) [[unlikely]]
        return false;
    process& p = *t->current;
    if (p.callbacks) [[unlikely]]  // a guard's: no table verb has us inside
        return false;
    set_inside(*t);
    if (t->revoked.load(inside_order) || !t->role) [[unlikely]] {
        clear_inside(*t);
        return false;
    }
    if (reductions == 0) {
        --t->role->budget;  // no safe point, but work
    } else if (is_due(*t, p, reductions)) [[unlikely]] {
        // Whether it may switch is asked only when there is reason to.
        clear_inside(*t);
        return false;
    }
    entry = {p.id.bits(), &t->inside};
    return true;
}

}  // namespace

verb_entry enter_read() {
    verb_entry entry;
    if (enter_verb_quickly(1, entry)) [[likely]]
        return entry;
    return enter_verb_slowly(1);
}

verb_entry enter_write(const char* verb) {
    verb_entry entry;
    if (enter_verb_quickly(2, entry)) [[likely]]
        return entry;
    return enter_write_slowly(verb, 2);
}

verb_entry enter_quietly(const char* verb) {
    verb_entry entry;
    if (enter_verb_quickly(0, entry)) [[likely]]
        return entry;
    return enter_write_slowly(verb, 0);
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
