#pragma once

// What the tables' headers declare and the library defines elsewhere, for the models of tables. To be included after those
// headers, by one file of a program.

#include "model/weak_memory.hpp"

namespace heirloom::test {

/// What was retired: freed when the run is over, since its grace period is longer than that.
inline std::vector<std::pair<void*, void (*)(void*) noexcept>> retired;

inline void free_retired() {
    for (const auto& [what, destroy] : retired) destroy(what);
    retired.clear();
}

}  // namespace heirloom::test

namespace heirloom_weak::detail {
void retire(void* object, void (*destroy)(void*) noexcept) noexcept {
    heirloom::test::retired.emplace_back(object, destroy);
}
void retire_often(void* object, void (*destroy)(void*) noexcept) noexcept {
    retire(object, destroy);
}
void* allocate_block_slowly(std::size_t bytes) { return ::operator new(bytes); }
void free_block_slowly(void* block, std::size_t) noexcept { ::operator delete(block); }
void release(const reason_node*) noexcept {}
verb_entry enter_quietly(const char*) { return {0, nullptr}; }
void leave_nested_or_foreign_verb() noexcept {}
}  // namespace heirloom_weak::detail
namespace heirloom_weak::ets::detail {
std::shared_ptr<char> map_zeroed(std::size_t bytes) {
    auto* p = static_cast<char*>(std::aligned_alloc(64, bytes));
    std::memset(p, 0, bytes);
    return {p, &std::free};
}
std::shared_ptr<char> reserve_zeroed() { return map_zeroed(huge_page); }
void request_huge_page(pid, const std::shared_ptr<char>&, std::size_t) noexcept {}
std::size_t memory_in_use(std::size_t written) noexcept { return written; }
void forget_pages(void*, std::size_t) noexcept {}
void pause_in_spin(unsigned) noexcept { heirloom::test::weak::yield(); }
}  // namespace heirloom_weak::ets::detail
extern "C" {
constinit thread_local heirloom_weak::detail::thread_words* heirloom_this_thread = nullptr;
}
