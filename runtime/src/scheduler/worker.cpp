#include "scheduler/worker.hpp"

#include "deterministic/drive.hpp"
#include "platform/check.hpp"
#include "process/lifecycle.hpp"
#include "process/signals.hpp"
#include "scheduler/runtime_core.hpp"

#include <algorithm>
#include <ctime>
#include <new>

namespace heirloom::detail {
namespace {

constexpr int look_interval =
    61;  // dispatches between looks at the ready list, injection and timers
constexpr unsigned cached_stacks = 32;
constexpr unsigned backlog_look = 4;  // dispatches that leave work behind between looks at its age
constexpr std::int64_t worth_moving_after = 20'000;  // nanoseconds; see backlog_watch.hpp
constexpr int spins_before_sleep = 2000;
constexpr int spins_between_looks =
    128;  // at others, some 2 us: a look takes the lines that their owner writes
constexpr std::int64_t aloof_for = 1'000'000;  // nanoseconds
constexpr int relaxes_when_aloof = 32;         // between looks at its own work
constexpr unsigned fresh_share = 8;  // picks of fresh processes for each one of the ready list
constexpr std::int64_t oldest_waits =
    1'000'000;  // nanoseconds after which the oldest fresh process comes before the youngest
constexpr unsigned low_share = 8;  // picks for each one of low priority

}  // namespace

worker::worker(runtime_core& c, unsigned i)
    : core(c),
      index(i),
      seeded(c.is_deterministic()),
      quiescence(take_quiescence_slot()),
      levels_(c.levels),
      to_injection_(c.injection),
      from_injection_(c.injection),
      random_(i + 1),
      backlogs_(*c.opts.workers) {}

worker::~worker() {
    retired_here.pass_on();
    leave_quiescence_slot(quiescence);
}

std::int64_t worker::read_clock() noexcept { return now = core.clock(); }

// --- Making runnable -------------------------------------------------------------------------------

void worker::enqueue(process* p) noexcept {
    p->status.store(static_cast<std::uint8_t>(process_status::runnable), std::memory_order_relaxed);
    if (seeded) return make_ready(core, p);
    if (p->level != priority::normal) {
        levels_.push(p);
        return core.wake_one();
    }
    if (!ring_.has_room()) return overflow(p);
    ring_.push(p);
}

void worker::overflow(process* p) noexcept {
    process* half[129];
    std::size_t n = ring_.shed(half);
    half[n++] = p;
    for (std::size_t i = 0; i < n; ++i) handed_over(half[i]);
    bool queued = false;
    try {
        queued = core.injection.enqueue_bulk(to_injection_, half, n);
    } catch (...) {
        queued = false;
    }
    if (queued) {
        core.injected.fetch_add(static_cast<std::int64_t>(n), std::memory_order_release);
        core.wake_one();
    } else {
        for (std::size_t i = 0; i < n; ++i)
            core.inject(half[i]);  // has a list that needs no memory
    }
}

void worker::forget_pace() noexcept {
    if (looked_at_ == 0) return;
    looked_at_ = 0;
    slow_.store(false, std::memory_order_relaxed);
}

void worker::announce_backlog() noexcept {
    // Wake another worker only for work that has been waiting here while this one did something else: what was just
    // handed off runs sooner here than a sleeper wakes, and a burst of short ones is over before.
    if (core.idle.sleeping.load(std::memory_order_relaxed) == 0 ||
        core.idle.searching.load(std::memory_order_relaxed) != 0) {
        backlog_ = 0;
        forget_pace();
        return;
    }
    if (++backlog_ < backlog_look) return;
    backlog_ = 0;
    const std::int64_t time = read_clock();
    // A short queue turns over between two looks, and then nothing in it has an age. What each of the dispatches between
    // them took, the next in line waits at least.
    const auto turns = static_cast<std::int64_t>(dispatches.load(std::memory_order_relaxed));
    const bool slow =
        looked_at_ != 0 && time - looked_at_ >= (turns - looked_at_turn_) * worth_moving_after;
    looked_at_ = time;
    looked_at_turn_ = turns;
    slow_.store(slow, std::memory_order_relaxed);
    if (slow || (ring_.size() > 0 && ring_.age(own_backlog_.woken, time) >= worth_moving_after) ||
        (nursery_.size() > 0 && nursery_.age(own_backlog_.fresh, time) >= worth_moving_after))
        core.wake_one();
}

// --- Choosing what to run --------------------------------------------------------------------------

void worker::complete_deferred() noexcept {
    process* p = deferred;
    deferred = nullptr;
    timer_node* timer = p->wait_timer;
    if (timer && deferred_limit != timer_queue::never) {
        const std::int64_t start = read_clock();
        try {
            timers.arm(*timer,
                       deferred_limit > INT64_MAX - start ? INT64_MAX - 1 : start + deferred_limit);
        } catch (const std::bad_alloc&) {
            timer->state = timer_state::out;  // counts as having passed
            return enqueue(p);
        }
    }
    p->status.store(static_cast<std::uint8_t>(process_status::waiting), std::memory_order_relaxed);
    if (!p->inbox.park(true)) enqueue(p);
}

process* worker::pick_slowly() noexcept {
    if (deferred) complete_deferred();
    note_dispatch();
    if (seeded) return pick_seeded(core, *this);
    if (!retired_here.empty()) retired_here.settle(*quiescence);
    if (some_due.load(std::memory_order_relaxed)) [[unlikely]]
        collect();
    process* p = levels_.pop_elevated();
    if (p) return p;
    if (countdown_ <= 0) {
        // Others get a turn before the chain of hand-offs goes on.
        countdown_ = look_interval;
        budget = slice;
        run_timers(read_clock());
        if (anything_retired()) collect();
        if (!is_aloof() && (core.injected.load(std::memory_order_relaxed) > 0 ||
                            core.overflow_any.load(std::memory_order_relaxed)))
            p = look_elsewhere();
        if (!p) p = levels_.pop_low();
        // Youngest first must not mean never for the oldest.
        if (!p && nursery_.size() > 0 && nursery_.age(own_backlog_.fresh, now) >= oldest_waits)
            p = nursery_.steal();
        if (!p) p = ring_.pop();
    } else if (levels_.in_use() && ++low_turn_ >= low_share) {
        low_turn_ = 0;
        if ((p = levels_.pop_low())) budget = slice;
    }
    if (!p) {
        p = std::exchange(next_, nullptr);
        if (!p) {
            budget = slice;
            --countdown_;
            if (ring_turn_ < fresh_share && (p = nursery_.pop())) {
                ++ring_turn_;
            } else {
                ring_turn_ = 0;
                if (!(p = ring_.pop())) p = nursery_.pop();
            }
        }
    }
    if (queued_work() > 0) announce_backlog();
    return p;
}

process* worker::look_elsewhere() noexcept {
    process* batch[32];
    if (process* p = levels_.pop_elevated()) return p;
    if (core.injected.load(std::memory_order_acquire) > 0) {
        const std::size_t n = core.injection.try_dequeue_bulk(from_injection_, batch, 32);
        if (n > 0) {
            core.injected.fetch_sub(static_cast<std::int64_t>(n), std::memory_order_relaxed);
            for (std::size_t i = 0; i < n; ++i) taken_over(batch[i]);
            for (std::size_t i = 1; i < n; ++i) enqueue(batch[i]);
            return batch[0];
        }
    }
    if (core.overflow_any.load(std::memory_order_acquire)) {
        std::lock_guard lock(core.overflow_mutex);
        if (process* p = core.overflow_first) {
            core.overflow_first = p->run_link;
            if (!core.overflow_first) core.overflow_any.store(false, std::memory_order_relaxed);
            return p;
        }
    }
    return nullptr;
}

bool worker::steal_woken(worker& victim) noexcept {
    process* taken[128];
    const std::size_t n = victim.ring_.steal(taken);
    for (std::size_t i = 0; i < n; ++i) enqueue(taken[i]);
    return n > 0;
}

bool worker::steal_fresh(worker& victim) noexcept {
    bool any = false;
    for (std::size_t n = (victim.nursery_.size() + 1) / 2; n > 0; --n) {
        process* p = victim.nursery_.steal();
        if (!p) break;
        welcome(p);
        any = true;
    }
    return any;
}

bool worker::look_at_others() noexcept {
    const auto workers_count = core.workers.size();
    const auto start = random_() % workers_count;
    const std::int64_t time = read_clock();
    for (std::size_t i = 0; i < workers_count; ++i) {
        const std::size_t which = (start + i) % workers_count;
        worker& victim = *core.workers[which];
        backlog& seen = backlogs_[which];
        if (&victim == this || victim.queued_work() == 0) continue;
        const bool slow = victim.slow_.load(std::memory_order_relaxed);
        if (victim.nursery_.size() > 0 &&
            (victim.nursery_.age(seen.fresh, time) >= worth_moving_after || slow) &&
            steal_fresh(victim))
            return true;
        if (victim.ring_.size() > 0 &&
            (victim.ring_.age(seen.woken, time) >= worth_moving_after || slow) &&
            steal_woken(victim))
            return true;
    }
    return false;
}

bool worker::keep_aloof_from(const worker& busy) noexcept {
    const std::int64_t time = read_clock();
    if (time < busy.aloof_until_.load(std::memory_order_relaxed)) return false;
    aloof_until_.store(time + aloof_for, std::memory_order_relaxed);
    return true;
}

bool worker::others_have_work() const noexcept {
    return std::any_of(core.workers.begin(), core.workers.end(), [this](const auto& other) {
        return other.get() != this && other->queued_work() > 1;
    });
}

process* worker::find_work() noexcept {
    for (;;) {
        if (process* p = pick()) return p;
        if (core.is_deterministic()) {
            leaving = false;
            return nullptr;  // the driver decides
        }
        if (core.stopping.load(std::memory_order_acquire)) return nullptr;
        run_timers(read_clock());
        if (next_ || queued_work() > 0) continue;
        if (is_aloof() && !levels_.has_any()) {
            for (int i = 0; i < relaxes_when_aloof; ++i) cpu_relax();
            continue;
        }
        if (process* p = look_elsewhere()) return p;
        if (process* p = levels_.pop_low()) return p;
        forget_pace();  // what passes from here on is no dispatch
        // Search: first awake, then once more with the sleep announced.
        core.idle.searching.fetch_add(1, std::memory_order_seq_cst);
        bool found = false;
        for (int spin = 0; spin < spins_before_sleep && !found; ++spin) {
            if (core.workers.size() > 1 && spin % spins_between_looks == 0)
                found = look_at_others();
            found = found || levels_.has_any() ||
                    core.injected.load(std::memory_order_relaxed) > 0 ||
                    core.overflow_any.load(std::memory_order_relaxed) ||
                    core.stopping.load(std::memory_order_relaxed);
            if (!found) cpu_relax();
        }
        // What has not waited for long enough yet is no reason to sleep.
        if (found || others_have_work()) {
            core.idle.searching.fetch_sub(1, std::memory_order_seq_cst);
            continue;
        }
        core.idle.announce_sleep(asleep);  // what follows is its second look
        const bool work = core.injected.load(std::memory_order_seq_cst) > 0 ||
                          core.overflow_any.load(std::memory_order_seq_cst) ||
                          core.stopping.load(std::memory_order_seq_cst) || levels_.has_any();
        if (!work && !others_have_work()) {
            const std::int64_t earliest = timers.earliest();
            std::int64_t wait = -1;
            if (earliest != timer_queue::never) {
                wait = earliest - read_clock();
                if (wait < 0) wait = 0;
            }
            retired_here.pass_on();
            go_offline(*quiescence);
            if (wait != 0) spot.park(wait);
            go_online(*quiescence);
        }
        core.idle.end_sleep(asleep);
    }
}

// --- Timers ----------------------------------------------------------------------------------------

void worker::run_timers(std::int64_t time) noexcept {
    expired_timer expired[64];
    while (const std::size_t n = timers.expire(time, expired, 64))
        for (std::size_t i = 0; i < n; ++i) fire_timer(*this, expired[i]);
}

// --- Stacks ----------------------------------------------------------------------------------------

bool worker::refill_spare() noexcept {
    if (cached_stacks_) {
        spare_ = cached_stacks_;
        cached_stacks_ = spare_->next;
        spare_->next = nullptr;
        --cached_count_;
    } else {
        spare_ = core.stacks.standard().acquire();
    }
    return spare_ != nullptr;
}

void worker::refill_spare_or_die() noexcept {
    const bool have = refill_spare();
    HEIRLOOM_CHECK(have, "worker: out of stacks where one had been promised");
}

void worker::release_stack(stack* s) noexcept {
    if (s->region != &core.stacks.standard()) return s->region->release(s);
    if (!spare_) {
        spare_ = s;
    } else if (cached_count_ < cached_stacks) {
        s->next = cached_stacks_;
        cached_stacks_ = s;
        ++cached_count_;
    } else {
        core.stacks.standard().release(s);
    }
}

// --- Switching -------------------------------------------------------------------------------------

void worker::finish_departure(const departure& d) noexcept {
    process* p = d.who;
    switch (d.then) {
    case farewell::nothing:
        break;
    case farewell::park: {
        // A timer of this wait that has expired already (between arming and now) found nobody waiting.
        const bool expired = p->wait_timer && p->wait_timer->state == timer_state::out;
        p->status.store(static_cast<std::uint8_t>(process_status::waiting),
                        std::memory_order_relaxed);
        if (expired || !p->inbox.park(p->waits_quietly)) enqueue(p);
        break;
    }
    case farewell::requeue:
        enqueue(p);
        // When its successor was chosen it was not here yet; of two that take turns the queue was empty then.
        if (ring_.size() == 1) announce_backlog();
        break;
    case farewell::orphan:
        core.inject(p);
        break;
    case farewell::block:
        p->status.store(static_cast<std::uint8_t>(process_status::waiting),
                        std::memory_order_relaxed);
        if (!core.pool.submit(p->blocking)) {
            p->blocking->refused = true;
            enqueue(p);
        }
        break;
    case farewell::retire_stack:
        release_stack(d.from);
        break;
    }
}

void base_loop(boost::context::detail::transfer_t transfer) noexcept {
    departure d = enter_context(transfer);
    stack* const mine = d.to;
    thread_context* thread = d.thread->role->arrive(d);
    for (;;) {
        worker* w = thread->role;
        process* p = std::exchange(w->direct, nullptr);
        const bool standard = mine->region == &w->core.stacks.standard();
        if (!p && !standard) {
            // A stack of another size serves the one process that asked for it.
            d = switch_context({thread, mine, w->take_spare(), nullptr, farewell::retire_stack},
                               &base_loop);
            thread = d.thread->role->arrive(d);
            continue;
        }
        if (!p) p = w->find_work();
        if (!p) {
            d = switch_context({thread, mine, nullptr, nullptr, farewell::retire_stack},
                               &base_loop);
            thread = d.thread->role->arrive(d);
        } else if (p->own_stack) {
            resume_process(*thread, p);
            // This stack goes to the worker's list before its context is stored; nobody looks there before the next
            // context, on this same thread, has arrived.
            d = switch_context({thread, mine, p->own_stack, nullptr, farewell::retire_stack},
                               &base_loop);
            thread = d.thread->role->arrive(d);
        } else if (p->stack_bytes != 0 && mine->region->stride() != p->stack_bytes) {
            stack_region* region = w->core.stacks.region_for(p->stack_bytes);
            stack* own = region && !refuse_stack_of(w->core, p) ? region->acquire() : nullptr;
            if (!own) {
                refuse_stack(*p);
                thread = run_process(*thread, p);
                continue;
            }
            w->direct = p;
            d = switch_context({thread, mine, own, nullptr, farewell::retire_stack}, &base_loop);
            thread = d.thread->role->arrive(d);
        } else {
            thread = run_process(*thread, p);
        }
    }
}

}  // namespace heirloom::detail
