#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <heirloom/atom.hpp>
#include <heirloom/clock.hpp>
#include <heirloom/detail/activity.hpp>
#include <heirloom/exit_reason.hpp>
#include <heirloom/message.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/name_keeper.hpp>
#include <heirloom/pid.hpp>
#include <heirloom/process.hpp>
#include <heirloom/server.hpp>

namespace heirloom {

/// What a supervisor knows of a child's earlier lives: see restarted().
struct restart_history {
    std::size_t restarts = 0;  // since it was first started
    std::size_t in_a_row =
        0;  // those, up to this one, after lives shorter than the supervisor's period
    exit_reason last = {};  // why it ended, or could not be started, the last time
};

}  // namespace heirloom

// The part of a server that does not depend on its class. A server is an activity that drains its mailbox and
// then returns `idle`: between two messages it has no stack.
namespace heirloom::detail {

class server_core;

/// What makes one server class different from another at run time: an address.
struct server_identity {
    type_label name;
};
template <class T>
inline constexpr server_identity identity_of{label_of<T>};

/// The type of a message that knows how to handle itself: a call, a cast, or a request of the library's own.
/// The sender, which knows both the server's class and the request's, makes it; so dispatch is one load and
/// one indirect call, whatever the number of request types.
struct request_type : message_type {
    const server_identity* server;  // null: any server takes it
    /// Handles `m` and consumes it, also when it throws.
    void (*handle)(server_core& core, message* m);
    bool system = false;  // served while suspended; does not cancel the idle timeout
};

/// Distinguishes request_type from the plain message_type of other messages: its `print` is this function.
void print_request(std::ostream& out, const message* m);
inline const request_type* as_request(const message* m) noexcept {
    return m->type->print == &print_request ? static_cast<const request_type*>(m->type) : nullptr;
}

/// How a start ended, as told by the new process. If it ended instead, the starter hears its exit reason.
enum class start_word : std::uint8_t { started, ignored, already_started };
struct start_ack {
    start_word word;
    pid holder;  // of the name, for already_started
};

/// What every start request says beside the arguments of the constructor.
struct start_common {
    start_name name;
    pid parent;               // whose exit ends this server; empty if not linked
    bool supervised = false;  // the parent is a supervisor
    restart_history past = {};
};

/// Thrown by ignore_start(); not a std::exception.
struct start_ignored {};

/// One piece of work to do before the next message.
struct continuation {
    virtual ~continuation() = default;
    virtual void operator()() = 0;
    std::unique_ptr<continuation> next;
};
template <class F>
struct typed_continuation final : continuation {
    explicit typed_continuation(F f) : work(std::move(f)) {}
    void operator()() override { std::move(work)(); }
    F work;
};

/// What only a server that is looked into has: see sys.hpp.
struct sys_state;
struct sys_state_deleter {
    void operator()(sys_state* s) const noexcept;
};

/// What few servers have, and most of those for a moment: kept apart, so that a small server is one cache line.
struct server_extras {
    duration idle_limit{};
    std::unique_ptr<continuation> work;
    std::unique_ptr<sys_state, sys_state_deleter> sys;
    std::optional<held_name> name;
};

class server_core : public activity {
public:
    explicit server_core(const server_identity& identity) noexcept : identity_(&identity) {}
    ~server_core() override;

    disposition run() final;
    exit_reason on_exit(const exit_reason& why) final;
    const type_label* last_message() const noexcept final {
        return !starting_ && last_ != nullptr ? &last_->name : nullptr;
    }

    const server_identity& identity() const noexcept { return *identity_; }
    void end_for(exit_reason why) noexcept final {
        why_ = std::move(why);  // whatever the handler asked for before it failed
        attention_ |= stop_asked;
    }
    /// Up, and nothing asked for that the loop would have to see to first.
    bool at_rest() const noexcept { return made_ && attention_ == 0; }
    /// For the reports, of a message that did not come through the mailbox.
    void note_message(const message_type& type) noexcept { last_ = &type; }
    pid parent() const noexcept { return parent_; }
    void set_parent(pid p) noexcept { parent_ = p; }

    // --- The verbs of gen_server.hpp ---
    void stop_after_callback(exit_reason why) noexcept;
    void continue_after_callback(std::unique_ptr<continuation> work);
    void set_idle_timeout(duration limit);
    /// Whether the server is ending, or an exception may end it: then who asked hears why, not `no_reply`.
    bool leaving(const alias_ref& dropped) noexcept;
    bool stopping() const noexcept { return (attention_ & stop_asked) != 0; }

    // --- Starting ---
    /// Takes the name, before the object is made. Where that fails the starter has been told, and the
    /// process ends.
    bool enter(call_message* start, const start_common& common);
    /// The object was made: tells the starter, unless the constructor asked to stop.
    void entered(call_message* start);
    /// The constructor said ignore_start().
    void ignored(call_message* start, const start_name& name);

    /// The name it was started with; known while the constructor runs.
    atom given_name() const noexcept { return starting_ ? common_->name.name : atom(); }
    bool supervised() const noexcept { return starting_ && common_->supervised; }
    /// Null unless the constructor runs.
    const restart_history* past() const noexcept { return starting_ ? &common_->past : nullptr; }

    // --- Looking in: sys.hpp ---
    sys_state& sys();
    bool has_sys() const noexcept { return extras_ != nullptr && extras_->sys != nullptr; }
    void set_suspended(bool on);
    bool suspended() const noexcept { return (attention_ & suspend_asked) != 0; }
    void set_observed(bool on) noexcept;
    /// What the object's format_status() says; empty if it has none, and a remark if it fails.
    virtual std::string describe() noexcept = 0;

protected:
    /// A message that is no request. Consumes it.
    virtual void info(message* m) = 0;
    virtual void idle_timeout_passed() = 0;
    /// The object is about to go for `why`; called only if it was made.
    virtual void terminate(const exit_reason& why) = 0;
    /// May wait, unlike terminate: the orderly end of a server that has to wait for others.
    virtual void before_stop(const exit_reason& why) { (void)why; }
    virtual void destroy_object() noexcept = 0;
    /// A continuation has run.
    virtual void continued() {}
    /// A message that was taken out before and is to be handled again, before the mailbox; null if there is none.
    virtual message* replayed() { return nullptr; }
    void ask_for_replay() noexcept { attention_ |= replay_asked; }

    /// Logs and drops it.
    void unexpected(message* m) noexcept;
    void constructed() noexcept {
        made_ = true;
        refused_ = stopping();
    }
    /// Whether the object lives.
    bool made_ = false;

private:
    enum attention : std::uint8_t {
        stop_asked = 1,
        continue_asked = 2,
        idle_asked = 4,  // by the callback that just ran; armed when the mailbox is empty
        idle_armed = 8,
        suspend_asked = 16,
        observe_asked = 32,
        replay_asked = 64,  // messages set aside while suspended wait to be handled
        dropped_asked = 128,
    };
    message* next();
    bool attend();
    void handle(message* m);
    void handle_info(message* m);
    void handle_observed(message* m);
    void on_timeout(message* m);
    bool arm_idle();
    void wrong_server(message* m, const request_type& type) noexcept;

    server_extras& extras();
    void drop_extras() noexcept;

    bool gone_ : 1 = false;
    bool refused_ : 1 = false;  // its constructor asked to stop: it never was up
    bool starting_ : 1 = false;
    std::uint8_t attention_ = 0;
    std::uint32_t idle_tag_ = 0;
    const server_identity* identity_;
    pid parent_;
    union {
        const message_type* last_ = nullptr;  // the last message, once it has started
        const start_common* common_;          // while starting_
    };
    exit_reason why_;
    std::unique_ptr<server_extras> extras_;
};

/// Why the exception being handled would end the process, for those who go on instead. A kill is not theirs to stop: it is
/// thrown on. Requires: called in a catch block.
exit_reason caught_reason();

/// The server that the running process is. Throws `bad_argument` if it is none.
server_core& running_server(const char* function);

/// What a starter that serves others does while it waits. `child` is set once the process exists.
struct start_watch : call_interceptor {
    pid child;
    restart_history past = {};

protected:
    ~start_watch() = default;
};

/// Starting, from the starter's side.
struct start_how {
    bool link = false;
    bool monitor = false;
    duration limit = forever;
    start_watch* watch = nullptr;
    const spawn_options* spawn = nullptr;
};
struct start_end {
    enum class kind : std::uint8_t { started, ignored, already_started, failed, timed_out } how;
    pid process;
    monitor_ref monitor;
    exit_reason reason;
};
/// Starts `core` with the request `first` preloaded and waits for its ack. Consumes both. If anything but
/// `started` comes back, the process has ended or is about to, and its name is free.
start_end start_core(server_core* core, call_message* first, const start_how& how);

/// The monotonous part of a call: waits for the reply; null when the limit passed.
reply_message* ask(pid server, call_message* request, duration limit, const char* function);
/// Who is called: a process, and the name it was looked up by, for the report of a failure.
struct callee {
    callee(pid p, atom n = {}) noexcept : process(p), name(n) {}  // NOLINT: most are known by pid
    template <class T>
    callee(server<T> s) noexcept : process(s) {}  // NOLINT
    template <class T>
    callee(server_name<T> n) noexcept : process(whereis(n)), name(n.name()) {}  // NOLINT
    pid process;
    atom name;
};
[[noreturn]] void raise_call_failed(exit_reason why, const callee& server,
                                    std::string_view request);
/// A request as the report of a failed call names it: one of the library's own by the verb that makes it.
template <class R>
std::string_view request_text() noexcept {
    if constexpr (requires { R::library_verb; })
        return R::library_verb;
    else
        return type_name<R>();
}

}  // namespace heirloom::detail
