#pragma once

#include "platform/sanitizers.hpp"

#include <atomic>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace heirloom::detail {

/// One stack: its record, apart from its memory, so that memory given back leaves nothing behind. `context` is the
/// suspended context on it; null for a stack that nothing has run on since it was (re)mapped.
struct stack {
    void* context = nullptr;
    std::byte* top = nullptr;     // coloured; the first frame goes below
    std::byte* bottom = nullptr;  // lowest usable byte, above the guard
    class stack_region* region = nullptr;
#if HEIRLOOM_ASAN
    void* fake_stack = nullptr;
#endif
#if HEIRLOOM_TSAN
    void* fiber = nullptr;
#endif
#if HEIRLOOM_VALGRIND
    unsigned valgrind_id = 0;
#endif
    stack* next = nullptr;          // in a free list
    stack* prev = nullptr;          // in the list of free stacks
    sigjmp_buf* landing = nullptr;  // where an overflow of it goes on; see fatal.hpp
    bool guarded = false;
    bool trimmed = true;  // no page of it is resident

    std::size_t size() const noexcept { return static_cast<std::size_t>(top - bottom); }
};

/// How the lowest page of a stack is made to fault.
enum class guard_kind : std::uint8_t {
    markers,   // MADV_GUARD_INSTALL: entries in the page table, no mapping of its own (Linux 6.13)
    mprotect,  // a mapping for each, as long as vm.max_map_count allows; then none
};

/// The stacks of one size: slices of one reservation with a fixed stride, so that a million of them are one mapping.
//   I1  a stack is in one free list, is a worker's spare, or is a running or waiting process's own.
//   I2  `made` only grows; slices [0, made) have been handed out once.
//   I3  a stack in the trimmed list has no resident page and no context.
class stack_region {
public:
    stack_region(std::size_t stride, std::size_t capacity, guard_kind guard);
    ~stack_region();
    stack_region(const stack_region&) = delete;
    stack_region& operator=(const stack_region&) = delete;

    /// A stack, recently used ones first; null when the region or the system's memory is exhausted.
    stack* acquire() noexcept;
    void release(stack* s) noexcept;
    /// Gives the pages of free stacks beyond `keep` back to the system, those unused for longest; some at a time. Returns how many.
    std::size_t trim(std::size_t keep, std::size_t at_most) noexcept;
    /// The fewest that were free at any time since the last call: so many nobody needed.
    std::size_t fewest_free() noexcept;

    std::size_t stride() const noexcept { return stride_; }
    std::size_t capacity() const noexcept { return capacity_; }
    std::size_t in_use() const noexcept { return in_use_.load(std::memory_order_relaxed); }
    /// The stack whose slice, guard included, holds this address; null if none.
    stack* find(const void* address) const noexcept;

private:
    stack* make(std::size_t index) noexcept;
    bool install_guard(stack& s) noexcept;

    std::size_t stride_;  // the size of a stack
    // From one to the next, guard page included. Not a power of two: all stacks' hot pages would share a few sets of the TLB.
    std::size_t pitch_;
    std::size_t capacity_;
    guard_kind guard_;
    std::byte* base_ = nullptr;
    stack* records_ = nullptr;  // capacity_ of them, in reserved memory: touched as used
    std::mutex mutex_;
    stack* free_ = nullptr;     // guarded by mutex_; the one used last comes first
    stack* coldest_ = nullptr;  // guarded by mutex_; the other end
    std::size_t free_count_ = 0;
    std::size_t fewest_free_ = 0;
    stack* trimmed_ = nullptr;  // guarded by mutex_
    std::size_t made_ = 0;      // guarded by mutex_
    std::size_t guards_ = 0;    // guarded by mutex_; mappings spent on mprotect guards
    std::atomic<std::size_t> in_use_{0};
};

inline constexpr std::size_t page_bytes = 4096;
inline constexpr std::size_t smallest_stack = 16 * 1024;
inline constexpr std::size_t largest_stack = 64 * 1024 * 1024;

/// The better one that this kernel has, unless the environment says HEIRLOOM_STACK_GUARDS=mprotect.
guard_kind best_guard() noexcept;

/// All regions of a runtime, by size class (a power of two).
class stack_pool {
public:
    stack_pool(std::size_t default_size, std::size_t max_stacks, guard_kind guard);
    ~stack_pool();

    stack_region& standard() noexcept { return *standard_; }
    std::size_t standard_stride() const noexcept { return standard_->stride(); }
    /// The region for stacks of at least `bytes`; made on first use. Null if it cannot be reserved.
    stack_region* region_for(std::size_t bytes) noexcept;
    stack* find(const void* address) const noexcept;
    /// To be called every millisecond or so by one thread: trims what was not needed for a while. To take pages from under a
    /// program that will use them again costs an interrupt on every core for each stack, and the faults afterwards.
    void trim_unused(std::size_t keep, std::size_t at_most) noexcept;

    static constexpr std::size_t rounded(std::size_t bytes) noexcept {
        std::size_t size = smallest_stack;
        while (size < bytes) size *= 2;
        return size;
    }

private:
    static constexpr unsigned classes = 13;  // 16 KiB .. 64 MiB
    static unsigned class_of(std::size_t rounded_bytes) noexcept;

    std::size_t max_stacks_;
    guard_kind guard_;
    std::mutex mutex_;
    std::atomic<stack_region*> regions_[classes] = {};
    stack_region* standard_ = nullptr;
    // Of trim_unused, by class.
    unsigned trims_ = 0;
    std::size_t surplus_[classes] = {};
};

}  // namespace heirloom::detail
