#pragma once

#include "heirloom/message.hpp"
#include "heirloom/pid.hpp"

#include <atomic>
#include <cstdint>

// mailbox: an intrusive stack of messages in one word, which also says whether the owner waits.
//   Callers: any thread pushes; the owner (whoever runs the process, or claimed it) does the rest.
//
//   head = | generation tag 16 | address 45 | flags 3 |      a message is aligned to 8 bytes: one may lie inside a block
//
//   state     flags            push(wakes)   push(quietly)   take_all      park / park_quietly
//   open      0                -> open       -> open         -> open       -> parked / quiet if empty
//   parked    parked           -> open, claimed (both)       bug           bug
//   quiet     parked|quiet     -> open, claimed -> quiet     bug           bug
//   closed    closed           refused       refused         -             bug
//
//   I1  The CAS that links a message also leaves the parked state: exactly one pusher claims the owner, and from
//       then on owns the process until it has put it on a run queue. No second flag, no second locked instruction.
//   I2  The tag equals the low 16 bits of the slot's generation. A slot whose tag is about to repeat is not reused
//       before a grace period (process_table), so a CAS prepared for one incarnation never succeeds in another.
//   I3  Messages of one pusher are taken in the order they were pushed.
// Not chosen: a queue with a separate state word (a second locked instruction a message); moodycamel's queue (its
// order is per thread, and processes change threads).
namespace heirloom::detail {

struct push_outcome {
    enum : std::uint8_t { refused, queued, claimed } what;
    /// On claimed: what a quiet mailbox had collected before this message, newest first.
    message* older = nullptr;
};

class mailbox {
public:
    /// Links `m` (unless refused). A `claimed` outcome leaves `m` itself with the caller: it goes to the owner's
    /// private list, after `older`.
    push_outcome push(const std::atomic<std::uint32_t>& generation, pid to, message* m,
                      bool wakes) noexcept {
        // acquire; pairs with the release in push and the release in open(): the tag belongs to what we then check.
        std::uint64_t head = head_.load(std::memory_order_acquire);
        for (;;) {
            // The generation is read after the head: if it is still `to`'s, the tag in `head` is of this incarnation.
            if (generation.load(std::memory_order_acquire) != to.generation() ||
                (head >> tag_shift) != (to.generation() & tag_mask) || (head & closed))
                return {push_outcome::refused};
            const std::uint64_t tag = head & ~payload_mask;
            if ((head & parked) && (wakes || !(head & quiet))) {
                // release: what the pusher did before is visible to the owner; acquire: we take the owner over.
                if (head_.compare_exchange_weak(head, tag, std::memory_order_acq_rel,
                                                std::memory_order_acquire))
                    return {push_outcome::claimed, address(head)};
            } else {
                m->next = address(head);
                const std::uint64_t flags = head & (parked | quiet);
                if (head_.compare_exchange_weak(head, tag | bits(m) | flags,
                                                std::memory_order_acq_rel,
                                                std::memory_order_acquire))
                    return {push_outcome::queued};
            }
        }
    }

    /// Leaves the parked state without a message, for a timer or a resume. False if the process does not wait, or is
    /// not the one meant. On success the caller owns it; `older` as in push.
    bool claim(const std::atomic<std::uint32_t>& generation, pid to, message*& older) noexcept {
        std::uint64_t head = head_.load(std::memory_order_acquire);
        for (;;) {
            if (generation.load(std::memory_order_acquire) != to.generation() ||
                (head >> tag_shift) != (to.generation() & tag_mask) || (head & closed) ||
                !(head & parked))
                return false;
            if (head_.compare_exchange_weak(head, head & ~payload_mask, std::memory_order_acq_rel,
                                            std::memory_order_acquire)) {
                older = address(head);
                return true;
            }
        }
    }

    // --- The owner ---

    bool looks_empty() const noexcept {
        return (head_.load(std::memory_order_relaxed) & address_mask) == 0;
    }
    /// All messages, newest first.
    message* take_all() noexcept {
        // acquire: the messages' contents. An exchange is also the full barrier that take-after-clear of the urgent
        // flag relies on (process::urgent).
        const std::uint64_t head = head_.load(std::memory_order_relaxed) & ~payload_mask;
        return address(head_.exchange(head, std::memory_order_acq_rel));
    }
    /// Only while empty; false if a message came in. On success the owner has let go of the process.
    bool park(bool quietly) noexcept {
        std::uint64_t head = head_.load(std::memory_order_relaxed) & ~payload_mask;
        // release: everything the process did is visible to whoever claims it.
        return head_.compare_exchange_strong(head, head | parked | (quietly ? quiet : 0),
                                             std::memory_order_acq_rel, std::memory_order_relaxed);
    }
    /// Refuses all further messages and takes what is there, newest first.
    message* close() noexcept {
        const std::uint64_t head = head_.load(std::memory_order_relaxed) & ~payload_mask;
        return address(head_.exchange(head | closed, std::memory_order_acq_rel));
    }
    /// Starts a new incarnation; nobody else can see the process yet.
    void open(std::uint32_t generation) noexcept {
        // release; pairs with the acquire in push.
        head_.store(std::uint64_t{generation & tag_mask} << tag_shift, std::memory_order_release);
    }
    /// The same, and says so: who sees the generation, and so knows the pid, can send.
    void open(std::uint32_t value, std::atomic<std::uint32_t>& generation) noexcept {
        open(value);
        // release; pairs with the acquire of whoever lists processes.
        generation.store(value, std::memory_order_release);
    }
    /// Whether this message, which is or was in a mailbox, is what was pushed last. Any thread.
    bool is_newest(const message& m) const noexcept {
        return address(head_.load(std::memory_order_acquire)) == &m;
    }
    bool is_waiting() const noexcept { return head_.load(std::memory_order_relaxed) & parked; }

private:
    static constexpr std::uint64_t parked = 1, quiet = 2, closed = 4;
    static constexpr unsigned tag_shift = 48;
    static constexpr std::uint64_t tag_mask = 0xffff;
    static constexpr std::uint64_t payload_mask = (std::uint64_t{1} << tag_shift) - 1;
    static constexpr std::uint64_t address_mask = payload_mask & ~std::uint64_t{7};

    static message* address(std::uint64_t head) noexcept {
        return reinterpret_cast<message*>(head & address_mask);
    }
    static std::uint64_t bits(message* m) noexcept { return reinterpret_cast<std::uint64_t>(m); }

    std::atomic<std::uint64_t> head_{closed};
};

/// A singly linked list of messages, oldest first, private to one owner.
class message_list {
public:
    bool empty() const noexcept { return head_ == nullptr; }
    message* front() const noexcept { return head_; }
    message** begin_link() noexcept { return &head_; }
    /// Where the next message will be linked.
    message** end_link() noexcept { return head_ ? &last_->next : &head_; }

    void append(message* m) noexcept {
        m->next = nullptr;
        *end_link() = m;
        last_ = m;
    }
    /// Appends a chain that is newest first; returns how many messages it has.
    std::size_t append_reversed(message* newest) noexcept {
        std::size_t n = 0;
        message* oldest = nullptr;
        message* last = newest;
        while (newest) {
            message* next = newest->next;
            newest->next = oldest;
            oldest = newest;
            newest = next;
            ++n;
        }
        if (!oldest) return 0;
        *end_link() = oldest;
        last_ = last;
        return n;
    }
    message* pop() noexcept {
        message* m = head_;
        if (m) {
            head_ = m->next;
            if (!head_) last_ = nullptr;
        }
        return m;
    }
    /// Puts `m` where `link` points to.
    void insert(message** link, message* m) noexcept {
        m->next = *link;
        *link = m;
        if (!m->next) last_ = m;
    }
    /// Unlinks *link, which is in this list.
    message* unlink(message** link) noexcept {
        message* m = *link;
        *link = m->next;
        if (last_ == m)
            last_ = link == &head_ ? nullptr
                                   : reinterpret_cast<message*>(reinterpret_cast<char*>(link) -
                                                                offsetof(message, next));
        return m;
    }

private:
    message* head_ = nullptr;
    message* last_ = nullptr;
};

}  // namespace heirloom::detail
