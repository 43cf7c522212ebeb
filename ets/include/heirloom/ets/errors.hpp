#pragma once

#include <string>

#include <heirloom/atom.hpp>
#include <heirloom/errors.hpp>
#include <heirloom/pid.hpp>

namespace heirloom::ets {

/// The base of what a table throws when the calling process is wrong (OTP: badarg). The table is unchanged.
class table_error : public heirloom::error {
public:
    table_error(const char* verb, std::string table, const std::string& what);

    /// The verb that was refused, as `insert`.
    const char* verb() const noexcept { return verb_; }
    /// The table, as it prints: `#table<counter_storage.7>`.
    const std::string& table() const noexcept { return table_; }

private:
    const char* verb_;
    std::string table_;
};

/// The table was deleted, ended with its owner, or the handle never named one.
class no_such_table : public table_error {
public:
    no_such_table(const char* verb, std::string table);
};

/// The table's access does not let this process, or this thread, do that.
class access_denied : public table_error {
public:
    access_denied(const char* verb, std::string table, const std::string& why);
};

/// Only the owner may do that, whatever the access.
class not_owner : public table_error {
public:
    not_owner(const char* verb, std::string table, pid owner);
    pid owner() const noexcept { return owner_; }

private:
    pid owner_;
};

/// give_away to the process that owns the table already.
class already_owner : public table_error {
public:
    already_owner(const char* verb, std::string table, pid owner);
};

/// A verb that needs the key found none.
class no_such_key : public table_error {
public:
    no_such_key(const char* verb, std::string table, const std::string& key);
};

/// Another table of this runtime has the name.
class name_taken : public table_error {
public:
    name_taken(const char* verb, std::string table, atom name);
    atom name() const noexcept { return name_; }

private:
    atom name_;
};

/// A counter's new value does not fit its type; nothing was added.
class counter_overflow : public table_error {
public:
    counter_overflow(const char* verb, std::string table, const std::string& key);
};

/// A handle of one type was asked of a table of another; or a file holds another type.
class wrong_table_type : public table_error {
public:
    wrong_table_type(const char* verb, std::string table, const std::string& wanted,
                     const std::string& found);
};

/// An argument that cannot be right, such as a limit of 0.
class bad_table_argument : public table_error {
public:
    bad_table_argument(const char* verb, std::string table, const std::string& what);
};

}  // namespace heirloom::ets
