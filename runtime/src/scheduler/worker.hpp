#pragma once

#include "platform/context_switch.hpp"
#include "platform/parking.hpp"
#include "platform/stack_pool.hpp"
#include "process/process.hpp"
#include "process/process_table.hpp"
#include "scheduler/limbo.hpp"
#include "scheduler/nursery.hpp"
#include "scheduler/ready_levels.hpp"
#include "scheduler/reclamation.hpp"
#include "scheduler/run_queue.hpp"
#include "scheduler/timer_queue.hpp"

#include <cstdint>
#include <random>
#include <vector>

#include <concurrentqueue.h>

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

inline constexpr std::int32_t slice = 4000;  // reductions

class worker {
public:
    worker(runtime_core& core, unsigned index);
    ~worker();

    // --- Making processes runnable; the caller owns them (see process.hpp) ---

    /// Runs it next on this worker: its message is in this cache, and no other core is woken for it.
    void hand_off(process* p) noexcept {
        p->status.store(static_cast<std::uint8_t>(process_status::runnable),
                        std::memory_order_relaxed);
        if (seeded || p->level != priority::normal) [[unlikely]]
            return enqueue(p);
        if (next_) enqueue(next_);
        next_ = p;
    }
    /// One that has not run yet.
    void welcome(process* p) noexcept {
        p->status.store(static_cast<std::uint8_t>(process_status::runnable),
                        std::memory_order_relaxed);
        if (seeded || p->level != priority::normal || !nursery_.push(p)) [[unlikely]]
            enqueue(p);
    }
    /// At the end of the ready list.
    void enqueue(process* p) noexcept;

    // --- The scheduler loop ---

    /// A runnable process, without waiting; null if this worker has none.
    process* pick() noexcept {
        // The common step of a conversation: what was just handed off. Every so often the rest gets a look (countdown_).
        process* p = next_;
        if (p && !deferred && --countdown_ > 0 && !levels_.has_elevated()) {
            next_ = nullptr;
            note_dispatch();
            return p;
        }
        return pick_slowly();
    }
    /// Waits until there is one; null when the thread is to leave the role.
    process* find_work() noexcept;

    /// What is left to do for the context that departed to here. Returns the thread.
    thread_context* arrive(const departure& d) noexcept {
        running = d.to;
        if (d.then == farewell::park && !d.who->wait_timer) {
            process* p = d.who;
            p->status.store(static_cast<std::uint8_t>(process_status::waiting),
                            std::memory_order_relaxed);
            if (!p->inbox.park(p->waits_quietly)) enqueue(p);
        } else if (d.then != farewell::nothing) {
            finish_departure(d);
        }
        return d.thread;
    }

    /// What would come back from there floods a process there: for a while this worker takes no work that is not its own.
    /// False, and nothing done, if that one keeps aloof itself: somebody has to take it.
    bool keep_aloof_from(const worker& busy) noexcept;
    /// The flooded process is here: what floods it is welcome.
    void be_sociable() noexcept { aloof_until_.store(0, std::memory_order_relaxed); }

    /// A stack to run on, kept ready so that waiting cannot fail.
    bool secure_spare() noexcept { return spare_ || refill_spare(); }
    stack* take_spare() noexcept {
        if (!spare_) refill_spare_or_die();
        return std::exchange(spare_, nullptr);
    }
    void release_stack(stack* s) noexcept;

    std::int64_t read_clock() noexcept;
    void run_timers(std::int64_t now) noexcept;

    std::size_t queued_work() const noexcept { return ring_.size() + nursery_.size(); }

    runtime_core& core;
    const unsigned index;
    const bool seeded;          // deterministic mode
    stack* running = nullptr;   // the stack the thread is on
    process* direct = nullptr;  // what the base context that is being switched to runs first
    process* deferred =
        nullptr;  // a caller whose park is put off until its server has had its turn
    std::int64_t deferred_limit = 0;   // its limit in nanoseconds; timer_queue::never for none
    bool leaving = false;              // deterministic mode: the driver is to choose another role
    const process* sent_to = nullptr;  // of the last send that found its receiver not waiting
    std::int32_t budget = 0;           // reductions left before others get a turn
    std::int64_t now = 0;              // the clock as last read
    timer_queue timers;
    slot_cache slots;
    quiescence_slot* quiescence = nullptr;
    limbo retired_here;
    parking_spot spot;
    std::atomic<bool> asleep{false};
    std::atomic<thread_context*> player{nullptr};  // the thread that plays the role
    std::atomic<std::uint64_t> dispatches{0};      // written by the role; read by the watchdog
    std::int64_t live = 0;                         // spawned minus ended here; summed over workers
    std::atomic<std::int64_t> live_published{0};

private:
    friend class runtime_core;
    struct backlog {
        backlog_watch woken;
        backlog_watch fresh;
    };
    void note_dispatch() noexcept {
        announce_quiescent(*quiescence);
        dispatches.store(dispatches.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        if (budget <= 0) budget = slice;
    }
    process* pick_slowly() noexcept;
    void finish_departure(const departure& d) noexcept;
    bool refill_spare() noexcept;
    void refill_spare_or_die() noexcept;
    process* look_elsewhere() noexcept;
    bool steal_woken(worker& victim) noexcept;
    bool steal_fresh(worker& victim) noexcept;
    /// Steals from a worker whose processes have waited for long enough.
    bool look_at_others() noexcept;
    bool others_have_work() const noexcept;
    bool is_aloof() const noexcept { return now < aloof_until_.load(std::memory_order_relaxed); }
    void complete_deferred() noexcept;
    void overflow(process* p) noexcept;
    void announce_backlog() noexcept;
    void forget_pace() noexcept;

    ready_levels& levels_;
    process* next_ = nullptr;
    unsigned low_turn_ = 0;  // slow picks since a low process had its turn
    int countdown_ = 0;      // dispatches until the next look at ready list, injection and timers
    unsigned backlog_ = 0;   // dispatches that left work behind since the last look at its age
    std::int64_t looked_at_ = 0;  // when that was; 0 if others or this one had nothing to do since
    std::int64_t looked_at_turn_ = 0;  // dispatches until then
    std::atomic<bool> slow_{
        false};  // a dispatch takes longer than moving what waits meanwhile; for thieves
    std::atomic<std::int64_t> aloof_until_{0};  // by the clock; read by other workers
    backlog own_backlog_;
    unsigned ring_turn_ = 0;   // fresh processes chosen since the ready list had its turn
    run_queue<process> ring_;  // that were woken, or gave way
    nursery<process> nursery_;
    stack* spare_ = nullptr;
    stack* cached_stacks_ = nullptr;  // of the standard region
    unsigned cached_count_ = 0;
    moodycamel::ProducerToken to_injection_;
    moodycamel::ConsumerToken from_injection_;
    std::minstd_rand random_;
    std::vector<backlog> backlogs_;  // of the other workers
};

/// The scheduler loop that every stack starts with.
void base_loop(boost::context::detail::transfer_t transfer) noexcept;

}  // namespace heirloom::detail
