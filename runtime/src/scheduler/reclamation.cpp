#include "scheduler/reclamation.hpp"

#include "heirloom/detail/activity.hpp"
#include "platform/check.hpp"
#include "platform/thread_context.hpp"

#include <mutex>

namespace heirloom::detail {

constinit std::atomic<std::uint64_t> reclamation_epoch{1};

namespace {

struct retired {
    void* object;
    void (*destroy)(void*) noexcept;
    std::uint64_t epoch;
    retired* next;
};

constinit std::atomic<quiescence_slot*> all_slots{nullptr};
constinit std::atomic<retired*> incoming{nullptr};  // pushed by anyone
constinit std::mutex collector;
constinit std::atomic<bool> some_waiting{false};
retired* waiting_first = nullptr;  // guarded by collector; oldest first
retired* waiting_last = nullptr;   // guarded by collector

std::uint64_t oldest_seen() noexcept {
    std::uint64_t oldest = quiescence_slot::offline;
    for (quiescence_slot* s = all_slots.load(std::memory_order_acquire); s; s = s->next) {
        const auto seen = s->seen.load(std::memory_order_acquire);
        if (seen < oldest) oldest = seen;
    }
    return oldest;
}

}  // namespace

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
            const auto epoch = reclamation_epoch.fetch_add(1, std::memory_order_acq_rel);
            retired* oldest = nullptr;
            retired* last = batch;
            while (batch) {
                retired* next = batch->next;
                batch->epoch = epoch;
                batch->next = oldest;
                oldest = batch;
                batch = next;
            }
            if (waiting_last)
                waiting_last->next = oldest;
            else
                waiting_first = oldest;
            waiting_last = last;
        }
        std::atomic_thread_fence(std::memory_order_seq_cst);  // partner: go_online
        const auto oldest = oldest_seen();
        retired* last = nullptr;
        for (retired* r = waiting_first; r && r->epoch < oldest; r = r->next) last = r;
        if (last) {
            ready = waiting_first;
            waiting_first = last->next;
            if (!waiting_first) waiting_last = nullptr;
            last->next = nullptr;
        }
        some_waiting.store(waiting_first != nullptr, std::memory_order_relaxed);
    }
    while (ready) {
        retired* next = ready->next;
        ready->destroy(ready->object);
        free_block(ready, sizeof(retired));
        ready = next;
    }
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

reader_scope::reader_scope() noexcept {
    thread_context& t = this_thread();
    if (t.role) return;
    if (!t.reader_slot) t.reader_slot = take_quiescence_slot();
    auto* slot = static_cast<quiescence_slot*>(t.reader_slot);
    if (slot->depth++ == 0) go_online(*slot);
    slot_ = slot;
}

reader_scope::~reader_scope() {
    if (!slot_) return;
    auto* slot = static_cast<quiescence_slot*>(slot_);
    if (--slot->depth == 0) go_offline(*slot);
}

}  // namespace heirloom::detail
