#include "floors.hpp"

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
    return {
        {"runtime/ping_pong", hops(2)},
        {"runtime/ring", hops(1)},
        // Control block and stack from free lists, in and out, and a first call nobody predicts.
        {"runtime/spawn_exit",
         of().add(2, "message_block").add(2, "register_switch").add(1.5, "branch_mispredict")},
        {"runtime/spawn_monitor", of().add(4, "message_block")
                                      .add(2, "register_switch")
                                      .add(1.5, "branch_mispredict")
                                      .add(1, "locked_instruction")},
        {"runtime/fan_in", of().add(1, "locked_instruction").add(1, "message_block")},
        {"runtime/skynet", of().add(3, "message_block")
                               .add(2, "register_switch")
                               .add(1.5, "branch_mispredict")
                               .add(1, "locked_instruction")},
        // The caller parks for this reply only, so only the server is claimed and parked.
        {"supervisor/call", of().add(2, "locked_instruction")
                                .add(2, "register_switch")
                                .add(2, "message_block")
                                .add(1, "branch_mispredict")},
        // A kill unwinds; then the link's signal, a spawn, the start's acknowledgement, a call.
        {"supervisor/restart", of().add(1, "throw_and_catch")
                                   .add(5, "locked_instruction")
                                   .add(6, "register_switch")
                                   .add(6, "message_block")
                                   .add(3, "branch_mispredict")},
        {"supervisor/restart/siblings:1000", of().add(1, "throw_and_catch")
                                                 .add(5, "locked_instruction")
                                                 .add(6, "register_switch")
                                                 .add(6, "message_block")
                                                 .add(3, "branch_mispredict")},
        {"ets/lookup/rows:1000/processes:1", of().add(1, "bare_lookup_1k")},
        {"ets/lookup/rows:1000/processes:2", of().add(1, "bare_lookup_1k_2_threads")},
        {"ets/lookup/rows:1000000/processes:1", of().add(1, "bare_lookup_1m")},
        {"ets/lookup/rows:1000000/processes:2", of().add(1, "bare_lookup_1m_2_threads")},
        {"ets/insert/rows:1000/processes:1", of().add(1, "bare_insert_1k")},
        {"ets/insert/rows:1000000/processes:1", of().add(1, "bare_insert_1m")},
        {"ets/update_counter/rows:1000/processes:1", of().add(1, "bare_update_counter_1k")},
    };
}

}  // namespace calibration
