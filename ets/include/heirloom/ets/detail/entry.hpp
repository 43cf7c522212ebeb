#pragma once

#include <cstdint>

#include <heirloom/detail/activity.hpp>

// How a table verb begins and ends. The only place where tables ask the runtime who is running.
namespace heirloom::ets::detail {

/// A safe point, then the running process's pid bits; 0 on a thread that runs none.
inline std::uint64_t enter_read() { return heirloom::detail::enter_read(); }
/// The same for a write: throws in_table_callback inside one.
inline std::uint64_t enter_write(const char* verb) { return heirloom::detail::enter_write(verb); }
/// No safe point: for verbs that destructors use.
inline std::uint64_t enter_quietly(const char* verb) {
    heirloom::detail::refuse_in_callback(verb);
    return heirloom::detail::current_pid_bits();
}

}  // namespace heirloom::ets::detail
