// Boost.Fiber as a contender: a fiber for a process, a buffered channel for its mailbox. Written to
// win, so: the round-robin scheduler on one worker, work stealing on more; workers spin rather
// than suspend; small stacks without guard pages; messages are values; values known to the waiter
// by reference need no channel at all.
// It has no monitors, supervisors or tables, so those scenarios are absent.
// The scenarios are defined in bench/peers/README.md.

#include "fiber_contender.hpp"

#include <malloc.h>

int main(int argc, char** argv) {
    // Stacks that end are kept: giving them back to the kernel would cost a page fault a fiber.
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    const auto request = contender::parse(argc, argv);
    auto scenarios = contender::runtime_scenarios();
    scenarios.merge(contender::savina_scenarios());
    // A thread's scheduler is chosen once, so warm-up and measurement share the workers.
    return contender::on_workers(request.workers,
                                 [&] { return contender::run(request, "boost.fiber", scenarios); });
}
