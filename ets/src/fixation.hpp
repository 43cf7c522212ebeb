#pragma once

#include <atomic>

#include <heirloom/ets/detail/core.hpp>

namespace heirloom::ets::detail {

/// One process's fixation of one table. Lies in that process's estate, so that its end releases it, and in the
/// table's list of fixers; each of the two counts, for either may go first.
class fixation_item final : public heirloom::detail::estate_item {
public:
    fixation_item(table_ref table, pid who) noexcept : table_(std::move(table)), who_(who) {}

    void settle(pid, const exit_reason&) noexcept override {
        bool was_listed;
        {
            std::lock_guard guard(table_->meta_);
            was_listed = listed_;
            if (was_listed) unlist();
        }
        if (was_listed) drop();  // the list's share
        drop();                  // the estate's
    }
    void drop() noexcept {
        // acq_rel: the last one deletes what the other has written.
        if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    // Guarded by the table's meta_:
    void list() noexcept {
        next_ = table_->fixers_;
        table_->fixers_ = this;
        listed_ = true;
        table_->fixations_.fetch_add(1,
                                     std::memory_order_relaxed);  // read as a hint, or under meta_
    }
    /// Takes it out of the table's list, whose share is now the caller's to drop.
    void unlist() noexcept {
        fixation_item** link = &table_->fixers_;
        while (*link != this) link = &(*link)->next_;
        *link = next_;
        listed_ = false;
        table_->fixations_.fetch_sub(1, std::memory_order_relaxed);
    }

    table_ref table_;
    pid who_;
    std::size_t count_ = 1;
    bool listed_ = false;
    fixation_item* next_ = nullptr;

private:
    ~fixation_item() = default;
    std::atomic<int> holders_{2};
};

}  // namespace heirloom::ets::detail
