#pragma once

#include <atomic>
#include <cstdint>

namespace heirloom::detail {

/// One thread's place to sleep: a token that unpark() sets and park() waits for and takes. An unpark before
/// the park is not lost.
class parking_spot {
public:
    /// Waits for the token until `nanoseconds` from now (negative: for ever). True if it got the token.
    /// Reads errno, hence not inlined; see thread_context.hpp.
    [[gnu::noinline]] bool park(std::int64_t nanoseconds) noexcept;
    void unpark() noexcept;

private:
    enum : std::uint32_t { empty = 0, token = 1, asleep = 2 };
    std::atomic<std::uint32_t> state_{empty};
};

}  // namespace heirloom::detail
