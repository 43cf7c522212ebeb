#pragma once

#include <heirloom/detail/activity.hpp>
#include <heirloom/process.hpp>

#include <cstdint>

// How a table verb begins. The only place where tables ask the runtime who is running.
namespace heirloom::ets::detail {

/// A safe point, then the running process's pid bits; 0 on a thread that runs none.
inline std::uint64_t enter_read() {
    heirloom::detail::safe_point(1);
    return in_process() ? self().bits() : 0;
}
/// The same for a write: throws in_table_callback inside one.
inline std::uint64_t enter_write(const char* verb) {
    heirloom::detail::refuse_in_callback(verb);
    heirloom::detail::safe_point(1);
    return in_process() ? self().bits() : 0;
}
/// No safe point: for verbs that destructors use.
inline std::uint64_t enter_quietly(const char* verb) {
    heirloom::detail::refuse_in_callback(verb);
    return in_process() ? self().bits() : 0;
}

}    // namespace heirloom::ets::detail
