#pragma once

#include "process/process.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>

namespace heirloom::detail {

// ready_levels: the runnable processes whose priority is not normal, for all workers of a runtime. Few programs have any,
// so this is one lock, and what everybody pays is a look at one word that then never changes.
//   I1  A process is here only while it is runnable; whoever pops it owns it.
//   I2  `elevated` and `low` never exceed what the lists hold by more than the pushes in progress.
class ready_levels {
public:
    /// Somebody has, or will have, another priority than normal.
    void use() noexcept { in_use_.store(true, std::memory_order_relaxed); }
    bool in_use() const noexcept { return in_use_.load(std::memory_order_relaxed); }

    void push(process* p) noexcept {
        std::lock_guard lock(mutex_);
        list& l = lists_[static_cast<unsigned>(p->level)];
        p->run_link = nullptr;
        *(l.last ? &l.last->run_link : &l.first) = p;
        l.last = p;
        auto& count = p->level == priority::low ? low_ : elevated_;
        // seq_cst: partner of the look a worker takes between announcing its sleep and sleeping.
        count.fetch_add(1, std::memory_order_seq_cst);
    }
    /// The oldest of the highest level above normal.
    process* pop_elevated() noexcept {
        if (elevated_.load(std::memory_order_relaxed) == 0) return nullptr;
        std::lock_guard lock(mutex_);
        process* p = pop(lists_[static_cast<unsigned>(priority::max)]);
        if (!p) p = pop(lists_[static_cast<unsigned>(priority::high)]);
        if (p) elevated_.fetch_sub(1, std::memory_order_relaxed);
        return p;
    }
    process* pop_low() noexcept {
        if (low_.load(std::memory_order_relaxed) == 0) return nullptr;
        std::lock_guard lock(mutex_);
        process* p = pop(lists_[static_cast<unsigned>(priority::low)]);
        if (p) low_.fetch_sub(1, std::memory_order_relaxed);
        return p;
    }
    /// Whether somebody of at least this level, which is above normal, waits.
    bool holds(priority least) noexcept {
        if (!has_elevated()) return false;
        std::lock_guard lock(mutex_);
        return lists_[static_cast<unsigned>(priority::max)].first ||
               (least <= priority::high && lists_[static_cast<unsigned>(priority::high)].first);
    }
    bool has_elevated() const noexcept { return elevated_.load(std::memory_order_relaxed) != 0; }
    bool has_any() const noexcept {
        return elevated_.load(std::memory_order_seq_cst) + low_.load(std::memory_order_seq_cst) !=
               0;
    }

private:
    struct list {
        process* first = nullptr;
        process* last = nullptr;
    };
    static process* pop(list& l) noexcept {
        process* p = l.first;
        if (!p) return nullptr;
        l.first = p->run_link;
        if (!l.first) l.last = nullptr;
        return p;
    }

    // On a line that is only read as long as there is but one level.
    alignas(64) std::atomic<std::uint32_t> elevated_{0};
    std::atomic<std::uint32_t> low_{0};
    std::atomic<bool> in_use_{false};
    alignas(64) std::mutex mutex_;
    list lists_[4];  // guarded by mutex_; that of normal stays empty
};

}  // namespace heirloom::detail
