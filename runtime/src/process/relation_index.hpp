#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

// relation_index: finds one of many links by the peer, one of many monitors by its number. Open addressing, private to the
// process that owns it.
//   I1  Keys that are neighbours lie side by side, four to a cache line: who is started in the place of one that has just ended
//       has its slot, so a process with 100,000 links that makes and loses one more touches a line that is warm. The groups of
//       four are scattered, so that no row of neighbours becomes one long run.
//   I2  At most half of the cells are taken; an erase closes the gap, so nothing builds up.
// Not chosen: a hash map (it scatters the keys one by one: two or three cache misses for each link made and lost).
namespace heirloom::detail {

/// Keys are neighbours by what is left of them without their lowest `Ignored` bits; no key is 0.
template <class Entry, unsigned Ignored>
class relation_index {
public:
    bool empty() const noexcept { return count_ == 0; }
    std::size_t size() const noexcept { return count_; }

    Entry* find(std::uint64_t key) const noexcept {
        if (count_ == 0) return nullptr;
        for (std::size_t i = home(key);; i = (i + 1) & mask_) {
            if (cells_[i].key == key) return cells_[i].entry;
            if (!cells_[i].entry) return nullptr;
        }
    }
    /// Requires: the key is not in it. Throws std::bad_alloc with nothing changed.
    void insert(std::uint64_t key, Entry* entry) {
        if ((count_ + 1) * 2 > mask_ + 1 || !cells_) grow();
        put({key, entry});
        ++count_;
    }
    void erase(std::uint64_t key) noexcept {
        if (count_ == 0) return;
        std::size_t gap = home(key);
        while (cells_[gap].key != key) {
            if (!cells_[gap].entry) return;
            gap = (gap + 1) & mask_;
        }
        // What follows moves up if that brings it nearer to its home.
        for (std::size_t i = (gap + 1) & mask_; cells_[i].entry; i = (i + 1) & mask_) {
            if (((i - home(cells_[i].key)) & mask_) < ((i - gap) & mask_)) continue;
            cells_[gap] = cells_[i];
            gap = i;
        }
        cells_[gap] = {};
        --count_;
    }
    void clear() noexcept { *this = {}; }

    relation_index() = default;
    relation_index(relation_index&& other) noexcept { *this = std::move(other); }
    relation_index& operator=(relation_index&& other) noexcept {
        cells_ = std::move(other.cells_);
        mask_ = std::exchange(other.mask_, 0);
        count_ = std::exchange(other.count_, 0);
        return *this;
    }

private:
    struct cell {
        std::uint64_t key = 0;
        Entry* entry = nullptr;
    };
    static constexpr std::uint64_t group = 4;
    static constexpr std::size_t fewest = 64;

    std::size_t home(std::uint64_t key) const noexcept {
        const std::uint64_t place = key >> Ignored;
        const std::uint64_t scattered = (place / group) * 0x9e3779b97f4a7c15ull >> 24;
        return (scattered * group + place % group) & mask_;
    }
    void put(const cell& c) noexcept {
        std::size_t i = home(c.key);
        while (cells_[i].entry) i = (i + 1) & mask_;
        cells_[i] = c;
    }
    void grow() {
        const std::size_t capacity = cells_ ? (mask_ + 1) * 2 : fewest;
        auto old = std::exchange(cells_, std::make_unique<cell[]>(capacity));
        const std::size_t before = old ? mask_ + 1 : 0;
        mask_ = capacity - 1;
        for (std::size_t i = 0; i < before; ++i)
            if (old[i].entry) put(old[i]);
    }

    std::unique_ptr<cell[]> cells_;
    std::size_t mask_ = 0;
    std::size_t count_ = 0;
};

}  // namespace heirloom::detail
