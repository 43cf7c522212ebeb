#pragma once

#include <heirloom/heirloom.hpp>

namespace heirloom::test {

/// What `f` returns in a process of a runtime of its own, whose log is nobody's.
template <class F>
auto inside(F f) {
    runtime rt({.workers = 2, .log = [](const log_event&) {}});
    return rt.invoke(f);
}

}  // namespace heirloom::test
