#pragma once

#include <any>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <heirloom/child_spec.hpp>
#include <heirloom/clock.hpp>
#include <heirloom/gen_server.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/pid.hpp>
#include <heirloom/result.hpp>
#include <heirloom/server.hpp>

// A supervisor starts its children in order, starts again those that end, and stops them in reverse order. It is
// a server itself: it has no stack while it is idle, and answers the functions below.

namespace heirloom {

class supervisor;
using supervisor_name = server_name<supervisor>;

/// Who else is restarted when a child is.
enum class restart_strategy : std::uint8_t {
    one_for_one,         // nobody
    one_for_all,         // all
    rest_for_one,        // those that were started after it
    simple_one_for_one,  // many children of one specification, started by start_child
};
using enum restart_strategy;

/// Whether the supervisor ends with `shutdown` when significant children have ended by themselves.
enum class auto_shutdown_mode : std::uint8_t { never, any_significant, all_significant };
inline constexpr auto any_significant = auto_shutdown_mode::any_significant;
inline constexpr auto all_significant = auto_shutdown_mode::all_significant;

enum class child_failure : std::uint8_t {
    bad_spec,
    start_failed,     // with `reason`
    already_started,  // a child with this id runs, as `process`
    already_present,  // a child with this id is there, but does not run
    not_found,
    running,
    restarting,
    max_children,
    simple_one_for_one,  // this supervisor's children have no ids
};
std::string_view to_string(child_failure f) noexcept;

/// Why a supervisor refused; `text` says it in a line, and names the child and, where one is wrong, the field.
struct child_error {
    child_failure kind = child_failure::not_found;
    exit_reason reason;
    heirloom::pid process;
    std::string text;
    [[noreturn]] void raise() const { exit(reason); }
};

/// What a supervisor ended with when one of its first children could not be started: the reason is
/// {shutdown, {failed_to_start_child, V}}, and V holds this.
struct failed_child {
    std::string id;
    exit_reason reason;
};
/// The same, taken out of `why`; null if it says something else.
const failed_child* as_failed_child(const exit_reason& why) noexcept;

enum class child_status : std::uint8_t { stopped, running, restarting };

struct child_info {
    std::string id;
    heirloom::pid pid;  // empty unless it runs
    child_status status = child_status::stopped;
    child_type type = child_type::worker;
    std::size_t restarts = 0;  // of this child, since it was first started
    /// The supervisor's intensity: restarts within its period just now, and how many it allows.
    std::size_t recent_restarts = 0;
    std::size_t allowed_restarts = 0;
    const detail::server_identity* identity = nullptr;

    /// The child as a T; empty if it does not run, or runs something else.
    template <class T>
    server<T> as() const noexcept {
        return identity == &detail::identity_of<T> ? server<T>(pid) : server<T>();
    }
};

struct child_counts {
    std::size_t specs = 0;
    std::size_t active = 0;
    std::size_t supervisors = 0;
    std::size_t workers = 0;
    friend bool operator==(const child_counts&, const child_counts&) = default;
};

namespace detail {
class supervision;
struct retry_child {
    std::uint64_t serial;
};
/// Told to its supervisor by one that ends without having stopped its children: they end by its exit, a little later.
struct orphans {
    pid supervisor;
    std::vector<pid> left;
};
struct start_child_request {
    static constexpr std::string_view library_verb = "start_child";
    using reply = result<started_child, child_error>;
    child_spec spec;
};
struct start_like_request {
    static constexpr std::string_view library_verb = "start_child";
    using reply = result<started_child, child_error>;
    std::any extra;  // a tuple; empty for no arguments
};
/// A child by its id, or by its process.
using child_key = std::variant<std::string, pid>;
struct terminate_child_request {
    static constexpr std::string_view library_verb = "terminate_child";
    using reply = result<started_child, child_error>;
    child_key which;
};
struct child_verb_request {
    static constexpr std::string_view library_verb = "restart_child or delete_child";
    using reply = result<started_child, child_error>;
    enum class action : std::uint8_t { restart, remove } what;
    std::string id;
};
struct which_children_request {
    static constexpr std::string_view library_verb = "which_children";
    using reply = std::vector<child_info>;
};
struct count_children_request {
    static constexpr std::string_view library_verb = "count_children";
    using reply = child_counts;
};
struct get_childspec_request {
    static constexpr std::string_view library_verb = "get_childspec";
    using reply = result<child_spec, child_error>;
    child_key which;
};
struct find_child_request {
    static constexpr std::string_view library_verb = "find_child";
    using reply = pid;
    const server_identity* identity;
};
}  // namespace detail

/// A supervisor whose children come by start_child alone, each with a specification of its own, ids not looked at
/// (Elixir: DynamicSupervisor). They are restarted one for one, and stopped all at once.
struct dynamic_children {
    restart_intensity intensity = {};
    /// 0: as many as there may be.
    std::size_t max_children = 0;
    duration grace = std::chrono::seconds(5);
    bool report_progress = false;
};

class supervisor {
public:
    /// What init returns. Everything has a default: a supervisor without children is one.
    struct init_result {
        restart_strategy strategy = one_for_one;
        restart_intensity intensity = {};
        auto_shutdown_mode auto_shutdown = auto_shutdown_mode::never;
        std::vector<child_spec> children = {};
        /// A child that was killed and still has not ended after this time is *held*: reported, and left behind.
        duration grace = std::chrono::seconds(5);
        /// Reports every start of a child, not only what goes wrong.
        bool report_progress = false;
    };

    /// Starts a supervisor linked to the caller and returns when all its children are up. Its init runs in the
    /// new process: what it makes belongs to the supervisor. A failed start says why; nothing is left running.
    static result<server<supervisor>, start_error> start_link(init_result what) {
        return heirloom::start_link<supervisor>(std::move(what));
    }
    static result<server<supervisor>, start_error> start_link(supervisor_name name,
                                                              init_result what) {
        return heirloom::start_link(name, std::move(what));
    }
    template <class Init, class... A>
        requires std::is_invocable_r_v<init_result, Init&, A...>
    static result<server<supervisor>, start_error> start_link(Init init, A&&... args) {
        return heirloom::start_link<supervisor>(std::move(init), std::forward<A>(args)...);
    }
    template <class Init, class... A>
        requires std::is_invocable_r_v<init_result, Init&, A...>
    static result<server<supervisor>, start_error> start_link(supervisor_name name, Init init,
                                                              A&&... args) {
        return heirloom::start_link(name, std::move(init), std::forward<A>(args)...);
    }

    // --- As a server; users go through start_link, child<supervisor> and the functions below ---
    explicit supervisor(init_result what);
    explicit supervisor(dynamic_children what);
    template <class Init, class... A>
        requires std::is_invocable_r_v<init_result, Init&, A...>
    explicit supervisor(Init init, A... args) : supervisor(init(std::move(args)...)) {}
    ~supervisor();

    using info = handles<exit_signal, detail::retry_child, detail::orphans>;
    detail::start_child_request::reply handle_call(detail::start_child_request r);
    detail::start_like_request::reply handle_call(detail::start_like_request r);
    detail::terminate_child_request::reply handle_call(detail::terminate_child_request r);
    detail::child_verb_request::reply handle_call(detail::child_verb_request r);
    std::vector<child_info> handle_call(detail::which_children_request);
    child_counts handle_call(detail::count_children_request);
    detail::get_childspec_request::reply handle_call(detail::get_childspec_request r);
    pid handle_call(detail::find_child_request r);
    void handle_info(exit_signal e);
    void handle_info(detail::retry_child r);
    void handle_info(detail::orphans o);
    /// Stops the children in reverse order; waits.
    void stop_children();

private:
    std::unique_ptr<detail::supervision> impl_;
};

namespace detail {
template <>
inline constexpr bool is_supervisor<supervisor> = true;

/// Its children are stopped before it ends, which takes waiting: terminate may not.
class supervisor_driver final : public server_activity<supervisor> {
protected:
    void before_stop(const exit_reason&) override {
        if (made_) object().stop_children();
    }
};
template <>
struct behaviour_of<supervisor> : server_behaviour<supervisor, supervisor_driver> {};
}  // namespace detail

/// Starts supervisors with dynamic_children; as a child, one is child<supervisor>(name, dynamic_children{...}).
struct dynamic_supervisor {
    static result<server<supervisor>, start_error> start_link(dynamic_children what = {}) {
        return heirloom::start_link<supervisor>(what);
    }
    static result<server<supervisor>, start_error> start_link(supervisor_name name,
                                                              dynamic_children what = {}) {
        return heirloom::start_link(name, what);
    }
};

/// A running supervisor, however it is known.
class supervisor_ref {
public:
    supervisor_ref(server<supervisor> s) noexcept : server_(s) {}  // NOLINT
    supervisor_ref(supervisor_name name) noexcept                  // NOLINT
        : server_(whereis(name)), name_(name.name()) {}
    server<supervisor> get() const noexcept { return server_; }
    detail::callee callee() const noexcept { return {server_, name_}; }

private:
    server<supervisor> server_;
    atom name_;
};

/// Adds a child and starts it, after those that are there. All of these throw `call_failed` when there is no
/// such supervisor, or at once with `would_deadlock` from a child that it is just starting.
result<started_child, child_error> start_child(supervisor_ref sup, child_spec spec);
/// Of a simple_one_for_one supervisor: one more child; the arguments are those its child_template names.
template <class... A>
    requires(sizeof...(A) != 1 || !(std::is_base_of_v<child_spec, std::decay_t<A>> && ...))
result<started_child, child_error> start_child(supervisor_ref sup, A&&... extra) {
    std::any packed;
    if constexpr (sizeof...(A) > 0) {
        (detail::check_sendable<detail::stored_t<A>>(), ...);
        packed = std::tuple<detail::stored_t<A>...>(std::forward<A>(extra)...);
    }
    return detail::call_server<supervisor>(sup.callee(),
                                           detail::start_like_request{std::move(packed)}, forever);
}
/// Stops a child by its shutdown; it stays known (not a temporary one) and is not restarted.
result<void, child_error> terminate_child(supervisor_ref sup, std::string id);
/// By pid: of a supervisor whose children have no ids (simple_one_for_one, dynamic_children).
result<void, child_error> terminate_child(supervisor_ref sup, pid child);
/// Starts a child that is stopped.
result<started_child, child_error> restart_child(supervisor_ref sup, std::string id);
/// Forgets a child that is stopped.
result<void, child_error> delete_child(supervisor_ref sup, std::string id);
/// The children in the order of their start.
std::vector<child_info> which_children(supervisor_ref sup);
child_counts count_children(supervisor_ref sup);
/// The specification as the supervisor keeps it, all defaults filled in.
result<child_spec, child_error> get_childspec(supervisor_ref sup, std::string id);
result<child_spec, child_error> get_childspec(supervisor_ref sup, pid child);
/// What a supervisor would say of these specifications.
result<void, child_error> check_childspecs(const std::vector<child_spec>& specs,
                                           auto_shutdown_mode mode = auto_shutdown_mode::never);

/// The first child that runs a T; empty if there is none.
template <class T>
server<T> find_child(supervisor_ref sup) {
    return server<T>(detail::call_server<supervisor>(
        sup.callee(), detail::find_child_request{&detail::identity_of<T>}, forever));
}

}  // namespace heirloom

template <>
struct heirloom::owns_what_it_holds<heirloom::detail::find_child_request> : std::true_type {};
template <>
struct heirloom::owns_what_it_holds<heirloom::child_info> : std::true_type {};
