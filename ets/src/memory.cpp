#include <cstdlib>
#include <cstring>
#include <new>

#include <sched.h>
#include <sys/mman.h>

#include <heirloom/ets/detail/memory.hpp>

namespace heirloom::ets::detail {
namespace {
constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t page = 4096;
}  // namespace

void* map_zeroed(std::size_t bytes) {
    if (bytes < huge_page) {
        void* memory = ::operator new(bytes, std::align_val_t{64});
        std::memset(memory, 0, bytes);
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
    void* memory = reinterpret_cast<void*>(aligned);
    (void)::madvise(memory, bytes, MADV_HUGEPAGE);  // advice: without huge pages it is only slower
    return memory;
}

void unmap_zeroed(void* memory, std::size_t bytes) noexcept {
    if (bytes < huge_page)
        ::operator delete(memory, std::align_val_t{64});
    else
        ::munmap(memory, (bytes + page - 1) & ~(page - 1));
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
