#include <utility>

#include <heirloom/ets/errors.hpp>

namespace heirloom::ets {

table_error::table_error(const char* verb, std::string table, const std::string& what)
    : error(std::string("ets::") + verb + ": " + table + ": " + what),
      verb_(verb),
      table_(std::move(table)) {}

no_such_table::no_such_table(const char* verb, std::string table)
    : table_error(verb, std::move(table), "there is no such table (any more)") {}

access_denied::access_denied(const char* verb, std::string table, const std::string& why)
    : table_error(verb, std::move(table), why) {}

not_owner::not_owner(const char* verb, std::string table, pid owner)
    : table_error(verb, std::move(table), "only its owner " + to_string(owner) + " may do that"),
      owner_(owner) {}

already_owner::already_owner(const char* verb, std::string table, pid owner)
    : table_error(verb, std::move(table), to_string(owner) + " owns it already") {}

no_such_key::no_such_key(const char* verb, std::string table, const std::string& key)
    : table_error(verb, std::move(table), "there is no key " + key) {}

name_taken::name_taken(const char* verb, std::string table, atom name)
    : table_error(verb, std::move(table), "the name " + std::string(name.text()) + " is taken"),
      name_(name) {}

counter_overflow::counter_overflow(const char* verb, std::string table, const std::string& key)
    : table_error(verb, std::move(table),
                  "the counter of key " + key + " would overflow its type") {}

wrong_table_type::wrong_table_type(const char* verb, std::string table, const std::string& wanted,
                                   const std::string& found)
    : table_error(verb, std::move(table), "wanted " + wanted + ", found " + found) {}

bad_table_argument::bad_table_argument(const char* verb, std::string table, const std::string& what)
    : table_error(verb, std::move(table), what) {}

}  // namespace heirloom::ets
