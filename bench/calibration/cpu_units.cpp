#include "measure.hpp"
#include "units.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

namespace calibration {
namespace {

constexpr std::size_t line_size = 64;

struct alignas(line_size) link {
    link* next;
};

std::size_t cache_size(int name, std::size_t otherwise) {
    const long size = sysconf(name);
    return size > 0 ? static_cast<std::size_t>(size) : otherwise;
}

// A chain through every line of `bytes` in random order: each load has to wait for the one before,
// and no prefetcher can guess it. Huge pages keep the address translation out of the figure.
double chase(std::size_t bytes) {
    constexpr std::size_t huge_page = std::size_t{2} << 20;
    const std::size_t mapped = (bytes + huge_page - 1) / huge_page * huge_page;
    std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(huge_page, mapped),
                                                       &std::free);
    madvise(memory.get(), mapped, MADV_HUGEPAGE);
    std::memset(memory.get(), 0, mapped);

    link* const links = static_cast<link*>(memory.get());
    std::vector<std::uint32_t> order(bytes / sizeof(link));
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin() + 1, order.end(), std::mt19937(7919));
    for (std::size_t i = 0; i < order.size(); ++i)
        links[order[i]].next = &links[order[(i + 1) % order.size()]];

    constexpr std::size_t steps = 400'000;
    link* at = links;
    return nanoseconds_per(steps, [&] {
        for (std::size_t i = 0; i < steps; ++i) at = at->next;
        keep(at);
    });
}

// `taken` says which way each branch goes; the work is the same whatever it holds.
double branches(const std::vector<std::uint8_t>& taken) {
    std::uint64_t sum = 1;
    return nanoseconds_per(taken.size(), [&] {
        for (const std::uint8_t t : taken) {
            // Opaque on each side, or the compiler would make it a conditional move.
            if (t != 0) {
                sum += 3, keep(sum);
            } else {
                sum -= 1, keep(sum);
            }
        }
        keep(sum);
    });
}

}  // namespace

double load_l1() { return chase(cache_size(_SC_LEVEL1_DCACHE_SIZE, 32 << 10) / 2); }
double load_l2() { return chase(cache_size(_SC_LEVEL2_CACHE_SIZE, 1 << 20) / 2); }
// Little more than L2 holds: a guest owns only some share of the L3 it is told of.
double load_l3() { return chase(cache_size(_SC_LEVEL2_CACHE_SIZE, 1 << 20) * 4); }
double load_memory() {
    return chase(std::max<std::size_t>(cache_size(_SC_LEVEL3_CACHE_SIZE, 16 << 20) * 4,
                                       std::size_t{256} << 20));
}

double branch_mispredict() {
    std::vector<std::uint8_t> taken(200'000);
    for (std::size_t i = 0; i < taken.size(); ++i) taken[i] = i % 2;
    const double guessed = branches(taken);
    std::mt19937 random(7919);
    for (std::uint8_t& t : taken) t = random() & 1;
    // Half of the random ones are guessed right.
    return 2 * std::max(0.0, branches(taken) - guessed);
}

double locked_instruction() {
    std::atomic<std::uint64_t> word{0};
    constexpr std::size_t times = 200'000;
    return nanoseconds_per(times, [&] {
        for (std::size_t i = 0; i < times; ++i) {
            std::uint64_t expected = i;
            // A compare-and-swap, as a mailbox does; whether it succeeds costs the same.
            word.compare_exchange_strong(expected, i + 1, std::memory_order_acq_rel);
            keep(expected);
        }
    });
}

double message_block() {
    struct alignas(line_size) block {
        block* next;
        std::uint64_t words[7];
    };
    constexpr std::size_t blocks = 64;  // as many as a mailbox may hold at a busy moment
    const auto memory = std::make_unique<block[]>(blocks);
    block* free_list = nullptr;
    for (std::size_t i = 0; i < blocks; ++i) {
        memory[i].next = free_list;
        free_list = &memory[i];
    }
    constexpr std::size_t rounds = 4'000;
    std::uint64_t sum = 0;
    return nanoseconds_per(rounds * blocks, [&] {
        for (std::size_t round = 0; round < rounds; ++round) {
            block* queue = nullptr;
            for (std::size_t i = 0; i < blocks; ++i) {
                block* const b = free_list;
                free_list = b->next;
                for (std::uint64_t& word : b->words) word = i;
                b->next = queue;
                queue = b;
                keep(queue);
            }
            while (queue != nullptr) {
                block* const b = queue;
                queue = b->next;
                for (const std::uint64_t word : b->words) sum += word;
                b->next = free_list;
                free_list = b;
                keep(sum);
            }
        }
    });
}

double cycle_counter() {
#if defined(__x86_64__)
    constexpr std::size_t times = 100'000;
    return nanoseconds_per(times, [] {
        for (std::size_t i = 0; i < times; ++i) {
            std::uint64_t now = __builtin_ia32_rdtsc();
            keep(now);
        }
    });
#elif defined(__aarch64__)
    constexpr std::size_t times = 100'000;
    return nanoseconds_per(times, [] {
        for (std::size_t i = 0; i < times; ++i) {
            std::uint64_t now;
            asm volatile("mrs %0, cntvct_el0" : "=r"(now));
        }
    });
#else
    return clock_read();
#endif
}

double clock_read() {
    constexpr std::size_t times = 100'000;
    return nanoseconds_per(times, [] {
        for (std::size_t i = 0; i < times; ++i) {
            auto now = std::chrono::steady_clock::now().time_since_epoch().count();
            keep(now);
        }
    });
}

}  // namespace calibration
