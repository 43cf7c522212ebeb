#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace heirloom {

/// What a process of a deterministic run throws when `crash_init` or `crash_terminate` strikes it.
class injected_fault : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace heirloom

// Where the layers above let a deterministic run's faults strike (fault_options).
namespace heirloom::detail {

enum class fault : std::uint8_t {
    kill,
    fail_allocation,
    fail_stack,
    delay_worker,
    crash_init,
    crash_terminate
};
inline constexpr std::size_t fault_count = 6;

/// Whether the seed lets this fault strike the running process here. Never outside deterministic
/// mode, never the main process and the runtime's own ones. A fault that is off costs a call and a
/// test.
bool fault_strikes(fault f) noexcept;

}  // namespace heirloom::detail
