#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <heirloom/pid.hpp>

namespace heirloom::ets::detail {

inline constexpr std::size_t huge_page = std::size_t{2} << 20;

/// Zeroed memory, aligned to a cache line; from the size of a huge page on it is mapped, and aligned to one. Throws
/// std::bad_alloc.
std::shared_ptr<char> map_zeroed(std::size_t bytes);
/// Zeroed memory of the size of a huge page, in small pages that are the system's until they are written. Throws std::bad_alloc.
std::shared_ptr<char> reserve_zeroed();
/// Has the reaper back the huge page at `at`, which is about to be written for the first time, on a thread where that
/// holds nobody up: the system may take ten milliseconds to find one. Whoever is faster gets small pages, as does
/// everybody where this does not work. Never waits.
void request_huge_page(pid reaper, const std::shared_ptr<char>& memory, std::size_t at) noexcept;
/// What the array of a hash table takes of the system's memory when its first `written` bytes have been written.
std::size_t memory_in_use(std::size_t written) noexcept;
/// Gives the pages of part of a mapped piece back before the piece itself goes: freeing gigabytes in one call would
/// hold up the thread that does it.
void forget_pages(void* memory, std::size_t bytes) noexcept;

/// A pause in a loop that waits for another thread's few instructions; after many it lets other threads run.
void pause_in_spin(unsigned round) noexcept;

}  // namespace heirloom::ets::detail
