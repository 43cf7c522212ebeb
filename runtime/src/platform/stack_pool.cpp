#include "platform/stack_pool.hpp"

#include "platform/check.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string_view>
#include <utility>

#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // Linux 6.13; newer than the C library's headers
#endif

namespace heirloom::detail {
namespace {

#if HEIRLOOM_ASAN
/// Where AddressSanitizer keeps locals so that it sees their use after a return. It frees them only for a fiber that says
/// goodbye, and a context that is never entered again does not: so we put them on and say it in its place.
__attribute__((no_sanitize("address"), noinline)) void drop_fake_stack(stack& s) noexcept {
    if (!s.fake_stack) return;
    void* ours = nullptr;
    const void* bottom = nullptr;
    std::size_t size = 0;
    __sanitizer_start_switch_fiber(&ours, s.bottom, s.size());
    __sanitizer_finish_switch_fiber(s.fake_stack, &bottom, &size);
    __sanitizer_start_switch_fiber(nullptr, bottom, size);
    __sanitizer_finish_switch_fiber(ours, nullptr, nullptr);
    s.fake_stack = nullptr;
}
#endif

std::byte* reserve(std::size_t bytes) noexcept {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? nullptr : static_cast<std::byte*>(p);
}

std::size_t max_mappings() noexcept {
    std::size_t limit = 65530;
    if (std::FILE* f = std::fopen("/proc/sys/vm/max_map_count", "r")) {
        if (std::fscanf(f, "%zu", &limit) != 1) limit = 65530;
        std::fclose(f);
    }
    return limit;
}

/// Guards by mprotect cost two mappings each; beyond half of what the system allows a program they stop.
std::size_t guard_budget() noexcept {
    static const std::size_t budget = max_mappings() / 4;
    return budget;
}
// Of all regions of all runtimes together.
constinit std::atomic<std::size_t> guards_by_mprotect{0};

}  // namespace

guard_kind best_guard() noexcept {
    // For who wants to see how older kernels do.
    const char* asked = std::getenv("HEIRLOOM_STACK_GUARDS");
    if (asked && std::string_view(asked) == "mprotect") return guard_kind::mprotect;
    static const guard_kind kind = [] {
        std::byte* probe = reserve(page_bytes);
        if (!probe) return guard_kind::mprotect;
        const bool works = madvise(probe, page_bytes, MADV_GUARD_INSTALL) == 0;
        munmap(probe, page_bytes);
        return works ? guard_kind::markers : guard_kind::mprotect;
    }();
    return kind;
}

stack_region::stack_region(std::size_t stride, std::size_t capacity, guard_kind guard)
    : stride_(stride), pitch_(stride + page_bytes), capacity_(capacity), guard_(guard) {
    // Where address space is short (a resource limit, Valgrind) there are fewer stacks; at a thousand we give up.
    while (!(base_ = reserve(pitch_ * capacity_))) {
        if (capacity_ < 2048) throw std::bad_alloc();
        capacity_ /= 2;
    }
    records_ = reinterpret_cast<stack*>(reserve(sizeof(stack) * capacity_));
    if (!records_) {
        munmap(base_, pitch_ * capacity_);
        throw std::bad_alloc();
    }
    // A huge page under a stack would make it 2 MiB.
    madvise(base_, pitch_ * capacity_, MADV_NOHUGEPAGE);
}

stack_region::~stack_region() {
#if HEIRLOOM_TSAN
    for (std::size_t i = 0; i < made_; ++i)
        if (records_[i].fiber) __tsan_destroy_fiber(records_[i].fiber);
#endif
#if HEIRLOOM_ASAN
    for (std::size_t i = 0; i < made_; ++i) drop_fake_stack(records_[i]);
    __asan_unpoison_memory_region(base_, made_ * pitch_);
#endif
#if HEIRLOOM_VALGRIND
    for (std::size_t i = 0; i < made_; ++i) forgotten_stack(records_[i].valgrind_id);
#endif
    munmap(base_, pitch_ * capacity_);
    munmap(records_, sizeof(stack) * capacity_);
    guards_by_mprotect.fetch_sub(guards_, std::memory_order_relaxed);
}

bool stack_region::install_guard(stack& s) noexcept {
    std::byte* page = s.bottom - page_bytes;
    if (guard_ == guard_kind::markers) return madvise(page, page_bytes, MADV_GUARD_INSTALL) == 0;
    // Without one from here on; see DESIGN.md, "Stacks".
    if (guards_by_mprotect.load(std::memory_order_relaxed) >= guard_budget()) return true;
    if (mprotect(page, page_bytes, PROT_NONE) != 0) return false;
    ++guards_;
    guards_by_mprotect.fetch_add(1, std::memory_order_relaxed);
    return true;
}

stack* stack_region::make(std::size_t index) noexcept {
    stack* s = ::new (static_cast<void*>(&records_[index])) stack;
    s->region = this;
    std::byte* slice = base_ + index * pitch_;
    s->bottom = slice + page_bytes;
    // Colour: equal strides would put everybody's hot frames into the same cache sets.
    s->top = slice + pitch_ - (index * 7 % 32) * 64;
    s->guarded = install_guard(*s);
#if HEIRLOOM_VALGRIND
    s->valgrind_id = known_stack(s->bottom, s->top);
#endif
    return s;
}

stack* stack_region::acquire() noexcept {
    std::lock_guard lock(mutex_);
    stack* s = free_;
    if (s) {
        free_ = s->next;
        (free_ ? free_->prev : coldest_) = nullptr;
        if (--free_count_ < fewest_free_) fewest_free_ = free_count_;
    } else if ((s = trimmed_)) {
        trimmed_ = s->next;
    } else if (made_ < capacity_) {
        s = make(made_);
        if (!s->guarded) return nullptr;
        ++made_;
    } else {
        return nullptr;
    }
    s->next = nullptr;
    s->trimmed = false;
    in_use_.fetch_add(1, std::memory_order_relaxed);
    return s;
}

void stack_region::release(stack* s) noexcept {
    std::lock_guard lock(mutex_);
    s->next = free_;
    s->prev = nullptr;
    (free_ ? free_->prev : coldest_) = s;
    free_ = s;
    ++free_count_;
    in_use_.fetch_sub(1, std::memory_order_relaxed);
}

std::size_t stack_region::trim(std::size_t keep, std::size_t at_most) noexcept {
    stack* victims = nullptr;
    std::size_t count = 0;
    {
        std::lock_guard lock(mutex_);
        while (free_count_ > keep && count < at_most) {
            stack* s = coldest_;
            coldest_ = s->prev;
            (coldest_ ? coldest_->next : free_) = nullptr;
            --free_count_;
            s->next = victims;
            victims = s;
            ++count;
        }
    }
    if (!victims) return 0;
    for (stack* s = victims; s; s = s->next) {
        std::byte* slice = base_ + static_cast<std::size_t>(s - records_) * pitch_;
        madvise(slice + page_bytes, stride_, MADV_DONTNEED);
        s->context = nullptr;
        s->trimmed = true;
        fresh_memory(slice + page_bytes, stride_);
#if HEIRLOOM_TSAN
        if (s->fiber) __tsan_destroy_fiber(s->fiber);
        s->fiber = nullptr;
#endif
#if HEIRLOOM_ASAN
        drop_fake_stack(*s);
        __asan_unpoison_memory_region(slice + page_bytes, stride_);
#endif
    }
    std::lock_guard lock(mutex_);
    if (free_count_ < fewest_free_) fewest_free_ = free_count_;
    while (victims) {
        stack* s = victims;
        victims = s->next;
        s->next = trimmed_;
        trimmed_ = s;
    }
    return count;
}

stack* stack_region::find(const void* address) const noexcept {
    const auto* p = static_cast<const std::byte*>(address);
    if (p < base_ || p >= base_ + pitch_ * capacity_) return nullptr;
    return &records_[static_cast<std::size_t>(p - base_) / pitch_];
}

std::size_t stack_region::fewest_free() noexcept {
    std::lock_guard lock(mutex_);
    return std::exchange(fewest_free_, free_count_);
}

stack_pool::stack_pool(std::size_t default_size, std::size_t max_stacks, guard_kind guard)
    : max_stacks_(max_stacks), guard_(guard) {
    standard_ = region_for(default_size);
    if (!standard_) throw std::bad_alloc();
}

stack_pool::~stack_pool() {
    for (auto& region : regions_) delete region.load(std::memory_order_relaxed);
}

unsigned stack_pool::class_of(std::size_t rounded_bytes) noexcept {
    unsigned c = 0;
    for (std::size_t size = smallest_stack; size < rounded_bytes; size *= 2) ++c;
    return c;
}

stack_region* stack_pool::region_for(std::size_t bytes) noexcept {
    const std::size_t size = rounded(bytes);
    const unsigned c = class_of(size);
    HEIRLOOM_CHECK(c < classes, "stack_pool: a size that spawn should have refused");
    // acquire; pairs with the release below.
    if (stack_region* r = regions_[c].load(std::memory_order_acquire)) return r;
    std::lock_guard lock(mutex_);
    if (stack_region* r = regions_[c].load(std::memory_order_relaxed)) return r;
    // Every region may hold all processes, but not more address space than 1 TiB.
    std::size_t capacity = max_stacks_;
    while (capacity > 1 && capacity * size > (std::size_t{1} << 40)) capacity /= 2;
    try {
        auto* r = new stack_region(size, capacity, guard_);
        regions_[c].store(r, std::memory_order_release);
        return r;
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

stack* stack_pool::find(const void* address) const noexcept {
    for (auto& region : regions_)
        if (stack_region* r = region.load(std::memory_order_acquire))
            if (stack* s = r->find(address)) return s;
    return nullptr;
}

void stack_pool::trim_unused(std::size_t keep, std::size_t at_most) noexcept {
    constexpr unsigned calls_between_looks = 50;
    const bool look = ++trims_ % calls_between_looks == 0;
    for (unsigned c = 0; c < classes; ++c) {
        stack_region* r = regions_[c].load(std::memory_order_acquire);
        if (!r) continue;
        if (look) {
            const std::size_t unused = r->fewest_free();
            surplus_[c] = unused > keep ? unused - keep : 0;
        }
        const std::size_t now = std::min(surplus_[c], at_most);
        if (now == 0) continue;
        const std::size_t trimmed = r->trim(keep, now);
        surplus_[c] = trimmed == 0 ? 0 : surplus_[c] - trimmed;
    }
}

}  // namespace heirloom::detail
