#include "heirloom/errors.hpp"

namespace heirloom {

not_in_process::not_in_process(const char* function)
    : error(std::string("heirloom: ") + function +
            ": called by a thread that runs no process; use the member of heirloom::runtime") {}

bad_argument::bad_argument(const char* function, std::string what_is_wrong)
    : error(std::string("heirloom: ") + function + ": " + what_is_wrong) {}

limit_reached::limit_reached(std::string limit, std::string what)
    : std::runtime_error(what), limit_(std::move(limit)) {}

no_such_process::no_such_process(const char* function, std::string whom)
    : error(std::string("heirloom: ") + function + ": there is no process " + whom) {}

in_table_callback::in_table_callback(const char* function)
    : error(std::string("heirloom: ") + function + ": not inside a table callback or a guard") {}

cannot_wait::cannot_wait(const char* function)
    : error(std::string("heirloom: ") + function +
            ": cannot wait here: the process is shielded, ending, or inside blocking()") {}

namespace {
std::string called(pid server, std::string_view name) {
    if (name.empty()) return to_string(server);
    const std::string quoted = '"' + std::string(name) + '"';
    return server ? to_string(server) + " " + quoted : quoted;
}
}  // namespace

call_failed::call_failed(exit_reason why, pid server, std::string request, std::string_view name)
    : std::runtime_error("heirloom: call " + request + " to " + called(server, name) +
                         " failed: " + to_string(why)),
      reason_(std::move(why)),
      server_(server),
      request_(std::move(request)) {}

deadlock::deadlock(const std::string& report) : std::runtime_error(report) {}

}  // namespace heirloom
