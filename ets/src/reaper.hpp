#pragma once

#include <heirloom/ets/detail/core.hpp>

namespace heirloom::ets::detail {

/// Starts the system process that destroys what tables leave behind, in slices between which others run (R7). An
/// empty pid when the runtime is ending: then whoever hands something over destroys it.
pid start_reaper();

}  // namespace heirloom::ets::detail
