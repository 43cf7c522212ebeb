#include "scheduler/runtime_core.hpp"

#include "deterministic/drive.hpp"
#include "heirloom/errors.hpp"
#include "platform/check.hpp"
#include "platform/inside.hpp"
#include "process/fatal.hpp"
#include "process/lifecycle.hpp"
#include "process/relations.hpp"
#include "process/signals.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <iterator>
#include <random>

#include <pthread.h>
#include <unistd.h>

namespace heirloom::detail {
namespace {

constinit std::mutex registry_mutex;
constinit std::atomic<runtime_core*> registry[max_runtimes]{};

/// Deterministic runtimes count from the top, so that theirs does not depend on how many others there are.
std::uint32_t take_index(runtime_core* core, bool deterministic) {
    std::lock_guard lock(registry_mutex);
    for (std::uint32_t n = 0; n < max_runtimes; ++n) {
        const std::uint32_t i = deterministic ? max_runtimes - 1 - n : n;
        if (registry[i].load(std::memory_order_relaxed)) continue;
        registry[i].store(core, std::memory_order_release);
        return i;
    }
    throw limit_reached("runtimes",
                        "heirloom: " + std::to_string(max_runtimes) + " runtimes exist already");
}

options checked(options o) {
    auto refuse = [](const std::string& what) { throw bad_argument("runtime", what); };
    if (o.workers && *o.workers == 0) refuse("options.workers is 0; a runtime needs at least one");
    if (o.workers && *o.workers > 1024)
        refuse("options.workers is " + std::to_string(*o.workers) + ", more than 1024");
    if (o.stack_size < smallest_stack || o.stack_size > largest_stack)
        refuse("options.stack_size is " + std::to_string(o.stack_size) + " bytes, not between " +
               std::to_string(smallest_stack) + " and " + std::to_string(largest_stack));
    if (o.shutdown_limit < duration::zero()) refuse("options.shutdown_limit is negative");
    if (o.blocking_threads == 0)
        refuse("options.blocking_threads is 0; blocking(f) could never run");
    if (o.max_processes >= max_slots)
        refuse("options.max_processes is " + std::to_string(o.max_processes) + ", more than " +
               std::to_string(max_slots - 1));
    if (!o.workers)
        o.workers = o.deterministic.seed ? 4 : std::max(1u, std::thread::hardware_concurrency());
    if (o.max_processes == 0) o.max_processes = under_tsan ? 4000 : max_slots - 1;
    if (!o.log) o.log = standard_error_sink();
    return o;
}

std::size_t stack_capacity(const options& o) {
    const std::size_t stride = stack_pool::rounded(o.stack_size);
    std::size_t capacity = o.max_processes + *o.workers * 64 + 64;
    if (o.max_stack_memory != 0) {
        if (o.max_stack_memory < stride * (*o.workers * 2 + 2))
            throw bad_argument("runtime",
                               "options.max_stack_memory is less than the workers themselves need");
        capacity = std::min(capacity, o.max_stack_memory / stride);
    }
    if (under_tsan) capacity = std::min<std::size_t>(capacity, 6000);
    return capacity;
}

/// Every stackful process must find a stack when it first waits, so there are never more processes than stacks.
std::uint32_t process_limit(const options& o, std::size_t stacks) {
    const std::size_t reserved = *o.workers * 2;
    const std::size_t own = stacks > reserved ? stacks - reserved : 1;
    return static_cast<std::uint32_t>(std::min(o.max_processes, own));
}

}  // namespace

void runtime_core::place::give_back() noexcept {
    if (!std::exchange(taken, false)) return;
    std::lock_guard lock(registry_mutex);
    registry[index].store(nullptr, std::memory_order_release);
}

runtime_core* runtime_core::find(std::uint32_t index) noexcept {
    return registry[index].load(std::memory_order_acquire);
}

runtime_core* runtime_core::current() noexcept { return this_thread().core; }

runtime_core::runtime_core(options o)
    : opts(checked(std::move(o))),
      place_among_runtimes{take_index(this, opts.deterministic.seed.has_value())},
      stacks(opts.stack_size, stack_capacity(opts), best_guard()),
      table(index, process_limit(opts, stacks.standard().capacity()), *opts.workers + 1,
            opts.deterministic.seed.has_value()),
      logs(opts.log, opts.deterministic.seed.has_value()),
      injection(4096),
      pool(*this, opts.blocking_threads) {
    if (opts.deterministic.seed) {
        choices.emplace(opts.deterministic);
        if (opts.deterministic.step_limit != 0) choices->stop_at = opts.deterministic.step_limit;
        random_state.store(choices->next(), std::memory_order_relaxed);
    } else {
        random_state.store(std::random_device{}() * 0x9e3779b97f4a7c15ull,
                           std::memory_order_relaxed);
    }
    install_fatal_reports();
    workers.reserve(*opts.workers);
    for (unsigned i = 0; i < *opts.workers; ++i)
        workers.push_back(std::make_unique<worker>(*this, i));
    for (auto& w : workers)
        if (!w->secure_spare())
            throw limit_reached("stack memory", "heirloom: no memory for the workers' stacks");
    if (choices) return;
    for (auto& w : workers) start_thread(w.get());
    if (opts.watchdog) watchdog_ = std::thread([this] { watch(); });
}

namespace {

/// Waits until all that has been retired is destroyed, and until whoever was in the middle of something is out of it.
void wait_for_grace() noexcept {
    // Batches go in their order, what is in one in none: whatever came before the first is gone before the second.
    for (int batch = 0; batch < 2; ++batch) {
        std::atomic<bool> passed{false};
        after_grace_period(
            [](void* p) noexcept {
                static_cast<std::atomic<bool>*>(p)->store(true, std::memory_order_release);
            },
            &passed);
        while (!passed.load(std::memory_order_acquire) && !reclamation_at_rest()) {
            {
                // Who destroys this runtime in a process of another waits for all but itself.
                const inside_scope scope;
                if (worker* w = scope.thread().role) announce_quiescent(*w->quiescence);
            }
            collect();
            std::this_thread::yield();
        }
    }
    // Another runtime's thread may have taken what is ours, and still need us.
    while (somebody_reclaims()) std::this_thread::yield();
}

/// What is destroyed may retire what it held, some layers deep. Not until all is at rest: others retire without end.
void wait_for_reclamation() noexcept {
    constexpr int layers = 8;
    int n = 0;
    do wait_for_grace();
    while (++n < layers && !reclamation_at_rest());
}

}  // namespace

runtime_core::~runtime_core() {
    stopping.store(true, std::memory_order_seq_cst);
    heavy_fence();
    for (auto& w : workers) w->spot.unpark();
    {
        std::lock_guard lock(watchdog_mutex_);
        watchdog_wake_.notify_all();
    }
    if (watchdog_.joinable()) watchdog_.join();
    {
        std::lock_guard lock(spares_mutex_);
        spares_wake_.notify_all();
    }
    for (auto& t : threads_) t.join();
    pool.stop();
    logs.flush();
    for (auto& w : workers) drop_timers(*w);
    wait_for_reclamation();
    for (auto& [key, object] : locals) key->destroy(object);
    wait_for_reclamation();
    // Before the tables of processes and names go.
    place_among_runtimes.give_back();
}

std::int64_t runtime_core::clock() const noexcept {
    if (choices) return virtual_now;
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000ll + t.tv_nsec;
}

std::int64_t runtime_core::live_processes() const noexcept {
    std::int64_t n = foreign_live.load(std::memory_order_acquire);
    for (auto& w : workers) n += w->live_published.load(std::memory_order_acquire);
    return n;
}

// --- Waking ----------------------------------------------------------------------------------------

void runtime_core::inject(process* p) noexcept {
    p->status.store(static_cast<std::uint8_t>(process_status::runnable), std::memory_order_relaxed);
    if (choices) return make_ready(*this, p);
    if (p->level != priority::normal) {
        levels.push(p);
        return wake_one();
    }
    handed_over(p);
    bool queued = false;
    try {
        queued = injection.enqueue(p);
    } catch (...) {
        queued = false;
    }
    if (queued) {
        injected.fetch_add(1, std::memory_order_seq_cst);
    } else {
        std::lock_guard lock(overflow_mutex);
        p->run_link = overflow_first;
        overflow_first = p;
        overflow_any.store(true, std::memory_order_seq_cst);
    }
    wake_one();
}

void runtime_core::wake_one() noexcept {
    if (!idle.anybody_asleep()) return;
    for (auto& w : workers)
        if (idle.claim(w->asleep)) return w->spot.unpark();
}

// --- Threads ---------------------------------------------------------------------------------------

void runtime_core::start_thread(worker* w) {
    threads_.emplace_back([this, w] { thread_main(w); });
}

void runtime_core::thread_main(worker* w) noexcept {
    pthread_setname_np(pthread_self(),
                       ("heirloom " + std::to_string(w->index)).substr(0, 15).c_str());
    thread_context& t = this_thread();
    t.core = this;
    pthread_getcpuclockid(pthread_self(), &t.cpu_clock);
    t.system_id = gettid();
    const fault_stack for_overflows;
#if HEIRLOOM_TSAN
    t.native_fiber = __tsan_get_current_fiber();
#endif
    while (w) {
        set_inside(t);
        t.role = w;
        if (!light_fence_is_full) t.budget = &w->budget;
        t.revoked.store(false, inside_order);
        w->player.store(&t, std::memory_order_release);
        go_online(*w->quiescence);
        const departure d =
            switch_context({&t, nullptr, w->take_spare(), nullptr, farewell::nothing}, &base_loop);
        if (d.then == farewell::orphan) {
            // The role was taken away while the process computed; somebody else goes on with the process.
            inject(d.who);
            w = wait_for_role();
            continue;
        }
        w->arrive(d);
        w->player.store(nullptr, std::memory_order_release);
        w->retired_here.pass_on();
        go_offline(*w->quiescence);
        table.flush(w->slots);
        w = nullptr;
    }
    t.role = nullptr;
    t.budget = &t.no_budget;
    t.core = nullptr;
}

worker* runtime_core::wait_for_role() noexcept {
    std::unique_lock lock(spares_mutex_);
    ++idle_spares_;
    spares_wake_.wait(
        lock, [&] { return !free_roles_.empty() || stopping.load(std::memory_order_acquire); });
    --idle_spares_;
    if (free_roles_.empty()) return nullptr;
    worker* w = free_roles_.back();
    free_roles_.pop_back();
    return w;
}

// --- The watchdog ----------------------------------------------------------------------------------

struct spin_watch {
    std::uint64_t dispatches = 0;
    thread_context* player = nullptr;
    int ticks = 0;                // milliseconds without a dispatch
    std::int64_t cpu_before = 0;  // the thread's CPU time when they began
    std::int64_t cpu_lately = 0;  // the same some ticks ago
};

std::int64_t cpu_time_of(const thread_context& t) noexcept {
    timespec time{};
    if (clock_gettime(t.cpu_clock, &time) != 0) return 0;
    return time.tv_sec * 1'000'000'000ll + time.tv_nsec;
}

/// Whether the system has nothing to run of this thread: it waits for something. A thread that could run but is not let is
/// no different in what it uses, and its process has done nothing wrong.
bool is_blocked(const thread_context& t) noexcept {
    char path[48];
    std::snprintf(path, sizeof path, "/proc/self/task/%d/stat", static_cast<int>(t.system_id));
    std::FILE* f = std::fopen(path, "re");
    if (!f) return false;
    // "id (name) state ...": the name is ours, and has no parenthesis.
    char state = 'R';
    const bool known = std::fscanf(f, "%*d (%*[^)]) %c", &state) == 1;
    std::fclose(f);
    return known && (state == 'S' || state == 'D');
}

/// R4. The role goes only if the thread is in the user's code; see inside.hpp for why that is decided safely.
bool runtime_core::take_role(worker& w, std::string_view what_it_does) noexcept {
    thread_context* t = w.player.load(std::memory_order_acquire);
    if (!t) return false;
    // Put in words before the role is given up: then the process may go on, end, and leave its control block to another.
    pid culprit;
    std::string who;
    {
        std::lock_guard lock(revocation_mutex);
        t->revoked.store(true, inside_order);
        heavy_fence();
        if (t->inside.load(std::memory_order_acquire) ||
            w.player.load(std::memory_order_relaxed) != t) {
            t->revoked.store(false, inside_order);
            return false;
        }
        process& p = *t->current;
        culprit = p.id;
        who = to_string(culprit);
        if (const atom name = name_of(p)) who += " \"" + std::string(name.text()) + '"';
        who += " (" + std::string(p.entry()) + ')';
        t->orphaned = w.running;
        t->role = nullptr;
        w.player.store(nullptr, std::memory_order_release);
    }
    logs.push({.level = log_level::warning,
               .event = "long_schedule",
               .about = culprit,
               .text = "process " + who + ' ' + std::string(what_it_does) +
                       "; its worker goes on with another thread"});
    return true;
}

void runtime_core::check_for_spin(worker& w, spin_watch& seen) noexcept {
    constexpr int patience = 8;  // ticks of a millisecond
    constexpr std::size_t most_threads = 64;
    const auto dispatches = w.dispatches.load(std::memory_order_relaxed);
    thread_context* player = w.player.load(std::memory_order_acquire);
    if (dispatches != seen.dispatches || player != seen.player ||
        w.asleep.load(std::memory_order_relaxed)) {
        seen = {dispatches, player, 0, 0};
        return;
    }
    if (!player) return;
    if (seen.ticks == 0) seen.cpu_before = seen.cpu_lately = cpu_time_of(*player);
    // Entries that wait behind a process which computes: others may have them.
    if (w.queued_work() > 0) wake_one();
    if (++seen.ticks < patience || threads_.size() >= most_threads) return;
    // By the thread's own time: one that the system does not let run is left alone, however long that takes. One that has used
    // none lately, whatever it used before, and would not run either sits in a blocking call.
    const std::int64_t used = cpu_time_of(*player);
    const bool computes = used - seen.cpu_before >= 5'000'000;
    bool blocks = false;
    if (seen.ticks % (4 * patience) == 0) {
        blocks = used - seen.cpu_lately < 200'000 && is_blocked(*player);
        seen.cpu_lately = used;
    }
    if (!computes && !blocks) return;
    seen.ticks = 0;
    if (!take_role(w, computes ? "computes without calling the library"
                               : "blocks its thread outside of blocking()"))
        return;
    std::lock_guard lock(spares_mutex_);
    if (idle_spares_ > free_roles_.size()) {
        free_roles_.push_back(&w);
        spares_wake_.notify_one();
        return;
    }
    try {
        start_thread(&w);
    } catch (const std::system_error&) {
        free_roles_.push_back(&w);  // the next thread that comes back takes it
    }
}

void runtime_core::watch() noexcept {
    pthread_setname_np(pthread_self(), "heirloom watch");
    std::unique_lock lock(watchdog_mutex_);
    std::vector<spin_watch> seen(workers.size());
    while (!stopping.load(std::memory_order_acquire)) {
        watchdog_wake_.wait_for(lock, std::chrono::milliseconds(1));
        for (std::size_t i = 0; i < workers.size(); ++i) check_for_spin(*workers[i], seen[i]);
        // Work that was injected while all were awake and busy.
        if (injected.load(std::memory_order_relaxed) > 0) wake_one();
        // As many free stacks and control blocks stay warm as are in use: a storm that is over leaves little behind.
        const std::size_t warm = std::clamp<std::size_t>(stacks.standard().in_use(), 256, 4096);
        stacks.trim_unused(warm, 256);
        table.trim_unused(warm);
    }
}

void rejoin() noexcept {
    thread_context& t = this_thread();
    {
        std::lock_guard lock(t.core->revocation_mutex);
        if (t.role) return;  // the watchdog saw us inside after all
    }
    process* p = std::exchange(t.current, nullptr);
    stack* mine = std::exchange(t.orphaned, nullptr);
    p->own_stack = mine;
    const departure d = switch_context({&t, mine, nullptr, p, farewell::orphan}, &base_loop);
    d.thread->role->arrive(d);
}

// --- Shutdown --------------------------------------------------------------------------------------

std::vector<pid> list_processes(const runtime_core& core, bool with_system) {
    std::vector<pid> found;
    const std::uint32_t used = core.table.used();
    for (std::uint32_t slot = 1; slot < used; ++slot) {
        process& p = *core.table.at(slot);
        const std::uint32_t generation = p.generation.load(std::memory_order_acquire);
        if (generation == 0 || (!with_system && p.system.load(std::memory_order_relaxed))) continue;
        found.push_back(pid::make(core.index, slot, generation));
    }
    return found;
}

namespace {

/// Whether it traps exits and none of those alive does that it descends from.
bool is_topmost_that_traps(pid p) noexcept {
    const auto traps = [](pid q) {
        return resolve(q)->trapping_hint.load(std::memory_order_relaxed);
    };
    if (!traps(p)) return false;
    // With a limit: a slot may change hands while we look.
    for (int generations = 0; generations < 1000; ++generations) {
        p = resolve(p)->parent.load(std::memory_order_relaxed);
        if (!is_alive(p)) return true;
        if (traps(p)) return false;
    }
    return true;
}

}  // namespace

bool runtime_core::shut_down() noexcept {
    bool complete = true;
    // In order: first who traps exits below nobody alive who does, asked to stop as a parent would; it takes its children along,
    // and then who traps and was left behind. Then everybody who is left is killed, and last the system's own processes.
    thread_context& t = this_thread();
    runtime_core* outer = t.core;
    t.core = this;
    if (choices) choices->stop_at = ~0ull;
    auto signal_all = [&](const std::vector<pid>& whom, const exit_reason& why) {
        for (pid p : whom) {
            const pid from = resolve(p)->parent.load(std::memory_order_relaxed);
            try {
                deliver(p,
                        new_message<typed_message<exit_signal>>(exit_type, exit_signal{from, why}));
            } catch (const std::bad_alloc&) {
                continue;
            }
        }
    };
    const auto started = std::chrono::steady_clock::now();
    auto wait_until = [&](auto&& satisfied, duration limit) {
        if (choices) {
            for (int rounds = 0; rounds < 1'000'000 && !satisfied(); ++rounds) {
                if (ready.empty()) {
                    const std::int64_t earliest = next_deadline(*this);
                    if (earliest == timer_queue::never || earliest - virtual_now > limit.count())
                        return false;
                }
                drive_turn(*this);
            }
            return satisfied();
        }
        while (!satisfied()) {
            if (std::chrono::steady_clock::now() - started > limit) return false;
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
        return true;
    };
    // Each once; but there may still come some whose birth had begun when that was forbidden, so it is asked again and again.
    std::vector<pid> killed;
    auto kill_those_left = [&](bool with_system) {
        std::vector<pid> left = list_processes(*this, with_system);
        std::sort(left.begin(), left.end());
        std::vector<pid> late;
        std::set_difference(left.begin(), left.end(), killed.begin(), killed.end(),
                            std::back_inserter(late));
        signal_all(late, reason::kill);
        killed = std::move(left);
        return killed.empty();
    };
    if (!list_processes(*this, false).empty()) {
        for (bool in_time = true; in_time;) {
            std::vector<pid> asked;
            for (pid p : list_processes(*this, false))
                if (is_topmost_that_traps(p)) asked.push_back(p);
            if (asked.empty()) break;
            signal_all(asked, reason::shutdown);
            auto gone = [&] { return std::none_of(asked.begin(), asked.end(), is_alive); };
            in_time = wait_until(gone, opts.shutdown_limit / 2);
        }
        stopping_spawns.store(true, std::memory_order_relaxed);
        if (!wait_until([&] { return kill_those_left(false); }, opts.shutdown_limit)) {
            complete = false;
            std::string who;
            for (pid p : list_processes(*this, false)) {
                process* block = resolve(p);
                who += (who.empty() ? "" : ", ") + to_string(p) + " (" +
                       std::string(block->entry()) + ")";
                if (who.size() > 1000) break;
            }
            logs.push({.level = log_level::error,
                       .event = "shutdown_held",
                       .text = "shutdown is held up by " + who});
            logs.flush();
            if (!opts.leak_on_shutdown) std::_Exit(70);
        }
    }
    stopping_spawns.store(true, std::memory_order_relaxed);
    // Also if those held up make that in vain.
    auto nobody = [&] { return kill_those_left(true); };
    if (!complete) (void)nobody();
    if (!complete || !wait_until(nobody, opts.shutdown_limit)) complete = false;
    t.core = outer;
    return complete;
}

// --- Things of a runtime ----------------------------------------------------------------------------

void* runtime_local(int runtime_index, const runtime_local_key& key) {
    runtime_core* core = runtime_index >= 0 && runtime_index < static_cast<int>(max_runtimes)
                             ? runtime_core::find(static_cast<std::uint32_t>(runtime_index))
                             : nullptr;
    if (!core) throw not_in_process("runtime_local");
    std::lock_guard lock(core->locals_mutex);
    for (auto& [k, object] : core->locals)
        if (k == &key) return object;
    core->locals.emplace_back(&key, nullptr);
    try {
        return core->locals.back().second = key.make();
    } catch (...) {
        core->locals.pop_back();
        throw;
    }
}

pid spawn_system(int runtime_index, activity* what, const type_label& entry) noexcept {
    runtime_core* core = runtime_index >= 0
                             ? runtime_core::find(static_cast<std::uint32_t>(runtime_index))
                             : nullptr;
    if (!core) {
        delete what;
        return {};
    }
    thread_context& t = this_thread();
    worker* where = t.role && &t.role->core == core ? t.role : nullptr;
    static constexpr spawn_options plain{};
    try {
        return give_birth(*core, {&plain, what, {.system = true, .entry = &entry}, nullptr, where})
            .process;
    } catch (const std::exception&) {
        return {};
    }
}

std::uint64_t random_bits() noexcept {
    runtime_core* core = runtime_core::current();
    if (!core) {
        static std::atomic<std::uint64_t> fallback{std::random_device{}()};
        return mix(fallback.fetch_add(0x9e3779b97f4a7c15ull, std::memory_order_relaxed));
    }
    if (core->choices) return core->choices->next();
    return mix(core->random_state.fetch_add(0x9e3779b97f4a7c15ull, std::memory_order_relaxed));
}

}  // namespace heirloom::detail
