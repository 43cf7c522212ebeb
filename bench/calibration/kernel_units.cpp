#include "measure.hpp"
#include "units.hpp"

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>

#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace calibration {
namespace {

// Best effort: in a container that may not set affinity, the figure is the scheduler's choice.
void pin_to(unsigned core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core % std::max(1u, std::thread::hardware_concurrency()), &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}
void unpin() {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned core = 0; core < std::max(1u, std::thread::hardware_concurrency()); ++core)
        CPU_SET(core, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

using word = std::atomic<std::uint32_t>;

void sleep_while(word& at, std::uint32_t value) {
    while (at.load(std::memory_order_acquire) == value)
        syscall(SYS_futex, &at, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wake_one(word& at) { syscall(SYS_futex, &at, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }
void spin_while(word& at, std::uint32_t value) {
    while (at.load(std::memory_order_acquire) == value) {
    }
}

// Two threads on two cores hand one word back and forth: odd values are the partner's to answer.
// The calling thread runs `turns` round trips a run; the partner ends when it reads `stop`.
template <auto Wait, bool Wakes>
double hand_over(std::uint32_t turns) {
    constexpr std::uint32_t stop = ~std::uint32_t{0};
    alignas(64) word turn{0};
    std::thread partner([&] {
        pin_to(1);
        for (std::uint32_t seen = 0;;) {
            Wait(turn, seen);
            const std::uint32_t now = turn.load(std::memory_order_acquire);
            if (now == stop) return;
            seen = now + 1;
            turn.store(seen, std::memory_order_release);
            if (Wakes) wake_one(turn);
        }
    });
    pin_to(0);
    std::uint32_t at = 0;
    const double cost = nanoseconds_per(2 * std::size_t{turns}, [&] {
        for (std::uint32_t i = 0; i < turns; ++i) {
            turn.store(at + 1, std::memory_order_release);
            if (Wakes) wake_one(turn);
            Wait(turn, at + 1);
            at += 2;
        }
    });
    turn.store(stop, std::memory_order_release);
    wake_one(turn);
    partner.join();
    unpin();
    return cost;
}

}  // namespace

double line_transfer() { return hand_over<spin_while, false>(100'000); }
double futex_wake() { return hand_over<sleep_while, true>(2'000); }

double page_first_touch() {
    constexpr std::size_t pages = 2'000;
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* const memory = mmap(nullptr, pages * page, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("page_first_touch: mmap failed");
    madvise(memory, pages * page, MADV_NOHUGEPAGE);
    using clock = std::chrono::steady_clock;
    // Giving the pages back is not part of the figure, so this one keeps its own time.
    double best = 1e9;
    for (int run = 0; run < runs_a_unit; ++run) {
        const auto start = clock::now();
        for (std::size_t i = 0; i < pages; ++i) static_cast<volatile char*>(memory)[i * page] = 1;
        const std::chrono::duration<double, std::nano> took = clock::now() - start;
        best = std::min(best, took.count() / static_cast<double>(pages));
        madvise(memory, pages * page, MADV_DONTNEED);
    }
    munmap(memory, pages * page);
    return best;
}

}  // namespace calibration
