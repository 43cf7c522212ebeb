#pragma once

#include "supervision.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

namespace heirloom::detail {

/// Children without ids or order: of one specification (simple_one_for_one), or each of its own (dynamic_children).
/// A child that runs costs one entry of a flat map here.
class like_children final : public supervision {
public:
    explicit like_children(const supervisor::init_result& what);
    explicit like_children(const dynamic_children& what);
    ~like_children() override { tell_who_is_left(); }

    void stop_all() override;
    void retry(std::uint64_t serial) override;
    result<started_child, child_error> start_child(child_spec spec) override;
    result<started_child, child_error> start_like(const std::any& extra) override;
    result<started_child, child_error> terminate(const child_key& which) override;
    result<child_spec, child_error> spec_of(const child_key& which) override;
    std::vector<child_info> which() override;
    child_counts count() override;
    pid find(const server_identity* identity) override;

private:
    // Being restarted: exactly one retry message or timer is under way, with its serial.
    struct restarting {
        child_data_ptr spec;
        restart_cause last;
        duration last_wait{};
        std::unique_ptr<restart_window> budget;
        std::size_t restarts = 0;
        std::size_t in_a_row = 0;  // of those, after short lives
    };
    // What a running child has that was restarted, or may be delayed, or is budgeted.
    struct history {
        time_point started_at;
        duration last_wait{};
        std::unique_ptr<restart_window> budget;
        std::size_t restarts = 0;
        std::size_t in_a_row = 0;
    };

    void child_ended(pid process, const exit_reason& why) override;
    std::vector<pid> running_now() const override;
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
