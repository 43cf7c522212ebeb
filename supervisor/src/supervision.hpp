#pragma once

#include "child_control.hpp"
#include "heirloom/supervisor.hpp"
#include "restart_window.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

// supervision: the children of one supervisor, and what is done when one ends. Runs in the supervisor's process
// alone. Two kinds: ordered_children (one_for_one, one_for_all, rest_for_one) and like_children
// (simple_one_for_one).
namespace heirloom::detail {

failure<child_error> refused(child_failure kind, pid process = {}, exit_reason why = {},
                             std::string text = {});

class supervision {
public:
    supervision(const restart_intensity& intensity, auto_shutdown_mode mode, duration grace,
                bool report_progress)
        : control_(grace, report_progress), window_(intensity), auto_shutdown_(mode) {}
    virtual ~supervision() = default;
    supervision(const supervision&) = delete;
    supervision& operator=(const supervision&) = delete;

    /// Throws exit(r) when a child could not be started; those before it have been stopped then.
    virtual void start_all() = 0;
    virtual void stop_all() = 0;

    virtual void child_ended(pid process, const exit_reason& why) = 0;
    virtual void retry(std::uint64_t serial) = 0;

    virtual result<started_child, child_error> start_child(child_spec spec) = 0;
    virtual result<started_child, child_error> start_like(const std::any& extra) = 0;
    virtual result<started_child, child_error> terminate(const std::string& id, pid process) = 0;
    virtual result<started_child, child_error> restart(const std::string& id) = 0;
    virtual result<started_child, child_error> remove(const std::string& id) = 0;
    virtual result<child_spec, child_error> spec_of(const std::string& id, pid process) = 0;
    virtual std::vector<child_info> which() = 0;
    virtual child_counts count() = 0;
    virtual pid find(const server_identity* identity) = 0;

protected:
    /// Counts a restart. If it is one too many, reports that and ends the supervisor; false then.
    bool may_restart(const child_data& spec, const exit_reason& why);
    /// A significant child ended by itself; `others` significant ones still live.
    void consider_auto_shutdown(const child_data& spec, std::size_t others);
    bool stopping() const;

    child_control control_;
    restart_window window_;
    auto_shutdown_mode auto_shutdown_;
};

class ordered_children final : public supervision {
public:
    ordered_children(supervisor::init_result what);
    ~ordered_children() override;

    void start_all() override;
    void stop_all() override;
    void child_ended(pid process, const exit_reason& why) override;
    void retry(std::uint64_t serial) override;
    result<started_child, child_error> start_child(child_spec spec) override;
    result<started_child, child_error> start_like(const std::any& extra) override;
    result<started_child, child_error> terminate(const std::string& id, pid process) override;
    result<started_child, child_error> restart(const std::string& id) override;
    result<started_child, child_error> remove(const std::string& id) override;
    result<child_spec, child_error> spec_of(const std::string& id, pid process) override;
    std::vector<child_info> which() override;
    child_counts count() override;
    pid find(const server_identity* identity) override;

private:
    // status: stopped     not running and not wanted: ended by request, or in order, or its start said ignore
    //         running     `process` is linked to us and in by_pid_
    //         restarting  its start failed, or it waits for its back-off: exactly one retry message or timer is
    //                     under way, with `serial`, which is in pending_; taking it out cancels the retry
    struct child {
        child_data_ptr spec;
        pid process;
        pid last_process;  // of a child being restarted, for the reports
        exit_reason last_reason;
        child_status status = child_status::stopped;
        std::uint64_t serial = 0;
        std::size_t restarts = 0;
        time_point started_at;
        duration last_wait{};
        std::unique_ptr<restart_window> budget;
        child* prev = nullptr;
        child* next = nullptr;
    };

    child* find_child(const std::string& id);
    child* append(child_data_ptr spec);
    void forget(child& c);
    void set_running(child& c, pid process);
    void set_stopped(child& c);
    void set_restarting(child& c, duration wait);

    /// Starts one child; it is running or stopped (ignored) afterwards, or the start failed.
    child_start start_one(child& c);
    void end_one(child& c);

    void restart_after(child& c, const exit_reason& why);
    void attempt(child& c);
    bool start_again(child& c);
    void restart_group(child& failed, child* begin);
    void ended_for_good(child& c);

    restart_strategy strategy_;
    std::vector<child_spec> initial_;
    child* first_ = nullptr;
    child* last_ = nullptr;
    std::size_t specs_ = 0, active_ = 0, supervisors_ = 0;
    std::size_t significant_ = 0;  // alive or about to be
    std::uint64_t next_serial_ = 0;
    boost::unordered_flat_map<std::uint64_t, child*> by_pid_;
    boost::unordered_flat_map<std::string_view, child*> by_id_;  // keys live in the specs
    boost::unordered_flat_map<std::uint64_t, child*> pending_;   // restarting, by serial
};

/// Children without ids or order: of one specification (simple_one_for_one), or each of its own (dynamic_children).
/// A child that runs costs one entry of a flat map here.
class like_children final : public supervision {
public:
    explicit like_children(const supervisor::init_result& what);
    explicit like_children(const dynamic_children& what);

    void start_all() override {}
    void stop_all() override;
    void child_ended(pid process, const exit_reason& why) override;
    void retry(std::uint64_t serial) override;
    result<started_child, child_error> start_child(child_spec spec) override;
    result<started_child, child_error> start_like(const std::any& extra) override;
    result<started_child, child_error> terminate(const std::string& id, pid process) override;
    result<started_child, child_error> restart(const std::string& id) override;
    result<started_child, child_error> remove(const std::string& id) override;
    result<child_spec, child_error> spec_of(const std::string& id, pid process) override;
    std::vector<child_info> which() override;
    child_counts count() override;
    pid find(const server_identity* identity) override;

private:
    // Being restarted: exactly one retry message or timer is under way, with its serial.
    struct restarting {
        child_data_ptr spec;
        pid last_process;
        exit_reason last_reason;
        duration last_wait{};
        std::unique_ptr<restart_window> budget;
    };
    // What a running child has that was delayed or is budgeted.
    struct history {
        time_point started_at;
        duration last_wait{};
        std::unique_ptr<restart_window> budget;
    };

    result<started_child, child_error> start_one(child_data_ptr spec);
    void attempt(restarting r);
    void put_off(restarting r, duration wait);
    void running(pid process, restarting& r);
    void ended_for_good(const child_data& spec);
    std::size_t significant() const noexcept {
        return spec_ && spec_->significant ? running_.size() + pending_.size() : 0;
    }

    child_data_ptr spec_;           // null: dynamic
    std::size_t max_children_ = 0;  // 0: no limit
    std::size_t supervisors_ = 0;
    std::uint64_t next_serial_ = 0;
    boost::unordered_flat_map<std::uint64_t, child_data_ptr> running_;  // by pid
    boost::unordered_flat_map<std::uint64_t, restarting> pending_;      // by serial
    boost::unordered_flat_map<std::uint64_t, std::uint64_t> pending_by_pid_;
    boost::unordered_flat_map<std::uint64_t, history> history_;  // by pid
};

}  // namespace heirloom::detail
