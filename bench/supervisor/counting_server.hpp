#pragma once

#include <heirloom/heirloom.hpp>

namespace heirloom::bench {

/// Answers 1, 2, 3, ...: the answer 1 proves a new incarnation.
class counting_server {
public:
    struct increment {
        using reply = std::uint64_t;
    };
    std::uint64_t handle_call(increment) { return ++count_; }

private:
    std::uint64_t count_ = 0;
};

}  // namespace heirloom::bench
