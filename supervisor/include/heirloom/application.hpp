#pragma once

#include <any>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
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
    /// Called, by the controller, when its tree is down, however that came about. What it throws is reported.
    std::function<void()> stopped = {};
    /// What get_env finds until set_env says otherwise.
    std::map<std::string, std::any> environment = {};
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
    static void after_stop(const entry& e);
    std::vector<entry> all_;
    std::size_t started_ = 0;
};

namespace detail {
/// Empty: there is none.
std::any env_value(const std::string& application, const std::string& key);
void set_env_value(const std::string& application, const std::string& key, std::any value);

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

/// A value that an application has been given, by its environment or by set_env; nothing if it has none. Asks nobody, so
/// start functions may too. Throws bad_argument if it is no X.
template <class X = std::string>
std::optional<X> get_env(const std::string& application, const std::string& key) {
    std::any value = detail::env_value(application, key);
    if (!value.has_value()) return std::nullopt;
    if (auto* x = std::any_cast<X>(&value)) return std::move(*x);
    throw bad_argument("get_env", application + ": \"" + key + "\" is of another type");
}
/// Until the controller ends, also when the application is stopped and started again. Requires: there is a controller.
template <class X>
void set_env(const std::string& application, const std::string& key, X value) {
    detail::check_sendable<X>();
    detail::set_env_value(application, key, std::move(value));
}
inline void set_env(const std::string& application, const std::string& key, const char* text) {
    set_env(application, key, std::string(text));
}

/// Runs a program made of these applications, all started in order, until stop_applications is called (0), or until one
/// gives up or cannot be started (1, with a report on standard error).
int run_applications(std::vector<application> all, options opts = {});

}  // namespace heirloom
