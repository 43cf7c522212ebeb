#pragma once

#include <concurrentqueue.h>
#include <cstdint>
#include <random>

#include "platform/context_switch.hpp"
#include "platform/parking.hpp"
#include "platform/stack_pool.hpp"
#include "process/process.hpp"
#include "process/process_table.hpp"
#include "scheduler/reclamation.hpp"
#include "scheduler/run_queue.hpp"
#include "scheduler/timer_queue.hpp"

// worker: a role that one thread plays: a run queue, the next slot, timers, stacks and free lists. Everything here that is
// not atomic belongs to the thread that plays the role.
//
// Contexts. Every stack has a base context at its bottom: the scheduler loop (base_loop). It calls a fresh process, or an idle
// server with work, as a function on its own stack. When that process has to wait, the stack becomes the process's own and
// the worker goes on elsewhere: straight on the next process's stack if that has one, else on its spare stack, whose base
// context then runs the next one. When the process ends, the base frame below it continues, perhaps on another thread:
// so it holds no pointer to a worker across the call.
namespace heirloom::detail {

class runtime_core;

class worker {
public:
    worker(runtime_core& core, unsigned index);
    ~worker();

    // --- Making processes runnable; the caller owns them (see process.hpp) ---

    /// Runs it next on this worker: its message is in this cache, and no other core is woken for it.
    void hand_off(process* p) noexcept;
    /// At the end of the ready list.
    void enqueue(process* p) noexcept;

    // --- The scheduler loop ---

    /// A runnable process, without waiting; null if this worker has none.
    process* pick() noexcept;
    /// Waits until there is one; null when the thread is to leave the role.
    process* find_work() noexcept;

    /// What is left to do for the context that departed to here. Returns the thread.
    thread_context* arrive(const departure& from) noexcept;

    /// A stack to run on, kept ready so that waiting cannot fail.
    bool secure_spare() noexcept;
    stack* take_spare() noexcept;
    void release_stack(stack* s) noexcept;

    std::int64_t read_clock() noexcept;
    void run_timers(std::int64_t now) noexcept;

    bool has_queued_work() const noexcept { return ring_.size() > 0; }
    std::size_t steal_from(worker& victim) noexcept;

    runtime_core& core;
    const unsigned index;
    stack* running = nullptr;       // the stack the thread is on
    process* direct = nullptr;      // what the base context that is being switched to runs first
    process* deferred = nullptr;    // a caller whose park is put off until its server has had its turn
    std::int64_t deferred_limit = 0;  // its limit in nanoseconds; timer_queue::never for none
    bool leaving = false;           // deterministic mode: the driver is to choose another role
    std::int32_t budget = 0;        // reductions left before others get a turn
    std::int64_t now = 0;           // the clock as last read
    timer_queue timers;
    slot_cache slots;
    quiescence_slot* quiescence = nullptr;
    parking_spot spot;
    std::atomic<bool> asleep{false};
    std::atomic<std::uint64_t> dispatches{0};  // written by the role; read by the watchdog
    std::int64_t live = 0;          // spawned minus ended here; summed over workers
    std::atomic<std::int64_t> live_published{0};

private:
    friend class runtime_core;
    process* pick_ring() noexcept;
    process* look_elsewhere() noexcept;
    void complete_deferred() noexcept;
    void overflow(process* p) noexcept;
    void announce_backlog() noexcept;

    process* next_ = nullptr;
    unsigned handoffs_ = 0;
    unsigned tick_ = 0;
    unsigned backlog_ = 0;
    run_queue<process> ring_;
    stack* spare_ = nullptr;
    stack* cached_stacks_ = nullptr;  // of the standard region
    unsigned cached_count_ = 0;
    moodycamel::ProducerToken to_injection_;
    moodycamel::ConsumerToken from_injection_;
    std::minstd_rand random_;
};

/// The scheduler loop that every stack starts with.
void base_loop(boost::context::detail::transfer_t transfer) noexcept;

inline constexpr std::int32_t slice = 4000;  // reductions

}  // namespace heirloom::detail
