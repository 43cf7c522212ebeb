#include "reaper.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

#include <sched.h>
#include <sys/mman.h>

#include <heirloom/ets/detail/memory.hpp>

namespace heirloom::ets::detail {
namespace {
constexpr std::size_t page = 4096;
}  // namespace

std::shared_ptr<char> map_zeroed(std::size_t bytes) {
    if (bytes < huge_page) {
        std::shared_ptr<char> memory(
            static_cast<char*>(::operator new(bytes, std::align_val_t{64})),
            [](char* p) { ::operator delete(p, std::align_val_t{64}); });
        std::memset(memory.get(), 0, bytes);
        return memory;
    }
    // Room to align by hand; what is left over at both ends goes back at once.
    const std::size_t room = bytes + huge_page;
    void* raw = ::mmap(nullptr, room, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) throw std::bad_alloc();
    const auto begin = reinterpret_cast<std::uintptr_t>(raw);
    const std::uintptr_t aligned = (begin + huge_page - 1) & ~(huge_page - 1);
    const std::uintptr_t end = (aligned + bytes + page - 1) & ~(page - 1);
    if (aligned > begin) ::munmap(raw, aligned - begin);
    if (begin + room > end) ::munmap(reinterpret_cast<void*>(end), begin + room - end);
    return std::shared_ptr<char>(reinterpret_cast<char*>(aligned), [bytes](char* p) {
        ::munmap(p, (bytes + page - 1) & ~(page - 1));
    });
}

namespace {

// The first segments of all tables, side by side in a few reservations: a mapping for each would use up the number of
// mappings that the system allows. Never unmapped; what is given back costs address space alone.
class chunk_depot {
public:
    char* take() {
        std::lock_guard lock(mutex_);
        if (free_.empty()) reserve();
        char* chunk = free_.back();
        free_.pop_back();
        return chunk;
    }
    void give_back(char* chunk) noexcept {
        (void)::madvise(chunk, huge_page, MADV_DONTNEED);  // and zeroed by that
        std::lock_guard lock(mutex_);
        free_.push_back(chunk);  // has room: see reserve()
    }

private:
    void reserve() {
        for (std::size_t chunks = 128; chunks > 0; chunks /= 8) {
            free_.reserve(chunks_ + chunks);
            void* memory = ::mmap(nullptr, chunks * huge_page, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (memory == MAP_FAILED) continue;
            (void)::madvise(memory, chunks * huge_page, MADV_NOHUGEPAGE);
            chunks_ += chunks;
            while (chunks > 0) free_.push_back(static_cast<char*>(memory) + --chunks * huge_page);
            return;
        }
        throw std::bad_alloc();
    }
    std::mutex mutex_;
    std::vector<char*> free_;
    std::size_t chunks_ = 0;  // free or not
};

chunk_depot& chunks() {
    static auto* depot = new chunk_depot;  // outlives every table
    return *depot;
}

}  // namespace

std::shared_ptr<char> reserve_zeroed() {
    return std::shared_ptr<char>(chunks().take(), [](char* chunk) { chunks().give_back(chunk); });
}

void back_huge_page(char* memory) noexcept {
#ifdef MADV_HUGEPAGE
    // Then an ordinary fault, by a write that changes nothing. Not MADV_COLLAPSE nor MADV_POPULATE_WRITE: those clear the page
    // with the whole address space locked, and a worker whose malloc wants a little more of it stood still for as long,
    // six milliseconds where the host has to find the memory. A fault locks the mapping alone (Linux 6.4 and later). Only
    // the one page is advised, so that nobody else looks for a huge one. All is advice: else pages are small.
    if (::madvise(memory, huge_page, MADV_HUGEPAGE) == 0)
        std::atomic_ref<char>(*memory).fetch_or(0, std::memory_order_relaxed);
#else
    (void)memory;
#endif
}

std::size_t memory_in_use(std::size_t written) noexcept {
    if (written < page) return written <= 512 ? 512 : page;
    if (written <= huge_page) return (written + page - 1) & ~(page - 1);
    // The next huge page is asked for when half of the last one is written.
    return (written + huge_page / 2 + huge_page - 1) & ~(huge_page - 1);
}

void forget_pages(void* memory, std::size_t bytes) noexcept {
    (void)::madvise(memory, bytes, MADV_DONTNEED);
}

void pause_in_spin(unsigned round) noexcept {
    if (round > 64) {
        ::sched_yield();  // the thread we wait for may have lost its core
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace heirloom::ets::detail
