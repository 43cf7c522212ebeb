#pragma once

#include "heirloom/atom.hpp"
#include "heirloom/message.hpp"
#include "heirloom/pid.hpp"
#include "heirloom/timer.hpp"
#include "platform/spin_lock.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

// timer_queue: one worker's timers, a 4-ary heap by deadline. Any thread may arm and cancel; the worker expires.
//   I1  A node is in the heap exactly while state == armed; only under the queue's lock does that change.
//   I2  Whoever takes a node out of the heap (expiry, cancel, the target's end) disposes of it, nobody else.
//   I3  A wake node lives on its process's stack: expiry copies what it needs and never touches it after unlocking.
// Not chosen: a wheel (rounds deadlines to its tick, and equal ticks lose their order; a heap keeps nanoseconds, and arming
// the latest deadline and cancelling it, the common case of limits that do not pass, costs O(1) at the heap's end).
namespace heirloom::detail {

class process;

enum class timer_kind : std::uint8_t { wake, message_to_pid, message_to_name, server };
enum class timer_state : std::uint8_t { idle, armed, out };

struct timer_node {
    std::int64_t when = 0;  // nanoseconds of the runtime's clock
    std::uint64_t order = 0;
    std::uint32_t heap_index = 0;
    timer_kind kind = timer_kind::wake;
    timer_state state = timer_state::idle;  // guarded by the queue's lock
    bool listed = false;  // in its target's list; guarded by the target's side_lock
    pid target;
    message* body = nullptr;
    class timer_queue* queue = nullptr;
    timer_node* prev = nullptr;  // the target's list
    timer_node* next = nullptr;
    timer_ref ref;
    atom name;
};

/// What expire() knows of a timer it has taken out. A wake node must not be touched any more (I3).
struct expired_timer {
    timer_kind kind;
    pid target;
    timer_node* node;
};

class timer_queue {
public:
    static constexpr std::int64_t never = INT64_MAX;

    /// Throws std::bad_alloc with nothing changed. True if it is now the earliest.
    bool arm(timer_node& node, std::int64_t when);
    /// True if it was armed and is now out.
    bool cancel(timer_node& node) noexcept;
    /// Takes out what is due, in deadline order, at most `room` of them; returns how many.
    std::size_t expire(std::int64_t now, expired_timer* out, std::size_t room) noexcept;
    /// The earliest deadline, or never. May be stale for another thread than the worker's.
    std::int64_t earliest() const noexcept { return earliest_.load(std::memory_order_relaxed); }

    // --- Timers with a ref ---
    timer_ref reserve(std::uint32_t worker);
    void attach(const timer_ref& ref, timer_node* node) noexcept;
    void abandon(const timer_ref& ref) noexcept;
    /// Takes the armed timer of this ref out; null if there is none.
    timer_node* cancel(const timer_ref& ref) noexcept;
    std::optional<std::int64_t> deadline(const timer_ref& ref) noexcept;
    void release(const timer_ref& ref) noexcept;
    std::size_t size() const noexcept { return heap_.size(); }

private:
    struct slot {
        std::uint64_t id = 0;
        timer_node* node = nullptr;
    };
    void sift_up(std::uint32_t i) noexcept;
    void sift_down(std::uint32_t i) noexcept;
    void remove_at(std::uint32_t i) noexcept;
    void publish_earliest() noexcept;
    static bool before(const timer_node* a, const timer_node* b) noexcept {
        return a->when != b->when ? a->when < b->when : a->order < b->order;
    }

    spin_lock lock_;
    std::vector<timer_node*> heap_;  // guarded by lock_
    std::uint64_t next_order_ = 0;   // guarded by lock_
    std::vector<slot> slots_;        // guarded by lock_
    std::vector<std::uint32_t> free_slots_;
    std::uint64_t next_id_ = 0;
    std::atomic<std::int64_t> earliest_{never};
};

/// Whether this is the current arming of the process's server timer; forgets the arming.
bool consume_server_timeout(process& p, struct server_timeout_message* m) noexcept;
/// Cancels every timer aimed at a process that ends.
void cancel_timers_of(process& p) noexcept;
void disarm_server_timer(process& p) noexcept;

}  // namespace heirloom::detail
