#include "process/blocks.hpp"

#include "deterministic/drive.hpp"
#include "platform/sanitizers.hpp"
#include "platform/spin_lock.hpp"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

namespace heirloom::detail {
namespace {

constexpr std::size_t line = block_alignment;
constexpr unsigned batch = most_free_blocks / 2;
constexpr std::size_t class_bytes[block_classes] = {64, 128, 192, 256, largest_block};
constexpr std::size_t slab_bytes = 64 * 1024;

/// Batches of free blocks, the last one given back on top: it is the warmest. A queue would go round through all blocks that a
/// storm has ever needed, each cold by the time its turn comes.
struct alignas(64) depot {
    spin_lock lock;
    free_block_node* top = nullptr;  // guarded by lock

    void push(free_block_node* head) noexcept {
        std::lock_guard guard(lock);
        head->next_batch = top;
        top = head;
    }
    free_block_node* pop() noexcept {
        std::lock_guard guard(lock);
        free_block_node* head = top;
        if (head) top = head->next_batch;
        return head;
    }
};
constinit depot depots[block_classes];

void* aligned(std::size_t bytes) {
    void* p = std::aligned_alloc(line, (bytes + line - 1) / line * line);
    if (!p) throw std::bad_alloc();
    return p;
}

#ifdef HEIRLOOM_DEBUG_CHECKS
// By thread, so that the count of a checked build does not make it another program.
constexpr std::size_t shards = 16;
struct alignas(line) shard {
    std::atomic<std::int64_t> blocks{0};
};
constinit shard handed_out[shards];

void count_blocks(const thread_context& t, std::int64_t by) noexcept {
    handed_out[reinterpret_cast<std::uintptr_t>(&t) / line % shards].blocks.fetch_add(
        by, std::memory_order_relaxed);
}
#else
constexpr void count_blocks(const thread_context&, std::int64_t) noexcept {}
#endif

[[gnu::noinline]] void* refill(free_block_list& list, unsigned c) {
    if (free_block_node* chain = depots[c].pop()) {
        list.head = chain->next;
        list.count = chain->count - 1;
        return chain;
    }
    const std::size_t bytes = class_bytes[c];
    const std::size_t blocks = slab_bytes / bytes;
    auto* slab = static_cast<std::byte*>(aligned(slab_bytes));
    const std::size_t keep = blocks < 2 * batch ? blocks : 2 * batch;
    // A slab fills one list; what is beyond it goes to the depot in whole batches, the rest stays here.
    for (std::size_t i = keep; i-- > 1;) {
        auto* node = reinterpret_cast<free_block_node*>(slab + i * bytes);
        node->next = list.head;
        list.head = node;
    }
    list.count = static_cast<unsigned>(keep) - 1;
    for (std::size_t first = keep; first + batch <= blocks; first += batch) {
        free_block_node* head = nullptr;
        for (std::size_t i = first + batch; i-- > first;) {
            auto* node = reinterpret_cast<free_block_node*>(slab + i * bytes);
            node->next = head;
            head = node;
        }
        head->count = batch;
        depots[c].push(head);
    }
    return slab;
}

[[gnu::noinline]] void spill(free_block_list& list, unsigned c) noexcept {
    free_block_node* head = list.head;
    free_block_node* last = head;
    for (unsigned i = 1; i < batch; ++i) last = last->next;
    free_block_node* rest = last->next;
    last->next = nullptr;
    head->count = batch;
    depots[c].push(head);
    list.head = rest;
    list.count -= batch;
}

}  // namespace

std::int64_t blocks_in_use() noexcept {
    std::int64_t all = 0;
#ifdef HEIRLOOM_DEBUG_CHECKS
    for (auto& s : handed_out) all += s.blocks.load(std::memory_order_relaxed);
#endif
    return all;
}

void* allocate_block_slowly(std::size_t bytes) {
    thread_context& t = this_thread();
    if (t.allocations_may_fail && refuse_allocation()) throw std::bad_alloc();
    count_blocks(t, 1);
    // Under a sanitizer every block is its own allocation, so that a use after free is seen.
    if (under_asan || under_tsan || bytes > largest_block) return aligned(bytes);
    const unsigned c = block_class_of(bytes);
    free_block_list& list = t.free_blocks[c];
    if (free_block_node* node = list.head) {
        list.head = node->next;
        --list.count;
        return node;
    }
    return refill(list, c);
}

void* allocate_block(std::size_t bytes, std::size_t alignment) {
    if (alignment <= block_alignment) return allocate_block(bytes);
    thread_context& t = this_thread();
    if (t.allocations_may_fail && refuse_allocation()) throw std::bad_alloc();
    // It is freed like any other, into a list of blocks that have the size of their class.
    const std::size_t room = bytes <= largest_block ? class_bytes[block_class_of(bytes)] : bytes;
    void* p = std::aligned_alloc(alignment, (room + alignment - 1) / alignment * alignment);
    if (!p) throw std::bad_alloc();
    count_blocks(t, 1);
    return p;
}

void free_block_slowly(void* block, std::size_t bytes) noexcept {
    thread_context& t = this_thread();
    count_blocks(t, -1);
    if (under_asan || under_tsan || bytes > largest_block) return std::free(block);
    const unsigned c = block_class_of(bytes);
    free_block_list& list = t.free_blocks[c];
    auto* node = static_cast<free_block_node*>(block);
    node->next = list.head;
    list.head = node;
    if (++list.count >= most_free_blocks) spill(list, c);
}

void return_blocks(thread_words& thread) noexcept {
    for (unsigned c = 0; c < block_classes; ++c) {
        free_block_list& list = thread.free_blocks[c];
        if (!list.head) continue;
        list.head->count = list.count;
        depots[c].push(list.head);
        list = {};
    }
}

}  // namespace heirloom::detail
