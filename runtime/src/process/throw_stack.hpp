#pragma once

#include <exception>
#include <string>
#include <vector>

// throw_stack: the stack where an exception was thrown, for those that nobody catches (R16). A handler for a type that
// matches nothing stands first in the entry frame. While the unwinder searches for a handler it asks that type whether it
// matches, and only an exception that found no handler below comes so far; the throwing stack is still intact then, and
// is walked. Exceptions that are caught inside the process pay nothing.
namespace heirloom {
class call_failed;
}

namespace heirloom::detail {

class thrown_stack_probe {
public:
    // Declared and never defined: the compiler then refers to the class's type_info by name instead of making one, and
    // throw_stack.cpp provides it, with the matching function replaced.
    virtual ~thrown_stack_probe();
};

class process;

/// The return addresses of the exception being handled, innermost first. A second time: none.
std::vector<void*> take_thrown_stack();
/// What was being handled when the process crashed; empty if that is not known.
std::string last_message_of(const process& p);
/// Keeps what a failed call says, which its reason, being the server's, does not: who was asked for what.
void note_failed_call(process& p, const call_failed& e) noexcept;
/// The call that the process ended by; empty if by nothing of the kind.
std::string failed_call_of(const process& p);
/// At the end of the process.
void forget_thrown(process& p) noexcept;
/// Keeps what was captured on a pool thread with `of`, for when it is thrown again on the process's own stack.
void keep_thrown_stack(const std::exception_ptr& of) noexcept;
/// Its demangled type. Requires: inside a catch block.
std::string exception_type_name();

}  // namespace heirloom::detail
