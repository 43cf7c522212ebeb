#pragma once

#include <cstddef>
#include <cstdint>

#include <heirloom/detail/running.hpp>
#include <heirloom/detail/sanitizers.hpp>

// Blocks: memory for messages, monitors, links and activities, in a few sizes. The common case, a block of the thread's own
// list, is a handful of instructions in the caller, where the size is known; the rest is process/blocks.cpp.
namespace heirloom::detail {

inline constexpr std::size_t block_alignment = 64;
inline constexpr std::size_t largest_block = 512;
inline constexpr unsigned most_free_blocks = 128;  // in a list; beyond it some go to the depot

constexpr unsigned block_class_of(std::size_t bytes) noexcept {
    return bytes <= 256 ? static_cast<unsigned>((bytes + block_alignment - 1) / block_alignment - 1)
                        : block_classes - 1;
}

#ifdef HEIRLOOM_DEBUG_CHECKS
inline constexpr bool counts_blocks = true;
#else
inline constexpr bool counts_blocks = false;
#endif
/// Under a sanitizer every block is an allocation of its own, so that a use after free is seen; a build with internal checks counts them.
inline constexpr bool takes_blocks_inline = !under_asan && !under_tsan && !counts_blocks;

[[nodiscard]] void* allocate_block_slowly(std::size_t bytes);
void free_block_slowly(void* block, std::size_t bytes) noexcept;

/// A block of at least `bytes` bytes. Throws std::bad_alloc. Any thread.
[[nodiscard, gnu::always_inline]] inline void* allocate_block(std::size_t bytes) {
    if constexpr (takes_blocks_inline) {
        thread_words* t = known_thread();
        if (t && bytes <= largest_block && !t->allocations_may_fail) [[likely]] {
            free_block_list& list = t->free_blocks[block_class_of(bytes)];
            if (free_block_node* node = list.head) [[likely]] {
                list.head = node->next;
                --list.count;
                return node;
            }
        }
    }
    return allocate_block_slowly(bytes);
}
/// The same for what is to be aligned to more than a block is.
[[nodiscard]] void* allocate_block(std::size_t bytes, std::size_t alignment);
/// `bytes` as given to allocate_block. Any thread: the block joins the list of the one that frees it.
[[gnu::always_inline]] inline void free_block(void* block, std::size_t bytes) noexcept {
    if constexpr (takes_blocks_inline) {
        thread_words* t = known_thread();
        if (t && bytes <= largest_block) [[likely]] {
            free_block_list& list = t->free_blocks[block_class_of(bytes)];
            if (list.count < most_free_blocks - 1) [[likely]] {
                auto* node = static_cast<free_block_node*>(block);
                node->next = list.head;
                list.head = node;
                ++list.count;
                return;
            }
        }
    }
    free_block_slowly(block, bytes);
}

}  // namespace heirloom::detail
