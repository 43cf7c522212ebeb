#include "floors.hpp"

#include <string_view>
#include <utility>

namespace calibration {
namespace {

// A sum of units that writes down what it is made of while it is added up.
class sum {
public:
    explicit sum(const unit_costs& cost) : cost_(cost) {}
    sum& add(double times, const std::string& unit) {
        total_ += times * cost_.at(unit);
        if (!made_of_.empty()) made_of_ += " + ";
        if (times == 1)
            made_of_ += unit;
        else
            made_of_ += std::to_string(times).substr(0, times == static_cast<int>(times) ? 1 : 3) +
                        " " + unit;
        return *this;
    }
    operator floor_of() const { return {total_, made_of_}; }

private:
    const unit_costs& cost_;
    double total_ = 0;
    std::string made_of_;
};

}  // namespace

std::map<std::string, floor_of> floors(const unit_costs& cost) {
    const auto of = [&] { return sum(cost); };
    // A message to a process that runs next on the same core: one locked instruction to enqueue and
    // claim, one to park, the block, the switch, and a wrong guess at the jump.
    const auto hops = [&](double n) {
        return of()
            .add(2 * n, "locked_instruction")
            .add(n, "message_block")
            .add(n, "register_switch")
            .add(n, "branch_mispredict");
    };
    // One that waits in a queue until its receiver comes to it: no switch of its own.
    const auto queued = [&](double n) {
        return of().add(n, "locked_instruction").add(n, "message_block");
    };
    // Control block and stack from free lists, in and out, and a first call nobody predicts; with a link or a monitor, or
    // a message to somebody, so many blocks more.
    const auto life = [&](double blocks) {
        sum s = of().add(2 + blocks, "message_block")
                    .add(2, "register_switch")
                    .add(1.5, "branch_mispredict");
        return blocks == 0 ? s : s.add(blocks / 2, "locked_instruction");
    };
    // The caller parks for this reply only, so only the server is claimed and parked.
    const auto call = [&] {
        return of()
            .add(2, "locked_instruction")
            .add(2, "register_switch")
            .add(2, "message_block")
            .add(1, "branch_mispredict");
    };
    // A kill unwinds; then the link's signal, a spawn, the start's acknowledgement, each a time for every child that is
    // started again; a call.
    const auto restart = [&](double children) {
        return of()
            .add(1, "throw_and_catch")
            .add(3 * children + 2, "locked_instruction")
            .add(4 * children + 2, "register_switch")
            .add(4 * children + 2, "message_block")
            .add(2 * children + 1, "branch_mispredict");
    };
    const auto one = [&](const char* unit) { return of().add(1, unit); };

    std::map<std::string, floor_of> all{
        {"runtime/ping_pong", hops(2)},
        {"runtime/ring", hops(1)},
        {"runtime/pairs", hops(2)},
        {"runtime/spawn_exit", life(0)},
        {"runtime/spawn_monitor", life(2)},
        {"runtime/link_exit", life(2)},
        {"runtime/fan_in", queued(1)},
        {"runtime/fan_in/senders:1000", queued(1)},
        {"runtime/foreign_send", queued(1)},
        {"runtime/skynet", life(1)},
        {"runtime/yield", of().add(1, "register_switch").add(1, "branch_mispredict")},
        {"runtime/cross_core_round_trip", of().add(2, "line_transfer")},
        {"runtime/timer_arm_cancel", of().add(1, "clock_read").add(1, "message_block")},
        {"runtime/whereis", one("load_l1")},
        {"runtime/call_with_backlog/messages:0", call()},
        {"runtime/call_with_backlog/messages:100000", call()},
        {"supervisor/call", call()},
        {"supervisor/call_server_to_server", call()},
        // On the caller's stack: the server is claimed and let go.
        {"supervisor/call_leaf", of().add(2, "locked_instruction")},
        {"supervisor/cast", queued(1)},
        {"supervisor/start_stop", life(4)},
        {"supervisor/restart", restart(1)},
        {"supervisor/restart/siblings:1000", restart(1)},
        {"supervisor/restart/siblings:100000", restart(1)},
        {"supervisor/restart_after/restarts:100000", restart(1)},
        {"supervisor/restart_all/children:10", restart(10)},
        {"supervisor/restart_rest/children:10", restart(10)},
        {"supervisor/start_children", life(3)},
        {"supervisor/shutdown", queued(2)},
        {"savina/thread_ring", hops(1)},
        {"savina/counting", queued(1)},
        {"savina/fork_join_throughput", queued(1)},
        {"savina/fork_join_create", life(2)},
        {"savina/big", hops(2)},
        {"savina/chameneos", queued(4)},
        {"savina/banking", queued(4)},
        {"savina/concurrent_dictionary", call()},
        {"savina/dining_philosophers", queued(3)},
        {"savina/sieve", queued(1)},
        {"growth/processes", hops(2)},
        {"growth/backlog", call()},
        {"growth/children", restart(1)},
        {"growth/links", life(2)},
        {"ets/insert/rows:10000/processes:1", one("bare_insert_10k")},
        {"ets/insert/rows:100000/processes:1", one("bare_insert_100k")},
        {"ets/lookup/rows:10000/processes:1", one("bare_lookup_10k")},
        {"ets/lookup/rows:100000/processes:1", one("bare_lookup_100k")},
        // One key: its line goes back and forth, or stays.
        {"ets/update_counter_one_key/rows:1000/processes:1", one("load_l1")},
        {"ets/update_counter_one_key/rows:1000/processes:2", one("locked_instruction")},
    };
    for (const auto& [rows, short_name] :
         {std::pair{"1000", "1k"}, {"1000000", "1m"}, {"10000000", "10m"}}) {
        if (!cost.contains(std::string("bare_lookup_") + short_name))
            continue;  // too large for a quick one
        const std::string where = std::string("/rows:") + rows + "/processes:1";
        const auto bare = [&](const char* verb) {
            return of().add(1, std::string("bare_") + verb + "_" + short_name);
        };
        all.emplace("ets/lookup" + where, bare("lookup"));
        all.emplace(std::string("ets/lookup/rows:") + rows + "/processes:2",
                    of().add(1, std::string("bare_lookup_") + short_name + "_2_threads"));
        all.emplace("ets/lookup_miss" + where, bare("lookup"));
        all.emplace("ets/mixed_90_10" + where, bare("lookup"));
        // The key's text, or the value, on a line of its own.
        const char* line = std::string_view(short_name) == "1k" ? "load_l2" : "load_memory";
        all.emplace("ets/lookup_text" + where, bare("lookup").add(1, line));
        all.emplace("ets/lookup_wide" + where, bare("lookup").add(1, line));
        all.emplace("ets/visit_wide" + where, bare("lookup").add(1, line));
        all.emplace("ets/insert_text" + where, bare("insert").add(1, line));
        // Most of Zipf's keys are few, and stay in the cache.
        all.emplace("ets/lookup_zipf" + where, of().add(1, "bare_lookup_1k"));
        all.emplace("ets/insert" + where, bare("insert"));
        all.emplace("ets/insert_new_delete" + where, bare("insert"));
        all.emplace("ets/update_counter" + where, bare("update_counter"));
        // Among writers a row is locked and let go by at least one locked instruction.
        const std::string open = where + "/access:public";
        all.emplace("ets/insert" + open, bare("insert").add(1, "locked_instruction"));
        all.emplace("ets/insert_new_delete" + open, bare("insert").add(2, "locked_instruction"));
        all.emplace("ets/update_counter" + open, of().add(1, "locked_instruction"));
        all.emplace("ets/mixed_90_10" + open, bare("lookup").add(0.1, "locked_instruction"));
    }
    return all;
}

}  // namespace calibration
