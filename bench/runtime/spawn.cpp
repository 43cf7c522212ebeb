// What does a process cost that does nothing: alone, in batches of 100, and watched? Not answered:
// what a process costs that touches its stack, or one of a million that live at once (skynet).

#include "support/scenario.hpp"

#include <algorithm>
#include <atomic>

namespace heirloom::bench {
namespace {

struct batch_ended {};

outcome spawn_exit(std::uint64_t n) {
    const std::uint64_t batches = std::max<std::uint64_t>(1, n / 100);
    std::atomic<std::uint64_t> ended{0};
    const pid main = self();
    const double took = timed([&] {
        for (std::uint64_t batch = 0; batch < batches; ++batch) {
            for (int i = 0; i < 100; ++i)
                spawn([&ended, main] {
                    if ((ended.fetch_add(1, std::memory_order_relaxed) + 1) % 100 == 0)
                        send(main, batch_ended{});
                });
            receive<batch_ended>();
        }
    });
    return {took, batches * 100, ended.load() == batches * 100};
}

outcome spawn_and_monitor(std::uint64_t n) {
    std::uint64_t downs = 0;
    const double took = timed([&] {
        for (std::uint64_t i = 0; i < n; ++i) {
            const spawned child = spawn_monitor([] {});
            receive(when(child.ref, [&](down d) { downs += d.reason == reason::normal ? 1 : 0; }));
        }
    });
    return {took, n, downs == n};
}

[[maybe_unused]] const bool registered =
    measure_on_workers("runtime/spawn_exit", 200'000, spawn_exit) &&
    measure_on_workers("runtime/spawn_monitor", 100'000, spawn_and_monitor);

}  // namespace
}  // namespace heirloom::bench
