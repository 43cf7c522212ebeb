#pragma once

#include "heirloom/message.hpp"
#include "platform/thread_context.hpp"

// blocks: memory for messages, monitors, links and activities.
//   Callers: any thread. A block is freed by whoever consumed it, into the freeing thread's list: blocks of a class
//   are interchangeable, so nothing ever travels back to the thread that allocated it.
//   I1  a list holds at most 2 * batch blocks; beyond that a batch goes to the class's depot.
//   I2  a block is in one list, in one depot batch, or with one owner.
// Not chosen: malloc (its cross-thread frees cost an atomic each), one global free list (contended).
namespace heirloom::detail {

/// Blocks handed out and not yet given back, in builds with internal checks; else 0.
std::int64_t blocks_in_use() noexcept;
#ifdef HEIRLOOM_DEBUG_CHECKS
inline constexpr bool counts_blocks = true;
#else
inline constexpr bool counts_blocks = false;
#endif

struct free_block_node {
    free_block_node* next;
    unsigned count;               // of the chain it heads, while that is in a depot
    free_block_node* next_batch;  // the same: the batch below
};

/// Gives a thread's lists back to the depots, when the thread ends.
void return_blocks(block_cache& cache) noexcept;

}  // namespace heirloom::detail
