#pragma once

#include <cstdint>

// backlog_watch: for how long the oldest process of a run queue has been waiting, as far as one onlooker knows.
//
// A process that moves to another core costs both some hundred nanoseconds for the cache lines it is made of, and a sleeping core
// wakes in microseconds. So others are woken for, and take, only what has waited for longer than that: a burst of short
// processes is over sooner where it is. (Taken at sight, spawning was three times slower on two workers than on one.)
// Used by one thread alone; nothing is written that the queue's owner reads.
namespace heirloom::detail {

class backlog_watch {
public:
    /// Nanoseconds that the entry at `head` has been waiting at least, for a queue whose entries are [head, tail) now. Positions
    /// only grow: what lies below the tail of an earlier look was there at that look.
    std::int64_t age(std::uint64_t head, std::uint64_t tail, std::int64_t now) noexcept {
        if (head >= seen_tail_) {
            seen_tail_ = tail;
            seen_at_ = now;
        }
        return now - seen_at_;
    }

private:
    std::uint64_t seen_tail_ = 0;
    std::int64_t seen_at_ = 0;
};

}  // namespace heirloom::detail
