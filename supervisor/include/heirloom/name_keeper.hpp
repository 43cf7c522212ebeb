#pragma once

#include <memory>
#include <string>
#include <utility>

#include <heirloom/atom.hpp>
#include <heirloom/pid.hpp>

namespace heirloom {

/// One name that somebody else than the runtime keeps, such as a key of a registry (OTP: {via, Module, Name}).
/// Derive from it to give servers names of your own kind: see via.hpp.
class name_keeper {
public:
    virtual ~name_keeper() = default;
    /// Who has the name; empty if nobody. May wait. Throws call_failed where names cannot be looked up.
    virtual pid find() const = 0;
    /// How the name reads in the report of a call that finds nobody.
    virtual std::string text() const { return "a kept name"; }
    /// Gives the name to `who`, the caller, and returns it; or whoever has it already. May wait and throw as find().
    virtual pid take(pid who) const = 0;
    /// `who` has the name no longer. Called while a process ends: must not wait.
    virtual void release(pid who) const noexcept = 0;
};

namespace detail {

/// What a server is started under: a name of the runtime, of a keeper, or none.
struct start_name {
    start_name() noexcept = default;
    start_name(atom a) noexcept : name(a) {}  // NOLINT: one kind of name
    start_name(std::shared_ptr<const name_keeper> k) noexcept : keeper(std::move(k)) {}  // NOLINT
    start_name(atom a, std::shared_ptr<const name_keeper> k) noexcept
        : name(a), keeper(std::move(k)) {}
    atom name;
    std::shared_ptr<const name_keeper> keeper;
};

/// A kept name that the running process has, until this is destroyed.
class held_name {
public:
    held_name(std::shared_ptr<const name_keeper> keeper, pid who) noexcept
        : keeper_(std::move(keeper)), who_(who) {}
    held_name(const held_name&) = delete;
    held_name& operator=(const held_name&) = delete;
    ~held_name() { keeper_->release(who_); }

private:
    std::shared_ptr<const name_keeper> keeper_;
    pid who_;
};

}  // namespace detail
}  // namespace heirloom
