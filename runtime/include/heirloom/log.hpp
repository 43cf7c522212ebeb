#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <heirloom/atom.hpp>
#include <heirloom/exit_reason.hpp>
#include <heirloom/pid.hpp>

namespace heirloom {

enum class log_level : std::uint8_t { debug, info, warning, error };
std::string_view to_string(log_level level) noexcept;

/// One thing worth saying. `event` is stable and machine-readable ("crash", "child_terminated", ...), `text` is one
/// line for people, `fields` the details. A `crash` has, where it is known, `last_message`: what the process handled last, by
/// its type, and with its value if that can be printed and a handler of `receive` had it by reference (or it is trivially
/// copyable) when it threw. What `receive<T>()` has returned, or a server's handler takes, has been moved away by then: of a
/// server's there is the type, of the other nothing. `messages` are those it had not received.
struct log_event {
    log_level level = log_level::info;
    std::string_view event = {};
    pid about = {};
    std::string text = {};
    std::vector<std::pair<std::string_view, std::string>> fields = {};
    /// Return addresses where a crash was thrown, innermost first; symbolised only by whoever prints them.
    std::vector<void*> stack = {};
};

/// Where log events go. Called by one thread at a time, in order; may be slow: the queue before it is bounded and
/// counts what it drops. An exception it throws is counted and otherwise ignored.
using log_sink = std::function<void(const log_event&)>;

/// The sink a runtime has unless told otherwise: one line an event on standard error; with `detailed` the fields
/// and the symbolised stack as well.
log_sink standard_error_sink(bool detailed = false);

/// Queues an event for the sink of the runtime the caller is in. Never waits. Outside a runtime: dropped.
void log(log_event event) noexcept;

namespace detail {

/// An event that is put in words on the way to the sink, not by whoever reports it: a restart is not to wait for its report.
class log_draft {
public:
    log_draft() = default;
    log_draft(const log_draft&) = delete;
    log_draft& operator=(const log_draft&) = delete;
    virtual ~log_draft() = default;
    virtual log_event write() = 0;
};
template <class F>
class log_draft_of final : public log_draft {
public:
    explicit log_draft_of(F write) : write_(std::move(write)) {}
    log_event write() override { return write_(); }

private:
    F write_;
};
void log_later(std::unique_ptr<log_draft> draft) noexcept;
/// As log(), of what `write` returns. It is called on another thread, once or, if the queue is full, never.
template <class F>
void log_later(F write) {
    log_later(std::unique_ptr<log_draft>(new log_draft_of<F>(std::move(write))));
}

}  // namespace detail

/// The stack in the words of the debug information or symbol table, one line a frame.
std::vector<std::string> symbolise(const std::vector<void*>& stack);

}  // namespace heirloom
