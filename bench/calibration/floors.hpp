#pragma once

#include <map>
#include <string>

namespace calibration {

/// Unit name to nanoseconds, as main.cpp measured them.
using unit_costs = std::map<std::string, double>;

struct floor_of {
    double nanoseconds;
    std::string made_of;
};

/// What each scenario cannot do without, by scenario name as in bench/driver/scenarios.json.
std::map<std::string, floor_of> floors(const unit_costs& cost);

}  // namespace calibration
