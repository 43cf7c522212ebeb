#include "process/cold_slots.hpp"

#include "process/process_table.hpp"

#include <algorithm>
#include <bit>
#include <new>

#include <sys/mman.h>

namespace heirloom::detail {
namespace {

/// By runtime index and slot. Reserved when the first block of an index is given back, and kept, like the blocks.
constinit std::atomic<std::uint32_t*> kept_generations[max_runtimes]{};

std::uint32_t* generations_of(std::uint32_t runtime_index) noexcept {
    // One thread gives back, that of the one runtime which has this index at a time.
    if (auto* known = kept_generations[runtime_index].load(std::memory_order_acquire)) return known;
    void* p = mmap(nullptr, sizeof(std::uint32_t) * std::size_t{max_slots}, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return nullptr;
    auto* fresh = static_cast<std::uint32_t*>(p);
    kept_generations[runtime_index].store(fresh, std::memory_order_release);
    return fresh;
}

}  // namespace

bool cold_slots::revive(process* base, std::uint32_t runtime_index, std::uint32_t slot) noexcept {
    const auto* kept = kept_generations[runtime_index].load(std::memory_order_acquire);
    if (!kept || kept[slot] == 0) return false;
    process& p = base[slot];
    // Zeroes are what all else begins with. The block as a whole is not constructed: a stale pid may be looking.
    ::new (static_cast<void*>(&p.lethal)) exit_reason();
    p.id = pid::make(runtime_index, slot, kept[slot]);
    p.runs = &nameless;
    p.level = priority::normal;
    p.closed.store(true, std::memory_order_relaxed);
    p.inbox.close();
    return true;
}

cold_slots::cold_slots(process* base, std::uint32_t runtime_index, std::uint32_t limit)
    : base_(base),
      runtime_index_(runtime_index),
      groups_(limit / group + 1),
      free_(zeroes(groups_)),
      given_back_(zeroes(groups_ / 32 + 1)),
      first_(groups_) {}

std::uint32_t* cold_slots::zeroes(std::size_t n) {
    void* p = std::calloc(n, sizeof(std::uint32_t));
    if (!p) throw std::bad_alloc();
    return static_cast<std::uint32_t*>(p);
}

void cold_slots::put_one(std::uint32_t slot) noexcept {
    const std::uint32_t g = slot / group;
    free_[g] |= 1u << slot % group;
    first_ = std::min(first_, g);
    if (free_[g] == ~0u && give_back(g)) given_back_[g / 32] |= 1u << g % 32;
}

std::size_t cold_slots::take(std::uint32_t* slots, std::size_t most) noexcept {
    if (size() == 0) return 0;
    std::lock_guard lock(mutex_);
    std::size_t n = 0;
    for (; first_ < groups_ && n < most; ++first_) {
        std::uint32_t& word = free_[first_];
        if (word == 0) continue;
        if (given_back_[first_ / 32] >> first_ % 32 & 1) {
            given_back_[first_ / 32] &= ~(1u << first_ % 32);
            for (std::uint32_t slot = first_ * group; slot < (first_ + 1) * group; ++slot)
                revive(base_, runtime_index_, slot);
        }
        for (; word != 0 && n < most; word &= word - 1)
            slots[n++] = first_ * group + static_cast<std::uint32_t>(std::countr_zero(word));
        if (word != 0) break;
    }
    size_.fetch_sub(n, std::memory_order_relaxed);
    return n;
}

bool cold_slots::give_back(std::uint32_t g) noexcept {
    std::uint32_t* const kept = generations_of(runtime_index_);
    if (!kept) return false;
    process* const first = base_ + std::size_t{g} * group;
    std::uint32_t locked = 0;
    bool idle = true;
    for (; idle && locked < group; ++locked) {
        idle = (first[locked].id.generation() & 0xffff) != 0 && first[locked].side_lock.try_lock();
        if (!idle) break;
        if (first[locked].timers) {  // one that expired is still to be taken off its list
            first[locked].side_lock.unlock();
            idle = false;
            break;
        }
        kept[g * group + locked] = first[locked].id.generation();
    }
    // Zeroed, the locks are free.
    if (idle && madvise(static_cast<void*>(first), sizeof(process) * group, MADV_DONTNEED) == 0)
        return true;
    while (locked > 0) first[--locked].side_lock.unlock();
    return false;
}

}  // namespace heirloom::detail
