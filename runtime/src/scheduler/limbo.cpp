#include "scheduler/limbo.hpp"

#include "heirloom/detail/activity.hpp"
#include "platform/thread_context.hpp"
#include "scheduler/reclamation.hpp"
#include "scheduler/worker.hpp"

#include <atomic>
#include <new>
#include <utility>

namespace heirloom::detail {

namespace {
// More than a slice can retire, so that it never gets ahead; few enough to hold nobody up.
constexpr unsigned chunks_a_turn = 160;
}  // namespace

bool limbo::add_chunk(void* object, void (*destroy)(void*) noexcept) noexcept {
    chunk* fresh;
    try {
        fresh = static_cast<chunk*>(allocate_block(sizeof(chunk)));
    } catch (const std::bad_alloc&) {
        return false;
    }
    fresh->next = filling_;
    fresh->used = 1;
    fresh->items[0] = {object, destroy};
    filling_ = fresh;
    return true;
}

void limbo::destroy_chunk(void* c) noexcept {
    auto* dead = static_cast<chunk*>(c);
    for (unsigned i = 0; i < dead->used; ++i) dead->items[i].destroy(dead->items[i].object);
    free_block(dead, sizeof(chunk));
}

void limbo::settle(quiescence_slot& mine) noexcept {
    if (!waiting_ && filling_) {
        waiting_ = std::exchange(filling_, nullptr);
        // As in collect(): all of it is unreachable for whoever sees the new epoch.
        std::atomic_thread_fence(std::memory_order_seq_cst);  // partner: go_online
        epoch_ = reclamation_epoch.fetch_add(1, std::memory_order_acq_rel);
        announce_quiescent(mine);
    }
    if (waiting_ && !ripe_) {
        std::atomic_thread_fence(std::memory_order_seq_cst);  // partner: go_online
        if (epoch_ < oldest_epoch_seen()) ripe_ = std::exchange(waiting_, nullptr);
    }
    for (unsigned n = 0; ripe_ && n < chunks_a_turn; ++n)
        destroy_chunk(std::exchange(ripe_, ripe_->next));
}

void limbo::pass_on() noexcept {
    for (chunk** list : {&ripe_, &waiting_, &filling_})
        while (*list) {
            chunk* c = std::exchange(*list, (*list)->next);
            retire(c, &destroy_chunk);
        }
}

void retire_often(void* object, void (*destroy)(void*) noexcept) noexcept {
    thread_context& t = this_thread();
    // Inside the library the role is this thread's for the time being. A deterministic run has no turns of its own.
    if (t.role && !t.role->seeded && t.inside.load(std::memory_order_relaxed) &&
        t.role->retired_here.add(object, destroy))
        return;
    retire(object, destroy);
}

}  // namespace heirloom::detail
