#pragma once

#include <cstddef>
#include <cstdint>

namespace heirloom::ets::detail {

/// Zeroed memory, aligned to a cache line; large pieces are mapped, aligned to and marked for huge pages. Throws
/// std::bad_alloc.
void* map_zeroed(std::size_t bytes);
void unmap_zeroed(void* memory, std::size_t bytes) noexcept;
/// Gives the pages of part of a mapped piece back before the piece itself goes: freeing gigabytes in one call would
/// hold up the thread that does it.
void forget_pages(void* memory, std::size_t bytes) noexcept;

/// A pause in a loop that waits for another thread's few instructions; after many it lets other threads run.
void pause_in_spin(unsigned round) noexcept;

}  // namespace heirloom::ets::detail
