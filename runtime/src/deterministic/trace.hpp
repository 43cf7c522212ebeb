#pragma once

#include "heirloom/message.hpp"
#include "heirloom/pid.hpp"
#include "platform/thread_context.hpp"

#include <cstdint>
#include <string_view>

// trace: what happens in a deterministic run, a line each: virtual time, who, what, to whom. Equal
// seeds give equal lines: no address, no clock, nothing in the order of a hash goes in. Called only
// where `seeded` holds, or from a thread that drives no worker; without a trace function each call
// returns at once.
namespace heirloom::detail {

class process;
class runtime_core;
enum class timer_kind : std::uint8_t;
enum class fault : std::uint8_t;

void trace_spawn(runtime_core& core, const process& child, const process* parent) noexcept;
void trace_send(const thread_context& t, pid to, const message& m) noexcept;
void trace_take(const process& p, const message& m) noexcept;
void trace_wait(const process& p) noexcept;
void trace_ready(runtime_core& core, const process& p) noexcept;
void trace_run(runtime_core& core, const process& p) noexcept;
void trace_timer(runtime_core& core, timer_kind kind, pid target, const message* body) noexcept;
void trace_exit(runtime_core& core, const process& p, std::string_view why) noexcept;
void trace_fault(runtime_core& core, fault f, const process* victim) noexcept;

}  // namespace heirloom::detail
