#pragma once

#include "heirloom/exit_reason.hpp"
#include "process/process.hpp"

namespace heirloom::detail {

class runtime_core;

/// Logs the end of a process that is somebody's fault: who, why, where it was thrown, what it had not read.
void report_crash(runtime_core& core, process& p, const exit_reason& why) noexcept;

}  // namespace heirloom::detail
