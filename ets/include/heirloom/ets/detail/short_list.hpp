#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

namespace heirloom::ets::detail {

/// A list whose first N items need no allocation: the rows of a bucket or of a leaf, on their way to a callback.
template <class T, std::size_t N>
class short_list {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    short_list() noexcept {}  // NOLINT: no item is read before it is written
    short_list(const short_list&) = delete;
    short_list& operator=(const short_list&) = delete;

    T* begin() noexcept { return items_; }
    T* end() noexcept { return items_ + size_; }
    std::size_t size() const noexcept { return size_; }
    T& operator[](std::size_t i) noexcept { return items_[i]; }
    T& front() noexcept { return items_[0]; }
    T& back() noexcept { return items_[size_ - 1]; }
    void clear() noexcept { size_ = 0; }
    /// Requires: n <= size().
    void shrink(std::size_t n) noexcept { size_ = n; }
    /// The new item, not yet written.
    T& add() {
        if (size_ == room_) [[unlikely]]
            enlarge();
        return items_[size_++];
    }

private:
    [[gnu::noinline]] void enlarge() {
        std::vector<T> larger(room_ * 4);
        std::memcpy(static_cast<void*>(larger.data()), items_, size_ * sizeof(T));
        more_.swap(larger);
        items_ = more_.data();
        room_ *= 4;
    }

    T few_[N];
    T* items_ = few_;
    std::size_t size_ = 0;
    std::size_t room_ = N;
    std::vector<T> more_;
};

}  // namespace heirloom::ets::detail
