#pragma once

#include "supervision.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

namespace heirloom::detail {

/// Children with ids, in the order of their start: one_for_one, one_for_all, rest_for_one.
class ordered_children final : public supervision {
public:
    ordered_children(supervisor::init_result what);
    ~ordered_children() override;

    void start_all() override;
    void stop_all() override;
    void retry(std::uint64_t serial) override;
    result<started_child, child_error> start_child(child_spec spec) override;
    result<started_child, child_error> terminate(const child_key& which) override;
    result<started_child, child_error> restart(const std::string& id) override;
    result<started_child, child_error> remove(const std::string& id) override;
    result<child_spec, child_error> spec_of(const child_key& which) override;
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
        restart_cause last;  // of its last restart
        child_status status = child_status::stopped;
        std::uint64_t serial = 0;
        std::size_t restarts = 0;
        std::size_t in_a_row = 0;  // of those, after short lives
        time_point started_at;
        duration last_wait{};
        std::unique_ptr<restart_window> budget;
        child* prev = nullptr;
        child* next = nullptr;
    };

    void child_ended(pid process, const exit_reason& why) override;
    std::vector<pid> running_now() const override;
    child* find_child(const std::string& id);
    child* find_child(const child_key& which);
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

}  // namespace heirloom::detail
