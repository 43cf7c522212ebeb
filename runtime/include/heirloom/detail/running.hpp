#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <heirloom/detail/platform/known_thread.hpp>
#include <heirloom/detail/sanitizers.hpp>
#include <heirloom/pid.hpp>

// What a table verb sees of the process that runs it and of its thread, so that its entry needs no call: a table is read in
// a few nanoseconds. Public only because templates must see it; all else about both is private to the runtime.
namespace heirloom::detail {

/// A base of the process's control block.
struct process_words {
    pid id;  // constant while alive
    /// A signal that may be lethal is in the mailbox. Set after the push; cleared before the drain, whose exchange
    /// orders the two. Away from the line that senders write, so that a flood of messages does not make every safe point
    /// miss.
    std::atomic<bool> urgent{false};
    std::atomic<std::uint8_t> status{0};  // process_status, for others; advisory but for `exiting`
    bool trapping = false;
    bool waits_quietly = false;  // only for a reply
    std::uint32_t queued = 0;    // length of the queue
    // Flags that are asked for together. Compilers join such loads into one of a whole word, so `urgent`, which others
    // write, must not lie in theirs.
    alignas(8) bool dying = false;  // a lethal signal was taken
    std::uint8_t callbacks = 0;     // table callbacks and guards
    std::uint8_t shields = 0;
    bool in_exit = false;
    std::uint32_t queue_warning = 0;  // the length of the queue that is worth a warning next
};
static_assert(sizeof(process_words) == 24);

struct free_block_node {
    free_block_node* next;
    unsigned count;               // of the chain it heads, while that is in a depot
    free_block_node* next_batch;  // the same: the batch below
};
struct free_block_list {
    free_block_node* head = nullptr;
    unsigned count = 0;
};
inline constexpr std::size_t block_classes = 5;  // 64, 128, 192, 256, 512 bytes

/// A base of the thread's context.
struct thread_words {
    process_words* running =
        nullptr;  // whose code is running; null also while a pool thread runs it
    // Of the worker that it drives: reductions left before others get a turn. `no_budget` in a thread that drives none, and
    // where membarrier is missing: there is no short way then (enter_quickly).
    std::int32_t* budget = &no_budget;
    std::int32_t no_budget = 0;
    std::atomic<bool> inside{false};  // see inside.hpp; written by the thread, read by the watchdog
    std::atomic<bool> revoked{false};  // the reverse
    bool allocations_may_fail =
        false;  // drives a deterministic run whose faults may refuse a block
    free_block_list free_blocks[block_classes];  // see blocks.hpp

    thread_words() = default;
    thread_words(const thread_words&) = delete;
    thread_words& operator=(const thread_words&) = delete;
};

/// The short way into a table verb: a safe point with nothing due, of a process on a worker that is in no other verb.
/// Null, and nothing done, if it is not that. A verb entered so ends with leave_quickly() on the same thread, and
/// calls nothing that may switch.
[[gnu::always_inline]] inline thread_words* enter_quickly(std::int32_t reductions) noexcept {
    if constexpr (under_tsan) return nullptr;  // the fence below would have to be one
    thread_words* t = known_thread();
    if (!t || t->inside.load(std::memory_order_relaxed)) [[unlikely]]
        return nullptr;
    // As inside_scope does: the store, a light fence, the load.
    t->inside.store(true, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (!t->revoked.load(std::memory_order_relaxed)) [[likely]] {
        const std::int32_t left = *t->budget - reductions;
        if (left > 0) [[likely]] {
            const process_words* p = t->running;  // on a worker that is not inside, somebody runs
            if (!(p->urgent.load(std::memory_order_relaxed) | p->dying)) [[likely]] {
                *t->budget = left;
                return t;
            }
        }
    }
    t->inside.store(false, std::memory_order_release);
    return nullptr;
}
/// The same for a verb that writes, which a table callback must not.
[[gnu::always_inline]] inline thread_words* enter_write_quickly() noexcept {
    thread_words* t = enter_quickly(2);
    if (t && t->running->callbacks) [[unlikely]] {
        t->inside.store(false, std::memory_order_release);
        return nullptr;
    }
    return t;
}
[[gnu::always_inline]] inline void leave_quickly(thread_words* t) noexcept {
    // release; pairs with the watchdog's acquire: what the verb read, it has read.
    t->inside.store(false, std::memory_order_release);
}

}  // namespace heirloom::detail
