#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

#include <heirloom/exit_reason.hpp>
#include <heirloom/pid.hpp>

namespace heirloom {

/// The base of what the library throws when the *calling process* is wrong. Uncaught, it ends that process.
class error : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

/// A function that acts on the running process was called by a thread that runs none.
class not_in_process : public error {
public:
    explicit not_in_process(const char* function);
};

/// An argument that cannot be right whatever the state of the world; names the argument and the value.
class bad_argument : public error {
public:
    bad_argument(const char* function, std::string what_is_wrong);
};

/// A limit of the runtime was reached; nothing was half-done. `limit()` names it.
class limit_reached : public std::runtime_error {
public:
    limit_reached(std::string limit, std::string what);
    const std::string& limit() const noexcept { return limit_; }

private:
    std::string limit_;
};

/// A link to a process that does not exist, by a process that does not trap exits; a name nobody has.
class no_such_process : public error {
public:
    no_such_process(const char* function, std::string whom);
};

/// A table callback (predicate, projection, update, hash, equality) tried to wait, to send with a wait,
/// or to write a table.
class in_table_callback : public error {
public:
    explicit in_table_callback(const char* function);
};

/// A wait where there can be none: inside a shield, in a server's `terminate` or destructor, in a leaf's handle_call, in
/// `blocking`, or in a destructor while a killed process is being unwound.
class cannot_wait : public error {
public:
    explicit cannot_wait(const char* function);
};

/// Deterministic mode: nobody can run, somebody waits, and no timer is armed. what() names every waiter.
class deadlock : public std::runtime_error {
public:
    explicit deadlock(const std::string& report);
};

/// A `call` that got no reply. Uncaught, the calling process ends with `reason()`.
class call_failed : public std::runtime_error {
public:
    /// `name`: what the server was called by, if not by its pid.
    call_failed(exit_reason why, pid server, std::string request, std::string_view name = {});
    const exit_reason& reason() const noexcept { return reason_; }
    pid server() const noexcept { return server_; }
    /// The request's type, as the source spells it.
    const std::string& request() const noexcept { return request_; }

private:
    exit_reason reason_;
    pid server_;
    std::string request_;
};

}  // namespace heirloom
