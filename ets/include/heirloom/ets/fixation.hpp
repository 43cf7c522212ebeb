#pragma once

#include <heirloom/ets/table.hpp>

namespace heirloom::ets {

/// Fixes a table as long as it lives. For the process that made it; a kill releases it too.
class fixation {
public:
    explicit fixation(const detail::handle& table) : core_(table.core()) { core_->fix("fixation"); }
    fixation(const fixation&) = delete;
    fixation& operator=(const fixation&) = delete;
    ~fixation() { core_->unfix("fixation"); }

private:
    detail::table_ref core_;
};

}  // namespace heirloom::ets
