#include "platform/parking.hpp"

#include <cerrno>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace heirloom::detail {

bool parking_spot::park(std::int64_t nanoseconds) noexcept {
    std::uint32_t expected = empty;
    // acquire on success of either side: what the waker did before unpark() is visible.
    if (!state_.compare_exchange_strong(expected, asleep, std::memory_order_acq_rel)) {
        state_.store(empty, std::memory_order_relaxed);  // expected == token: take it
        return true;
    }
    timespec limit{};
    timespec* timeout = nullptr;
    if (nanoseconds >= 0) {
        limit.tv_sec = nanoseconds / 1'000'000'000;
        limit.tv_nsec = nanoseconds % 1'000'000'000;
        timeout = &limit;
    }
    for (;;) {
        const long r = syscall(SYS_futex, &state_, FUTEX_WAIT_PRIVATE, asleep, timeout, nullptr, 0);
        if (state_.load(std::memory_order_acquire) == token) break;
        if (r < 0 && errno == ETIMEDOUT) break;
        if (r < 0 && errno == EINTR && timeout) break;  // the caller re-checks its clock anyway
    }
    return state_.exchange(empty, std::memory_order_acquire) == token;
}

void parking_spot::unpark() noexcept {
    // release: pairs with the acquire in park().
    if (state_.exchange(token, std::memory_order_acq_rel) == asleep)
        syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace heirloom::detail
