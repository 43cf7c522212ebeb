#pragma once

#include "platform/fences.hpp"
#include "platform/thread_context.hpp"

#include <utility>

// inside: whether a thread that runs a process is inside the library, where it uses its worker's role, or in the user's
// code, where the watchdog may take the role away (R4).
//
//   the thread        inside = true; light fence; read revoked           (on entry, once per outermost call)
//   the watchdog      revoked = true; heavy fence; read inside           (under the thread's revocation mutex)
//
//   I1  If the watchdog reads inside == false, the thread's next entry reads revoked == true, and the thread touches no role
//       before it has settled that under the mutex (rejoin).
//   I2  A thread in its scheduler is inside. A context that resumes on another thread clears that thread's word when its
//       outermost call returns: so the word belongs to the thread, and the nesting to the context.
// The two words are private to the thread and the watchdog: an entry costs two plain stores and a plain load.
namespace heirloom::detail {

/// Settles a revocation seen on entry: the process is queued again and the thread becomes a spare. Returns on whatever
/// thread the process resumes.
void rejoin() noexcept;

inline constexpr auto inside_order =
    under_tsan ? std::memory_order_seq_cst : std::memory_order_relaxed;

inline void set_inside(thread_context& t) noexcept {
    t.inside.store(true, inside_order);
    light_fence();
}
inline void clear_inside(thread_context& t) noexcept {
    t.inside.store(false, std::memory_order_release);
}

class inside_scope {
public:
    inside_scope() noexcept
        : thread_(&this_thread()), nested_(thread_->inside.load(std::memory_order_relaxed)) {
        if (nested_) return;
        set_inside(*thread_);
        if (__builtin_expect(thread_->revoked.load(inside_order), 0)) {
            rejoin();
            thread_ = &this_thread();
        }
    }
    /// Of a context that was left inside and comes back; see leave_inside.
    inside_scope(thread_context& thread, bool nested) noexcept
        : thread_(&thread), nested_(nested), moved_(true) {}
    ~inside_scope() {
        if (!nested_) clear_inside(moved_ ? this_thread() : *thread_);
    }
    inside_scope(const inside_scope&) = delete;
    inside_scope& operator=(const inside_scope&) = delete;

    thread_context& thread() const noexcept { return *thread_; }
    /// The end of the scope ends nothing: the caller switches away, and comes back to another scope. Returns what that one needs.
    bool leave_inside() noexcept { return std::exchange(nested_, true); }
    /// To be said before anything that may switch.
    void may_move() noexcept { moved_ = true; }

private:
    thread_context* thread_;
    bool nested_;
    bool moved_ = false;
};

}  // namespace heirloom::detail
