#pragma once

#include <atomic>
#include <cstdint>

// reclamation: memory that lock-free readers may still see is freed when every participant has passed a quiescent
// state. One domain for the whole program: tables are read by several runtimes and by plain threads.
//   Participants: a worker publishes the epoch it has seen each time it is back in its scheduler (two plain moves), is
//   offline while it sleeps, and a plain thread is online only inside a reader_scope.
//   I1  An object retired in epoch e is freed when every online participant has published an epoch > e.
//   I2  A participant that comes online publishes with a full fence before it reads shared data.
namespace heirloom::detail {

struct thread_context;

/// One participant's word; records are linked once and reused, never freed.
struct alignas(64) quiescence_slot {
    static constexpr std::uint64_t offline = ~std::uint64_t{0};
    std::atomic<std::uint64_t> seen{offline};  // written by its user, read by the collector
    std::atomic<bool> taken{false};
    quiescence_slot* next = nullptr;  // constant once linked
    unsigned depth = 0;               // its user's, for nested scopes
};

extern std::atomic<std::uint64_t> reclamation_epoch;
extern std::atomic<bool> some_due;  // a hint, written by the collector

quiescence_slot* take_quiescence_slot();
void leave_quiescence_slot(quiescence_slot* slot) noexcept;
void release_reader_slot(void* slot) noexcept;

inline void announce_quiescent(quiescence_slot& slot) noexcept {
    // release: reads of shared data before this point are done; pairs with the collector's acquire.
    slot.seen.store(reclamation_epoch.load(std::memory_order_acquire), std::memory_order_release);
}
inline void go_online(quiescence_slot& slot) noexcept {
    // relaxed: the fence alone keeps the store from passing the reads of shared data that follow; partner: the collector's.
    slot.seen.store(reclamation_epoch.load(std::memory_order_acquire), std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
}
inline void go_offline(quiescence_slot& slot) noexcept {
    slot.seen.store(quiescence_slot::offline, std::memory_order_release);
}

/// The oldest epoch that an online participant has published last. A full fence comes first.
std::uint64_t oldest_epoch_seen() noexcept;

/// For a thread that drives no worker: holds reclamation back until the release. They nest.
void hold_reclamation(thread_context& t) noexcept;
void release_reclamation(thread_context& t) noexcept;

/// Frees some of what has come of age. Called by workers now and then, and before each process they run while `some_due`
/// says that there is more; does nothing if another thread is at it.
void collect() noexcept;
/// Whether something waits to be freed.
bool anything_retired() noexcept;
/// Nothing is retired, and nobody is destroying what was. Waits for no one.
bool reclamation_at_rest() noexcept;
/// Somebody is destroying what was retired.
bool somebody_reclaims() noexcept;

}  // namespace heirloom::detail
