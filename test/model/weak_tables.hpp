#pragma once

// For the models of tables: the rows they have, and what the tables' headers declare and the library defines elsewhere. To be
// included after those headers, by one file of a program.
#include "model/weak_memory.hpp"

namespace heirloom::test::table_model {

namespace weak = heirloom::test::weak;
namespace ets = heirloom_weak::ets::detail;

using key = std::uint64_t;
/// A value that must be seen whole.
struct two_words {
    std::uint64_t a, b;
};
/// Too large to lie in a bucket; what is in it must be there when it is seen.
struct boxed {
    weak::plain<int> content;
    std::array<std::uint64_t, 8> more{};
    explicit boxed(int n) { content.write(n); }
    boxed(const boxed& other) { content.write(other.content.read()); }
    boxed& operator=(const boxed&) = delete;
};
inline std::uint64_t number_of(std::uint64_t v) { return v; }
inline std::uint64_t number_of(const two_words& v) {
    weak::require(v.a == v.b, "half a value was seen");
    return v.a;
}
inline std::uint64_t number_of(const boxed& v) {
    return static_cast<std::uint64_t>(v.content.read());
}
template <class V>
V value_of(std::uint64_t n) {
    if constexpr (std::is_same_v<V, std::uint64_t>)
        return n;
    else if constexpr (std::is_same_v<V, two_words>)
        return {n, n};
    else
        return V(static_cast<int>(n));
}

/// What was retired: freed when the run is over, since its grace period is longer than that.
inline std::vector<std::pair<void*, void (*)(void*) noexcept>> retired;
inline void free_retired() {
    for (const auto& [what, destroy] : retired) destroy(what);
    retired.clear();
}

constexpr weak::effort some{.preemptions = 2, .stale_loads = 1};
constexpr weak::effort little{.preemptions = 1, .stale_loads = 1};

// A bulk insert has many steps: for rows of a word they are explored as thoroughly as all else.
template <class V>
constexpr weak::effort for_many_steps = std::is_same_v<V, std::uint64_t> ? some : little;

}  // namespace heirloom::test::table_model

namespace heirloom_weak::detail {
void retire(void* object, void (*destroy)(void*) noexcept) noexcept {
    heirloom::test::table_model::retired.emplace_back(object, destroy);
}
void retire_often(void* object, void (*destroy)(void*) noexcept) noexcept {
    retire(object, destroy);
}
void* allocate_block_slowly(std::size_t bytes) { return ::operator new(bytes); }
void free_block_slowly(void* block, std::size_t) noexcept { ::operator delete(block); }
void release(const reason_node*) noexcept {}
verb_entry enter_quietly(const char*) { return {0, nullptr}; }
void leave_nested_or_foreign_verb() noexcept {}
callback_scope::callback_scope() noexcept {}
callback_scope::~callback_scope() {}
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
contents_ptr own_contents(std::unique_ptr<contents> c) { return contents_ptr(c.release()); }
void contents_deleter::operator()(contents* c) const noexcept { delete c; }
void condemn(contents* c) noexcept {
    heirloom_weak::detail::retire(c, [](void* p) noexcept { delete static_cast<contents*>(p); });
}
void pause_in_spin(unsigned) noexcept { heirloom::test::weak::yield(); }
}  // namespace heirloom_weak::ets::detail
extern "C" {
constinit thread_local heirloom_weak::detail::thread_words* heirloom_this_thread = nullptr;
}
