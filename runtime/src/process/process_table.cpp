#include "process/process_table.hpp"

#include "heirloom/errors.hpp"
#include "platform/check.hpp"
#include "platform/sanitizers.hpp"
#include "scheduler/reclamation.hpp"

#include <algorithm>
#include <mutex>
#include <new>

#include <sys/mman.h>

namespace heirloom::detail {

constinit std::atomic<process*> slabs[max_runtimes]{};

namespace {

process* reserve_slab(std::uint32_t index) {
    static constinit std::mutex mutex;
    std::lock_guard lock(mutex);
    if (process* slab = slabs[index].load(std::memory_order_acquire)) return slab;
    const std::size_t bytes = sizeof(process) * std::size_t{max_slots};
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        throw limit_reached("address space", "heirloom: no room for the process table");
    auto* slab = static_cast<process*>(p);
    slabs[index].store(slab, std::memory_order_release);
    return slab;
}

struct parked_slot {
    process_table* table;
    process* block;
};

}  // namespace

process_table::process_table(std::uint32_t runtime_index, std::uint32_t limit, unsigned caches,
                             bool afresh)
    : base_(reserve_slab(runtime_index)),
      runtime_index_(runtime_index),
      limit_(limit),
      afresh_(afresh),
      // All caches together hold a quarter of the slots at most: a small limit stays nearly exact.
      batch_(std::clamp(limit / (8 * caches), 1u, slot_cache::most / 2)),
      cold_(base_, runtime_index, limit) {}

process_table::~process_table() {
    while (parked_.load(std::memory_order_acquire) > 0) collect();
}

process* process_table::acquire(slot_cache& cache) noexcept {
    for (;;) {
        if (cache.count == 0) {
            cache.count = static_cast<unsigned>(depot_.try_dequeue_bulk(cache.slots, batch_));
            taken_over(&depot_);
        }
        if (cache.count == 0) cache.count = static_cast<unsigned>(cold_.take(cache.slots, batch_));
        if (cache.count == 0) {
            std::uint32_t first = used_.load(std::memory_order_relaxed);
            std::uint32_t n;
            do {
                if (first > limit_) return nullptr;
                n = std::min<std::uint32_t>(batch_, limit_ + 1 - first);
            } while (!used_.compare_exchange_weak(first, first + n, std::memory_order_acq_rel));
            std::uint32_t built = 0;
            for (std::uint32_t i = 0; i < n; ++i) {
                const std::uint32_t slot = first + i;
                // An earlier runtime of this index may have built it; its generation goes on.
                if (base_[slot].runs) {
                    if (afresh_ && base_[slot].generation.load(std::memory_order_relaxed) == 0)
                        base_[slot].id = pid();
                } else if (!cold_slots::revive(base_, runtime_index_, slot)) {
                    ::new (static_cast<void*>(base_ + slot)) process();
                    ++built;
                }
                cache.slots[n - 1 - i] = slot;
            }
            // Those built now are the last of the batch.
            holds_pointers(base_ + first + (n - built), sizeof(process) * built);
            cache.count = n;
        }
        const std::uint32_t slot = cache.slots[--cache.count];
        process* p = base_ + slot;
        const std::uint32_t last = p->id.generation();
        if (last == ~std::uint32_t{0}) continue;  // used up: retired for good (I2)
        p->id = pid::make(runtime_index_, slot, last + 1);
        return p;
    }
}

void process_table::release(slot_cache& cache, process* p) noexcept {
    if (((p->id.generation() + 1) & 0xffff) == 0) return park_slot(p);
    if (cache.count >= 2 * batch_) fill_depot(cache);
    cache.slots[cache.count++] = p->id.slot();
}

void process_table::fill_depot(slot_cache& cache) noexcept {
    cache.count -= batch_;
    handed_over(&depot_);
    depot_.enqueue_bulk(cache.slots + cache.count, batch_);
}

void process_table::park_slot(process* p) noexcept {
    // I3. The record is small; without memory for it the slot is given up rather than reused too early.
    auto* parked = new (std::nothrow) parked_slot{this, p};
    if (!parked) return;
    parked_.fetch_add(1, std::memory_order_relaxed);
    after_grace_period(
        [](void* argument) noexcept {
            auto* s = static_cast<parked_slot*>(argument);
            handed_over(&s->table->depot_);
            s->table->depot_.enqueue(s->block->id.slot());
            s->table->parked_.fetch_sub(1, std::memory_order_release);
            delete s;
        },
        parked);
}

void process_table::trim_unused(std::size_t keep) noexcept {
    constexpr unsigned calls_between_looks = 50;
    const std::size_t free = depot_.size_approx();
    fewest_free_ = std::min(fewest_free_, free);
    if (++trims_ % calls_between_looks == 0) {
        surplus_ = fewest_free_ > keep ? fewest_free_ - keep : 0;
        fewest_free_ = free;
    }
    if (surplus_ == 0) return;
    const std::size_t n = cold_.put(surplus_, [&](std::uint32_t* slots, std::size_t most) {
        const std::size_t taken = depot_.try_dequeue_bulk(slots, most);
        taken_over(&depot_);
        return taken;
    });
    surplus_ = n == 0 ? 0 : surplus_ - n;
}

void process_table::flush(slot_cache& cache) noexcept {
    handed_over(&depot_);
    depot_.enqueue_bulk(cache.slots, cache.count);
    cache.count = 0;
}

}  // namespace heirloom::detail
