#pragma once

#include <functional>
#include <string>
#include <vector>

#include <heirloom/gen_server.hpp>
#include <heirloom/runtime.hpp>
#include <heirloom/supervisor.hpp>

// An application is a tree of processes with a name, started after those it needs and stopped before them.
//
//     int main() {
//         return run_applications({
//             {.name = "store", .start = [] { return supervisor::start_link(init_store); }},
//             {.name = "shop", .needs = {"store"}, .start = [] { return supervisor::start_link(init_shop); }},
//         });
//     }
//
// A whole program like this ends with status 1, and says why, when a root gives up.

namespace heirloom {

struct application {
    std::string name;
    /// Applications that run before this one starts.
    std::vector<std::string> needs = {};
    /// Starts the root, linked to the caller. Kept, and called again by a later start.
    std::function<result<server<supervisor>, start_error>()> start = {};
    /// What the end of its root means. permanent: all applications stop. transient: the same, unless it ended in order.
    /// temporary: it is reported.
    restart_type type = permanent;
};

enum class application_failure : std::uint8_t {
    unknown,
    cycle,
    start_failed,
    needed,
    already_started,
    not_started
};
struct application_error {
    application_failure kind;
    std::string application;  // which one
    exit_reason reason;
    [[noreturn]] void raise() const { exit(reason); }
};

/// The process that knows the applications of a runtime. Started by run_applications, or by a program of its own.
class application_controller {
public:
    struct start_one {
        using reply = result<void, application_error>;
        std::string name;
    };
    struct stop_one {
        using reply = result<void, application_error>;
        std::string name;
    };
    struct which {
        using reply = std::vector<std::string>;
    };

    /// Throws bad_argument for a name that is used twice, or needed and not there, and for applications that need each
    /// other in a circle; nothing is started then.
    explicit application_controller(std::vector<application> all);
    result<void, application_error> handle_call(start_one s);
    result<void, application_error> handle_call(stop_one s);
    std::vector<std::string> handle_call(which);
    void handle_info(exit_signal e);
    void stop_all() { stop_those_after(0); }

private:
    struct entry {
        application what;
        pid root;
        std::size_t order = 0;  // of its start; 0: does not run
    };
    entry* find(const std::string& name);
    result<void, application_error> start(entry& e);
    void stop_root(entry& e);
    /// In the reverse order of their start; `order` is that of the last one to stay.
    void stop_those_after(std::size_t order);
    std::vector<entry> all_;
    std::size_t started_ = 0;
};

namespace detail {
class application_driver final : public server_activity<application_controller> {
protected:
    void before_stop(const exit_reason&) override {
        if (made_) object().stop_all();
    }
};
template <>
struct behaviour_of<application_controller>
    : server_behaviour<application_controller, application_driver> {};
}  // namespace detail

inline constexpr server_name<application_controller> the_applications{"heirloom.applications"};

/// Starts an application, and first those it needs. Where one cannot be started, those that were started for it are stopped.
result<void, application_error> start_application(const std::string& name);
/// Stops one that no running application needs.
result<void, application_error> stop_application(const std::string& name);
/// Those that run, in the order of their start.
std::vector<std::string> which_applications();
/// Stops all, in the reverse order of their start; run_applications returns 0 then.
void stop_applications();

/// Runs a program made of these applications, all started in order, until stop_applications is called (0), or until one
/// gives up or cannot be started (1, with a report on standard error).
int run_applications(std::vector<application> all, options opts = {});

}  // namespace heirloom
