#pragma once

#include "process/cold_slots.hpp"
#include "process/process.hpp"

#include <atomic>
#include <cstdint>
#include <memory>

#include <concurrentqueue.h>

// process_table: the slab of control blocks that a pid's slot indexes.
//   I1  The memory of a slot is a `process` as long as the program lives (type-stable), or reads as zeroes (cold_slots.hpp);
//       index 0 is never used.
//   I2  Generations of a slot only grow, also across runtimes that use the same index one after the other; but each
//       deterministic runtime starts over, as they have indexes of their own. At its last one the slot is retired.
//   I3  The mailbox tag is the generation's low 16 bits; before they repeat, the slot waits for a grace period.
namespace heirloom::detail {

struct slot_cache {
    static constexpr unsigned most = 128;
    std::uint32_t slots[most];
    unsigned count = 0;
};

class process_table {
public:
    /// `afresh`: generations start over (deterministic mode, where equal seeds give equal pids).
    /// `caches` slot caches share the table.
    process_table(std::uint32_t runtime_index, std::uint32_t limit, unsigned caches, bool afresh);
    ~process_table();

    /// A block with its next generation set in `id`, not yet alive. Null when the limit is reached.
    process* acquire(slot_cache& cache) noexcept;
    void release(slot_cache& cache, process* p) noexcept;
    void flush(slot_cache& cache) noexcept;
    /// To be called every millisecond or so by one thread: gives back the memory of blocks beyond `keep` that were free all the
    /// time for a while.
    void trim_unused(std::size_t keep) noexcept;

    process* at(std::uint32_t slot) const noexcept { return base_ + slot; }
    /// Slots [1, used) may hold processes.
    std::uint32_t used() const noexcept { return used_.load(std::memory_order_acquire); }
    std::uint32_t limit() const noexcept { return limit_; }

private:
    /// What few calls of release do. They enqueue, hence are not inlined; see thread_context.hpp.
    [[gnu::noinline]] void fill_depot(slot_cache& cache) noexcept;
    [[gnu::noinline]] void park_slot(process* p) noexcept;

    process* base_;
    std::uint32_t runtime_index_;
    std::uint32_t limit_;
    bool afresh_;
    unsigned
        batch_;  // slots that move between a cache and the depot at once; a cache holds two batches at most
    std::atomic<std::uint32_t> used_{1};
    std::atomic<int> parked_{0};  // slots that wait for a grace period
    moodycamel::ConcurrentQueue<std::uint32_t> depot_;
    cold_slots cold_;
    // Of trim_unused.
    unsigned trims_ = 0;
    std::size_t fewest_free_ = 0;
    std::size_t surplus_ = 0;
};

inline constexpr std::uint32_t max_runtimes = 256;
inline constexpr std::uint32_t max_slots = 1u << 24;
extern std::atomic<process*> slabs[max_runtimes];

/// The control block a pid points to; null for an empty pid or an index that was never used. Any thread, any time.
inline process* resolve(pid p) noexcept {
    process* slab = slabs[p.runtime_index()].load(std::memory_order_acquire);
    return slab && p ? slab + p.slot() : nullptr;
}

}  // namespace heirloom::detail
