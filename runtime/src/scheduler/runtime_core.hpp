#pragma once

#include "deterministic/choices.hpp"
#include "heirloom/runtime.hpp"
#include "log/log_queue.hpp"
#include "platform/stack_pool.hpp"
#include "process/names.hpp"
#include "process/process_table.hpp"
#include "scheduler/blocking_pool.hpp"
#include "scheduler/idle_workers.hpp"
#include "scheduler/ready_levels.hpp"
#include "scheduler/worker.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include <concurrentqueue.h>

namespace heirloom::detail {

/// Everything of one runtime.
class runtime_core {
public:
    explicit runtime_core(options opts);
    ~runtime_core();
    runtime_core(const runtime_core&) = delete;
    runtime_core& operator=(const runtime_core&) = delete;

    /// Where runnable processes go that no worker owns: woken by foreign threads, or beyond a ring's capacity.
    /// Enqueues, hence not inlined; see thread_context.hpp.
    [[gnu::noinline]] void inject(process* p) noexcept;
    /// Wakes a sleeping worker, if there is one.
    void wake_one() noexcept;

    /// Deterministic mode: runs processes on the calling thread until `done` holds or nobody can run.
    enum class drive_end : std::uint8_t { done, deadlock, too_long };
    drive_end drive(std::atomic<bool>& done);
    bool is_deterministic() const noexcept { return choices.has_value(); }

    std::int64_t clock() const noexcept;
    std::int64_t live_processes() const noexcept;
    /// Ends all processes; false, after saying who they are, if some do not end in time.
    bool shut_down() noexcept;

    const options opts;
    /// Among all runtimes. Given back at the end, also by a constructor that throws.
    struct place {
        std::uint32_t index;
        bool taken = true;
        void give_back() noexcept;
        ~place() { give_back(); }
    };
    place place_among_runtimes;
    const std::uint32_t index = place_among_runtimes.index;
    const std::thread::id maker = std::this_thread::get_id();
    stack_pool stacks;
    process_table table;
    name_table names;
    log_queue logs;
    std::vector<std::unique_ptr<worker>> workers;
    std::optional<seeded_choices> choices;  // deterministic mode
    std::int64_t virtual_now = 0;
    std::atomic<bool> driving{false};  // deterministic mode: a thread is in the middle of a turn
    std::vector<process*> ready;       // deterministic mode: all that can run
    ready_levels levels;
    idle_workers idle;
    std::atomic<bool> stopping{false};         // the workers leave
    std::atomic<bool> stopping_spawns{false};  // nothing new is started
    moodycamel::ConcurrentQueue<process*> injection;
    std::atomic<std::int64_t> injected{
        0};  // items in injection; never less than the truth for long
    // What an enqueue that could not allocate left over; guarded by overflow_mutex.
    std::mutex overflow_mutex;
    process* overflow_first = nullptr;
    std::atomic<bool> overflow_any{false};
    std::atomic<std::int64_t> foreign_live{0};  // spawned by foreign threads
    std::atomic<std::uint64_t> random_state;
    blocking_pool pool;

    std::mutex locals_mutex;
    std::vector<std::pair<const runtime_local_key*, void*>> locals;  // guarded by locals_mutex

    // Held by the watchdog while it decides about a role, and by a thread that finds itself revoked.
    std::mutex revocation_mutex;

    // Foreign threads that spawn share one cache of slots.
    std::mutex foreign_mutex;
    slot_cache foreign_slots;

    /// Runtimes by index; null where there is none.
    static runtime_core* find(std::uint32_t index) noexcept;
    /// The runtime the calling thread works for; null for none.
    static runtime_core* current() noexcept;

private:
    friend class worker;
    void thread_main(worker* w) noexcept;
    void watch() noexcept;
    void check_for_spin(worker& w, struct spin_watch& seen) noexcept;
    bool take_role(worker& w, std::string_view what_it_does) noexcept;
    worker* wait_for_role() noexcept;
    void start_thread(worker* w);

    std::vector<std::thread> threads_;  // guarded by watchdog_mutex_ once running
    std::vector<worker*>
        free_roles_;            // guarded by spares_mutex_: taken from a thread that computes
    unsigned idle_spares_ = 0;  // guarded by spares_mutex_
    std::mutex spares_mutex_;
    std::condition_variable spares_wake_;
    std::thread watchdog_;
    std::mutex watchdog_mutex_;
    std::condition_variable watchdog_wake_;
};

std::string describe_deadlock(const runtime_core& core);
std::vector<pid> list_processes(const runtime_core& core, bool with_system);

}  // namespace heirloom::detail
