#pragma once

#include <cstdint>

// limbo: what one worker has retired and will free itself, while it is still warm in its cache. For the many small
// objects of a busy table: by way of the collector each would cost a record, a locked instruction, and, when its turn
// comes after a hundred thousand others, three cache misses.
//   I1  It belongs to the role, like all in worker that is not atomic.
//   I2  A stretch is stamped as a whole, in the scheduler, where the worker is quiescent; what is retired while one waits
//       gets into the next. So there are three at most: being filled, waiting for its epoch to pass, and being freed.
//   I3  A worker that goes to sleep, or whose thread ends, passes the rest on to the collector (reclamation.hpp).
namespace heirloom::detail {

struct quiescence_slot;

class limbo {
public:
    limbo() = default;
    limbo(const limbo&) = delete;
    limbo& operator=(const limbo&) = delete;

    /// False, and nothing done, if there is no memory for it.
    bool add(void* object, void (*destroy)(void*) noexcept) noexcept {
        if (filling_ && filling_->used < chunk::room) [[likely]] {
            filling_->items[filling_->used++] = {object, destroy};
            return true;
        }
        return add_chunk(object, destroy);
    }
    bool empty() const noexcept { return !filling_ && !waiting_ && !ripe_; }
    /// Frees some of what has come of age. Called by the worker in its scheduler; `mine` is its slot.
    void settle(quiescence_slot& mine) noexcept;
    void pass_on() noexcept;

private:
    struct item {
        void* object;
        void (*destroy)(void*) noexcept;
    };
    struct chunk {
        static constexpr unsigned room = 31;  // a block of the largest class
        chunk* next;
        unsigned used;
        item items[room];
    };
    bool add_chunk(void* object, void (*destroy)(void*) noexcept) noexcept;
    static void destroy_chunk(void* c) noexcept;

    chunk* filling_ = nullptr;  // the newest first, all lists
    chunk* waiting_ = nullptr;
    chunk* ripe_ = nullptr;
    std::uint64_t epoch_ = 0;  // of `waiting_`
};

}  // namespace heirloom::detail
