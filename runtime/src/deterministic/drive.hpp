#pragma once

#include "heirloom/process.hpp"

#include <cstdint>

// drive: deterministic mode's scheduler. One thread plays the role of one virtual worker after the
// other; the seed says whose, for how many steps, and who of all that can run does. A step is what
// one process does between two switches.
//   Time is virtual: a little passes with every step, and when nobody can run it jumps to the next
//   deadline. The virtual workers share one ready list, so that every order a theft could bring
//   about can come up.
namespace heirloom::detail {

class process;
class runtime_core;
class worker;

/// Whether somebody of at least this level can run.
bool ready_holds(const runtime_core& core, priority least) noexcept;
/// The seed's choice of what runs next; null: back to the driver.
process* pick_seeded(runtime_core& core, worker& w) noexcept;
/// Puts a process that its caller owns on the list of those that can run.
void make_ready(runtime_core& core, process* p) noexcept;

/// A safe point of the running process: the seed may kill it (throws), and says whether it
/// switches.
bool seeded_safe_point(runtime_core& core, process& p);
/// Whether faults leave this process alone: the main process, those of the runtime, and all that
/// are not `kill_only`.
bool is_spared(const runtime_core& core, const process& p) noexcept;
/// Whether a block that is being allocated is to be refused. Called where `allocations_may_fail`
/// holds.
bool refuse_allocation() noexcept;
/// The same for a stack of the running process, or of `of`.
bool refuse_stack_of(runtime_core& core, const process* of) noexcept;

/// When something will happen without anybody running: the earliest timer or end of a delay;
/// timer_queue::never.
std::int64_t next_deadline(const runtime_core& core) noexcept;
/// One turn of one virtual worker: fires what is due, and lets processes run.
void drive_turn(runtime_core& core);

}  // namespace heirloom::detail
