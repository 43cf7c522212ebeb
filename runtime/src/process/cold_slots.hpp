#pragma once

#include "process/process.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>

// cold_slots: free slots of a process table that nobody has needed for a while, and the memory of their control blocks,
// which goes back to the system in groups that fill whole pages. A bit a slot, so that groups become complete in whatever
// order slots come.
//   I1  A slot is in the depot, in one slot cache, here, or in use.
//   I2  A block that was given back reads as zeroes: generation 0, which no pid has, so it refuses everybody as a dead process
//       does. Its last generation is kept aside, for the pids that name its past.
//   I3  Who holds a stale pid may still be in the block: in its lock, or between looking at its mailbox and a compare-and-swap.
//       A group is left alone while one of its locks is held (given back, they are free), and if one of its generations has the
//       tag 0: any other tag is a word that an emptied mailbox does not match.
namespace heirloom::detail {

class cold_slots {
public:
    /// `base`: the blocks of this runtime index, `limit`: the highest slot.
    cold_slots(process* base, std::uint32_t runtime_index, std::uint32_t limit);
    cold_slots(const cold_slots&) = delete;
    cold_slots& operator=(const cold_slots&) = delete;

    /// Takes in up to `most_at_once` of what `source(slots, most)` has, and gives back the memory of groups that are complete
    /// then. Returns how many. By one thread. Slots on their way are counted already: who finds the source empty waits for them.
    template <class Source>
    std::size_t put(std::size_t most, Source source) noexcept {
        std::uint32_t slots[most_at_once];
        most = std::min(most, most_at_once);
        std::lock_guard lock(mutex_);
        // seq_cst: before whatever the source does, as seen by who looks there first and here afterwards.
        size_.fetch_add(most, std::memory_order_seq_cst);
        const std::size_t n = source(slots, most);
        size_.fetch_sub(most - n, std::memory_order_seq_cst);
        for (std::size_t i = 0; i < n; ++i) put_one(slots[i]);
        return n;
    }
    static constexpr std::size_t most_at_once = 1024;
    /// Up to `most` slots, their blocks as they were when they were freed. Any thread.
    std::size_t take(std::uint32_t* slots, std::size_t most) noexcept;
    std::size_t size() const noexcept { return size_.load(std::memory_order_seq_cst); }

    /// Of a block that reads as zeroes: makes it what it was when it was free, if it was ever given back, also by an earlier
    /// runtime of this index. False if it was not.
    static bool revive(process* base, std::uint32_t runtime_index, std::uint32_t slot) noexcept;

    static constexpr std::size_t page = 4096;
    static constexpr std::uint32_t group = 32;  // blocks; a bit each of a word
    static_assert(sizeof(process) * group % page == 0);

private:
    static std::uint32_t* zeroes(std::size_t n);
    void put_one(std::uint32_t slot) noexcept;
    bool give_back(std::uint32_t g) noexcept;

    process* const base_;
    const std::uint32_t runtime_index_;
    std::atomic<std::size_t> size_{0};
    std::mutex mutex_;
    // Of calloc: what is never written costs no memory.
    struct freeing {
        void operator()(std::uint32_t* words) const noexcept { std::free(words); }
    };
    using words = std::unique_ptr<std::uint32_t[], freeing>;
    const std::uint32_t groups_;
    const words free_;        // bits, a word a group; guarded by mutex_
    const words given_back_;  // a bit a group; guarded by mutex_
    std::uint32_t first_;     // no bit is set in groups below; guarded by mutex_
};

}  // namespace heirloom::detail
