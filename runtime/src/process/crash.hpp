#pragma once

#include "heirloom/exit_reason.hpp"
#include "process/process.hpp"

namespace heirloom::detail {

class runtime_core;

/// Says that nobody reads a process's messages, and doubles the length for the next time.
void warn_of_queue(process& p) noexcept;

struct crash {
    const exit_reason& why;
    /// A main process that a signal has ended: nobody supervises it, so nobody else tells.
    bool of_main_by_signal = false;
    /// By the type, if its server knows no more; see activity::last_message.
    const type_label* last_message = nullptr;
};
/// Logs the end of a process that is somebody's fault: who, why, where it was thrown, what it handled last, what it had not
/// read.
void report_crash(runtime_core& core, process& p, const crash& c) noexcept;

}  // namespace heirloom::detail
