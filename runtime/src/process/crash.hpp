#pragma once

#include "heirloom/exit_reason.hpp"
#include "process/process.hpp"

namespace heirloom::detail {

class runtime_core;

/// Logs the end of a process that is somebody's fault: who, why, where it was thrown, what it had not read.
/// Says that nobody reads a process's messages, and doubles the length for the next time.
void warn_of_queue(process& p) noexcept;
void report_crash(runtime_core& core, process& p, const exit_reason& why) noexcept;

}  // namespace heirloom::detail
