#include "scheduler/reclamation.hpp"

#include "heirloom/detail/activity.hpp"
#include "platform/check.hpp"
#include "platform/thread_context.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace heirloom::detail {

constinit std::atomic<std::uint64_t> reclamation_epoch{1};
constinit std::atomic<bool> some_due{false};

namespace {

struct retired {
    void* object;
    void (*destroy)(void*) noexcept;
    retired* next;
    // Of the first of a batch: what was retired between two looks of the collector.
    std::uint64_t epoch;
    retired* next_batch;
};

/// Batches, oldest first. No object but a batch's first is touched before its turn to be freed.
struct batch_queue {
    retired* first = nullptr;
    retired* last = nullptr;
    void push(retired* batch) noexcept {
        batch->next_batch = nullptr;
        (last ? last->next_batch : first) = batch;
        last = batch;
    }
    void push_front(retired* batch) noexcept {
        batch->next_batch = first;
        first = batch;
        if (!last) last = batch;
    }
    retired* pop() noexcept {
        retired* batch = first;
        first = batch->next_batch;
        if (!first) last = nullptr;
        return batch;
    }
};

// Objects freed by one collect(): few, so that it holds nobody up; more while they do not get fewer.
constexpr unsigned fewest_a_time = 512;
constexpr unsigned most_a_time = 16'384;

constinit std::atomic<quiescence_slot*> all_slots{nullptr};
constinit std::atomic<retired*> incoming{nullptr};  // pushed by anyone
constinit std::mutex collector;
std::atomic<int> collecting{
    0};  // threads that destroy what they have taken; rises under `collector`
constinit std::atomic<bool> some_waiting{false};
constinit batch_queue waiting;                 // guarded by collector: for their epoch to pass
constinit batch_queue due;                     // guarded by collector: for their turn
constinit unsigned at_a_time = fewest_a_time;  // guarded by collector

}  // namespace

std::uint64_t oldest_epoch_seen() noexcept {
    std::uint64_t oldest = quiescence_slot::offline;
    for (quiescence_slot* s = all_slots.load(std::memory_order_acquire); s; s = s->next) {
        const auto seen = s->seen.load(std::memory_order_acquire);
        if (seen < oldest) oldest = seen;
    }
    return oldest;
}

quiescence_slot* take_quiescence_slot() {
    for (quiescence_slot* s = all_slots.load(std::memory_order_acquire); s; s = s->next) {
        bool free = false;
        if (s->taken.compare_exchange_strong(free, true, std::memory_order_acq_rel)) {
            s->depth = 0;
            return s;
        }
    }
    auto* s = new quiescence_slot;
    s->taken.store(true, std::memory_order_relaxed);
    s->next = all_slots.load(std::memory_order_relaxed);
    while (!all_slots.compare_exchange_weak(s->next, s, std::memory_order_acq_rel)) {
    }
    return s;
}

void leave_quiescence_slot(quiescence_slot* slot) noexcept {
    go_offline(*slot);
    slot->taken.store(false, std::memory_order_release);
}

void release_reader_slot(void* slot) noexcept {
    if (slot) leave_quiescence_slot(static_cast<quiescence_slot*>(slot));
}

bool reclamation_at_rest() noexcept {
    std::lock_guard lock(collector);
    // acquire; pairs with the release at the end of collect(): what it has destroyed is destroyed.
    return !incoming.load(std::memory_order_relaxed) && !waiting.first && !due.first &&
           collecting.load(std::memory_order_acquire) == 0;
}

bool somebody_reclaims() noexcept {
    return collecting.load(std::memory_order_acquire) != 0;  // as above
}

bool anything_retired() noexcept {
    return incoming.load(std::memory_order_relaxed) || some_waiting.load(std::memory_order_relaxed);
}

void collect() noexcept {
    retired* ready = nullptr;
    {
        std::unique_lock lock(collector, std::try_to_lock);
        if (!lock) return;
        if (retired* batch = incoming.exchange(nullptr, std::memory_order_acquire)) {
            // Stamped here: an object retired before the epoch moves on is unreachable for whoever sees the new one.
            std::atomic_thread_fence(std::memory_order_seq_cst);  // partner: go_online
            batch->epoch = reclamation_epoch.fetch_add(1, std::memory_order_acq_rel);
            waiting.push(batch);
        }
        std::atomic_thread_fence(std::memory_order_seq_cst);  // partner: go_online
        const auto oldest = oldest_epoch_seen();
        while (waiting.first && waiting.first->epoch < oldest) due.push(waiting.pop());
        retired** end = &ready;
        for (unsigned n = 0; due.first && n < at_a_time;) {
            retired* batch = due.pop();
            retired* last = batch;
            for (++n; n < at_a_time && last->next; ++n) last = last->next;
            if (retired* rest = std::exchange(last->next, nullptr)) due.push_front(rest);
            *end = batch;
            end = &last->next;
        }
        at_a_time = due.first ? std::min(at_a_time * 2, most_a_time) : fewest_a_time;
        some_due.store(due.first != nullptr, std::memory_order_relaxed);
        some_waiting.store(waiting.first || due.first, std::memory_order_relaxed);
        if (!ready) return;
        collecting.fetch_add(1, std::memory_order_relaxed);  // under the lock, as it is looked at
    }
    while (ready) {
        retired* next = ready->next;
        ready->destroy(ready->object);
        free_block(ready, sizeof(retired));
        ready = next;
    }
    collecting.fetch_sub(1, std::memory_order_release);  // pairs with reclamation_at_rest()
}

void retire(void* object, void (*destroy)(void*) noexcept) noexcept {
    retired* r;
    try {
        r = static_cast<retired*>(allocate_block(sizeof(retired)));
    } catch (...) {
        return;  // no memory for the record: leak the object rather than free it under a reader
    }
    r->object = object;
    r->destroy = destroy;
    r->next = incoming.load(std::memory_order_relaxed);
    // release; pairs with the exchange in collect().
    while (!incoming.compare_exchange_weak(r->next, r, std::memory_order_acq_rel)) {
    }
}

void after_grace_period(void (*then)(void*) noexcept, void* argument) noexcept {
    retire(argument, then);
}

void hold_reclamation(thread_context& t) noexcept {
    if (!t.reader_slot) t.reader_slot = take_quiescence_slot();
    auto& slot = *static_cast<quiescence_slot*>(t.reader_slot);
    if (slot.depth++ == 0) go_online(slot);
}

void release_reclamation(thread_context& t) noexcept {
    auto& slot = *static_cast<quiescence_slot*>(t.reader_slot);
    if (--slot.depth == 0) go_offline(slot);
}

reader_scope::reader_scope() noexcept {
    thread_context& t = this_thread();
    if (t.role) return;
    hold_reclamation(t);
    slot_ = t.reader_slot;
}

reader_scope::~reader_scope() {
    if (slot_) release_reclamation(this_thread());
}

}  // namespace heirloom::detail
