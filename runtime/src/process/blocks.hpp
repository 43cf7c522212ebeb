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

/// Gives a thread's lists back to the depots, when the thread ends.
void return_blocks(thread_words& thread) noexcept;

}  // namespace heirloom::detail
