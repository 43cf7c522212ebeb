#pragma once

#include <heirloom/ets/detail/core.hpp>

namespace heirloom::ets::detail {

/// Starts the system process that destroys what tables leave behind, in slices between which others run (R7). An
/// empty pid when the runtime is ending: then whoever hands something over destroys it.
pid start_reaper();

/// Makes one huge page of untouched memory, if the system will. May take long.
void back_huge_page(char* memory) noexcept;

}  // namespace heirloom::ets::detail
