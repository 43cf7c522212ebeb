#pragma once

#include <csetjmp>

// fatal: what would end the whole program is reported with the process at fault: a stack overflow, and an exception that
// cannot leave (std::terminate).
//
//   1  Every thread that runs processes has an alternate signal stack (fault_stack) and knows the bounds of all stacks.
//   2  A fault in the guard page of a stack is an overflow of it. Any other fault goes to whoever handled it before.
//   3  By default the report is written and the program aborts.
//   4  With overflow_policy::end_process, and only if the thread was in the user's code (inside.hpp), not in a system
//      library, the handler jumps back to the frame that called the body: the frames in between are dropped without
//      running a destructor, the body is never touched again, and the process ends with stack_overflow.
// Under the sanitizers, which report such faults in their own words, none of this is installed.
namespace heirloom::detail {

/// The alternate signal stack of the calling thread, for as long as it lives.
class fault_stack {
public:
    fault_stack() noexcept;
    ~fault_stack();
    fault_stack(const fault_stack&) = delete;
    fault_stack& operator=(const fault_stack&) = delete;

private:
    void* memory_ = nullptr;
};

/// Installs the handlers, once in a program; later calls do nothing.
void install_fatal_reports() noexcept;

}  // namespace heirloom::detail
