#pragma once

#include <cstdint>

#include <heirloom/heirloom.hpp>

namespace heirloom::bench {

/// Answers 1, 2, 3, ...: the answer 1 proves a new incarnation.
class counting_server {
public:
    struct increment {
        using reply = std::uint64_t;
    };
    struct add {};
    struct call_other {
        using reply = std::uint64_t;
        server<counting_server> other;
        std::uint64_t times;
    };
    std::uint64_t handle_call(increment) { return ++count_; }
    std::uint64_t handle_call(call_other c) {
        std::uint64_t last = 0;
        for (std::uint64_t i = 0; i < c.times; ++i) last = call(c.other, increment{});
        return last;
    }
    void handle_cast(add) { ++count_; }

private:
    std::uint64_t count_ = 0;
};

/// The same, of the kind that its caller runs itself.
class counting_leaf {
public:
    static constexpr bool leaf = true;
    struct increment {
        using reply = std::uint64_t;
    };
    std::uint64_t handle_call(increment) { return ++count_; }

private:
    std::uint64_t count_ = 0;
};

}  // namespace heirloom::bench
