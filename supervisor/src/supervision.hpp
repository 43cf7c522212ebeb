#pragma once

#include "child_control.hpp"
#include "heirloom/supervisor.hpp"
#include "restart_window.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// supervision: the children of one supervisor, and what is done when one ends. Runs in the supervisor's process
// alone. Two kinds: ordered_children (one_for_one, one_for_all, rest_for_one) and like_children (simple_one_for_one,
// dynamic_children). What only one of them can do, the other refuses here.
namespace heirloom::detail {

/// `text` names the child, and the field where one is wrong.
/// Never with `normal`, which would end whoever raises it in order: the kind is the reason then.
failure<child_error> refused(child_failure kind, pid process = {}, exit_reason why = {},
                             std::string text = {});
/// The same of the child with this id, in words that go with the kind.
failure<child_error> refused_child(child_failure kind, std::string_view id, pid process = {},
                                   exit_reason why = {});
/// The same of a child known by either.
failure<child_error> refused_key(child_failure kind, const child_key& which);

class supervision {
public:
    supervision(const restart_intensity& intensity, auto_shutdown_mode mode, duration grace,
                bool report_progress)
        : core_(running_server("supervisor")),
          control_(grace, report_progress),
          window_(intensity),
          auto_shutdown_(mode),
          above_(core_.supervised() ? core_.parent() : pid()) {}
    virtual ~supervision() = default;
    supervision(const supervision&) = delete;
    supervision& operator=(const supervision&) = delete;

    /// Throws exit(r) when a child could not be started; those before it have been stopped then.
    virtual void start_all() {}
    virtual void stop_all() = 0;

    void child_gone(pid process, const exit_reason& why) {
        child_ended(process, why);
        control_.forget_orphans(process);
    }
    void note(orphans o) { control_.note(std::move(o)); }
    virtual void retry(std::uint64_t serial) = 0;

    virtual result<started_child, child_error> start_child(child_spec spec) = 0;
    virtual result<started_child, child_error> start_like(const std::any& extra);
    virtual result<started_child, child_error> terminate(const child_key& which) = 0;
    virtual result<started_child, child_error> restart(const std::string& id);
    virtual result<started_child, child_error> remove(const std::string& id);
    virtual result<child_spec, child_error> spec_of(const child_key& which) = 0;
    virtual std::vector<child_info> which() = 0;
    virtual child_counts count() = 0;
    virtual pid find(const server_identity* identity) = 0;

protected:
    virtual void child_ended(pid process, const exit_reason& why) = 0;
    virtual std::vector<pid> running_now() const = 0;
    /// For the destructor: its children have been stopped unless it was killed, or failed.
    void tell_who_is_left() noexcept;
    /// Counts a restart. If it is one too many, reports that and ends the supervisor; false then.
    bool may_restart(const child_data& spec, const exit_reason& why);
    /// A significant child ended by itself; `others` significant ones still live.
    void consider_auto_shutdown(const child_data& spec, std::size_t others);
    bool stopping() const noexcept { return core_.stopping(); }

    server_core& core_;  // the supervisor that this is part of
    child_control control_;
    restart_window window_;
    auto_shutdown_mode auto_shutdown_;

private:
    pid above_;  // the supervisor that started this one; empty if somebody else did
};

}  // namespace heirloom::detail
