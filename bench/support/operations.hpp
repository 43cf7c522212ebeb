#pragma once

#include <cstdint>
#include <cstdlib>

namespace heirloom::bench {

/// How many operations a batch is: what the driver asks of every contender, or `otherwise` where nobody asks.
inline std::uint64_t operations_or(std::uint64_t otherwise) {
    const char* asked = std::getenv("HEIRLOOM_BENCH_N");
    const std::uint64_t n = asked ? std::strtoull(asked, nullptr, 10) : 0;
    return n != 0 ? n : otherwise;
}

}  // namespace heirloom::bench
