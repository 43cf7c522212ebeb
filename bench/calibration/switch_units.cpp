#include "measure.hpp"
#include "units.hpp"

#include <memory>

#include <boost/context/detail/fcontext.hpp>

namespace calibration {
namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::transfer_t;

[[noreturn]] void bounce(transfer_t from) {
    for (;;) from = jump_fcontext(from.fctx, nullptr);
}

// Owns nothing, like the exception that unwinds a killed process.
struct empty_exception {};

[[gnu::noinline]] void thrower() { throw empty_exception{}; }

}  // namespace

double register_switch() {
    constexpr std::size_t stack_size = 64 << 10;
    const auto stack = std::make_unique<std::byte[]>(stack_size);
    transfer_t there{
        boost::context::detail::make_fcontext(stack.get() + stack_size, stack_size, bounce),
        nullptr};
    constexpr std::size_t round_trips = 200'000;
    return nanoseconds_per(2 * round_trips, [&] {
        for (std::size_t i = 0; i < round_trips; ++i) there = jump_fcontext(there.fctx, nullptr);
    });
    // `bounce` never returns and owns nothing, so its stack may simply go.
}

double throw_and_catch() {
    constexpr int times = 5'000;
    int caught = 0;
    return nanoseconds_per(times, [&] {
        for (int i = 0; i < times; ++i) {
            try {
                thrower();
            } catch (const empty_exception&) {
                ++caught;
            }
        }
        keep(caught);
    });
}

}  // namespace calibration
