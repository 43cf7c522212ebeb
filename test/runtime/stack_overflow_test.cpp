// A stack overflow is reported with the process at fault, or ends that process alone. Not built for the sanitizers, which
// report such faults in their own words.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <csignal>
#include <string>

#include <gtest/gtest.h>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

[[gnu::noinline]] int recurse_for_ever(int n) {
    volatile char frame[200];
    frame[0] = static_cast<char>(n);
    if (frame[0] != static_cast<char>(n)) return 0;  // never, but the compiler cannot know
    return recurse_for_ever(n + 1) + frame[0];
}

[[gnu::noinline]] int use_a_large_array() {
    volatile char large[1 << 20];
    for (std::size_t i = 0; i < sizeof large; i += 512) large[i] = 1;
    return large[sizeof large / 2];
}

void overflow_in_a_process(void (*how)()) {
    runtime rt(quiet(1));
    rt.run([how] { (void)reason_of(spawn_monitor({.name = "the_deep_one"}, how).ref); });
}

}  // namespace

TEST(stack_overflow, by_recursion_aborts_with_a_report) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(overflow_in_a_process([] { recurse_for_ever(0); }),
                testing::KilledBySignal(SIGABRT), "stack overflow.*the_deep_one");
}

TEST(stack_overflow, by_a_large_array_aborts_with_a_report) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(overflow_in_a_process([] { use_a_large_array(); }),
                testing::KilledBySignal(SIGABRT), "stack overflow.*the_deep_one");
}

TEST(stack_overflow, ends_that_process_alone_if_told_to) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            options opts = quiet(1);
            opts.on_stack_overflow = overflow_policy::end_process;
            runtime rt(std::move(opts));
            const int code = rt.run([] {
                for (int i = 0; i < 3; ++i)
                    if (reason_of(spawn_monitor([] { recurse_for_ever(0); }).ref) !=
                        reason::stack_overflow)
                        return 1;
                sync_with(spawn(answer_pings));
                return 0;
            });
            std::_Exit(code);
        },
        testing::ExitedWithCode(0), "");
}

TEST(stack_overflow, a_fault_elsewhere_is_still_a_fault) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            options opts = quiet(1);
            opts.on_stack_overflow = overflow_policy::end_process;
            runtime rt(std::move(opts));
            rt.run([] {
                volatile int* volatile nowhere = nullptr;
                *nowhere = 1;
            });
        },
        testing::KilledBySignal(SIGSEGV), "");
}
