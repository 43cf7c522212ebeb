#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include <heirloom/detail/activity.hpp>
#include <heirloom/ets/detail/memory.hpp>

// The memory of a hash table: buckets of one cache line, in an array that grows and shrinks by one bucket at a time
// (linear hashing), and the overflow buckets that chains borrow.
//
//   I1  `shape` says how many buckets are in use. Bucket i holds the rows whose hash ends in the bits of i.
//   I2  A segment's memory is freed only after a grace period, and its pointer stays: who computed an index from an
//       older shape still finds memory there. A bucket that goes out of use is marked `locked` and `changing` and stays so,
//       so that whoever comes by an older shape looks again, also when the shape is what it was but the memory another. So
//       are all buckets of the first block, the only one that ever moves, to a larger one.
//   I3  Overflow buckets never leave the array before its end, so a reader on a stale chain reads a bucket, if of
//       another chain, and the sequence number of the chain it came from tells it so.
//   I4  A chain changes only while its first bucket is marked `changing`, or by one store that readers can tell (see
//       hash_rows.hpp); the sequence grows with every change but that of one word. Being locked alone changes nothing:
//       readers pass.
namespace heirloom::ets::detail {

struct alignas(64) bucket {
    static constexpr unsigned room = 6;
    // bit 0        locked by a writer of a shared table     (these four in the first bucket of a chain only)
    // bit 1        changing: readers wait or look again
    // bit 2        pending: readers ask the table's record first (hash_bulk.hpp)
    // bits 3..31   sequence
    // bits 32..37  which slots hold a row
    // bits 40..63  an 8-bit tag for each of the first three slots
    std::atomic<std::uint64_t> head;
    std::atomic<std::uint64_t> word[room];
    std::atomic<bucket*> next;
};
static_assert(sizeof(bucket) == 64);

namespace head {
inline constexpr std::uint64_t locked = 1;
inline constexpr std::uint64_t changing = 2;
inline constexpr std::uint64_t pending = 4;
inline constexpr std::uint64_t sequence = 0xffff'ffff;  // with the three bits below it
inline constexpr unsigned occupancy_at = 32;
inline constexpr unsigned tags_at = 40;
constexpr std::uint32_t occupancy(std::uint64_t h) noexcept {
    return static_cast<std::uint32_t>(h >> occupancy_at) & 0x3f;
}
/// The next sequence number, neither locked nor changing nor pending.
constexpr std::uint64_t bumped(std::uint64_t h) noexcept {
    return (h & ~sequence) | static_cast<std::uint32_t>((h & ~(locked | changing | pending)) + 8);
}
}  // namespace head

/// How many buckets there are, in a form that turns a hash into an index in three instructions.
struct shape {
    std::uint32_t buckets;
    std::uint32_t mask;  // bit_ceil(buckets) - 1

    static constexpr shape of(std::uint32_t buckets) noexcept {
        return {buckets, std::bit_ceil(buckets) - 1};
    }
    static constexpr shape unpack(std::uint64_t w) noexcept {
        return {static_cast<std::uint32_t>(w), static_cast<std::uint32_t>(w >> 32)};
    }
    constexpr std::uint64_t pack() const noexcept { return std::uint64_t{mask} << 32 | buckets; }
    [[gnu::always_inline]] constexpr std::uint32_t index(std::uint64_t hash) const noexcept {
        const auto i = static_cast<std::uint32_t>(hash) & mask;
        return i < buckets ? i : i & (mask >> 1);
    }
    /// How many low bits of the hash the rows of that bucket share.
    constexpr unsigned level(std::uint32_t i) const noexcept {
        const auto full = static_cast<unsigned>(std::popcount(mask));
        const std::uint32_t half = (mask >> 1) + 1;
        return i >= half || std::uint64_t{i} + half < buckets ? full : full - 1;
    }
};

class bucket_array {
public:
    static constexpr std::uint32_t smallest = 8;
    static constexpr std::uint32_t largest = std::uint32_t{1} << 31;
    static constexpr std::uint32_t buckets_a_page = huge_page / sizeof(bucket);
    /// Buckets of the first segment, which is found without a look at how many segments there are: half of what a small
    /// table's lookup took. Its memory is the system's until it is written.
    static constexpr std::uint32_t first_segment = buckets_a_page;

    bucket_array() {
        // In a constructor: nobody else sees it yet.
        shape_.store(shape::of(smallest).pack(), std::memory_order_relaxed);
        add_segment(0);
    }
    bucket_array(const bucket_array&) = delete;
    bucket_array& operator=(const bucket_array&) = delete;
    ~bucket_array() {
        for (auto& s : present_) delete s;
        for (auto& s : overflow_) delete s;
    }

    std::uint64_t packed_shape() const noexcept {
        // acquire; pairs with the release in set_shape(): whoever sees a bucket counted sees its memory.
        return shape_.load(std::memory_order_acquire);
    }
    shape current() const noexcept { return shape::unpack(packed_shape()); }
    // Inlined, both: a call on the way to a bucket is a third of a write.
    [[gnu::always_inline]] bucket* at(std::uint32_t i) const noexcept {
        if (i < first_segment) [[likely]]
            return first() + i;
        const auto s = segment_of(i);
        // acquire; pairs with the release in add_segment(): who went by an older shape and sees new memory sees that the shape
        // had changed.
        return reinterpret_cast<bucket*>(origin_[s].load(std::memory_order_acquire) +
                                         std::uint64_t{i} * sizeof(bucket));
    }
    [[gnu::always_inline]] bucket* of(std::uint64_t hash, std::uint64_t packed) const noexcept {
        return at(shape::unpack(packed).index(hash));
    }

    // --- By whoever may change the structure: the owner alone, or the holder of `structure` ---

    /// Makes sure that bucket `i` has memory. May throw bad_alloc.
    void provide(std::uint32_t i, bool shared, pid reaper) {
        const auto s = segment_of(i);
        if (!present_[s]) add_segment(s);
        if (s == 0 && i >= room_) enlarge(shared);
        if (i >= reached_.load(std::memory_order_relaxed))
            reached_.store(i + 1, std::memory_order_relaxed);  // a statistic
        if (i % buckets_a_page == buckets_a_page / 2) look_ahead(i + buckets_a_page / 2, reaper);
    }
    void set_shape(std::uint32_t buckets) noexcept {
        shape_.store(shape::of(buckets).pack(),
                     std::memory_order_release);  // pairs with packed_shape()
    }
    /// Gives up segments that are far above what is in use.
    void trim(std::uint32_t buckets) noexcept {
        for (auto s = segment_of(buckets) + 2; s < present_.size(); ++s)
            if (present_[s]) retire_segment(std::exchange(present_[s], nullptr));
        const auto above = segment_of(buckets) + 2;
        if (above < present_.size() && first_of(above) < reached_.load(std::memory_order_relaxed))
            reached_.store(first_of(above), std::memory_order_relaxed);  // as in provide()
    }
    /// Only one may change the structure of a shared table.
    bool try_lock_structure() noexcept {
        // acquire; pairs with unlock_structure(): the next one sees what the last one did.
        return structure_.load(std::memory_order_relaxed) == 0 &&
               structure_.exchange(1, std::memory_order_acquire) == 0;
    }
    void unlock_structure() noexcept {
        structure_.store(0, std::memory_order_release);
    }  // see try_lock_structure

    // --- Overflow buckets ---

    /// An empty bucket, its sequence meaningless. Throws bad_alloc.
    bucket* borrow(bool shared) {
        overflow_lock guard(*this, shared);
        if (!free_) refill();
        bucket* b = free_;
        // relaxed: only ever changed under the lock, or by the owner.
        free_ = b->next.load(std::memory_order_relaxed);
        b->head.store(0, std::memory_order_relaxed);
        b->next.store(nullptr, std::memory_order_relaxed);  // published by whoever links it
        return b;
    }
    void give_back(bucket* b, bool shared) noexcept {
        overflow_lock guard(*this, shared);
        b->head.store(0,
                      std::memory_order_release);  // release: after its chain was marked changing
        b->next.store(free_, std::memory_order_release);
        free_ = b;
    }

    /// Of memory in use: the pages of a large segment are the system's until they are written.
    std::size_t bytes() const noexcept {
        // relaxed: statistics.
        const auto written =
            memory_in_use(reached_.load(std::memory_order_relaxed) * sizeof(bucket));
        return written + overflow_bytes_.load(std::memory_order_relaxed);
    }

    /// Gives pages back piecemeal; true when all big pieces are gone. Requires: nobody reads any more.
    bool forget_some() noexcept {
        constexpr std::size_t piece = 4 * huge_page;
        for (auto* s : present_) {
            if (!s || s->bytes < piece || s->forgotten == s->bytes) continue;
            forget_pages(s->memory.get() + s->forgotten, piece);  // segments are powers of two
            s->forgotten += piece;
            return false;
        }
        if (overflow_.empty()) return true;
        delete overflow_.back();
        overflow_.pop_back();
        return false;
    }

private:
    struct segment {
        explicit segment(std::size_t n) : memory(map_zeroed(n)), bytes(n) {}
        /// The whole first segment.
        segment() : memory(reserve_zeroed()), bytes(huge_page) {}
        std::shared_ptr<char> memory;
        std::size_t bytes;
        std::size_t forgotten = 0;
    };
    class overflow_lock {
    public:
        overflow_lock(bucket_array& a, bool shared) noexcept : array_(shared ? &a : nullptr) {
            if (!array_) return;
            for (unsigned round = 0;
                 array_->overflow_busy_.exchange(1, std::memory_order_acquire) != 0; ++round)
                pause_in_spin(round);  // acquire; pairs with the release below
        }
        overflow_lock(const overflow_lock&) = delete;
        overflow_lock& operator=(const overflow_lock&) = delete;
        ~overflow_lock() {
            if (array_) array_->overflow_busy_.store(0, std::memory_order_release);
        }

    private:
        bucket_array* array_;
    };

    // Segment s > 0 has the buckets from first_segment / 2 << s on, as many as all before it together.
    static constexpr unsigned segment_of(std::uint32_t i) noexcept {
        return static_cast<unsigned>(std::bit_width(i | (first_segment - 1)) -
                                     std::bit_width(first_segment - 1));
    }
    static constexpr std::uint32_t first_of(unsigned s) noexcept {
        return s == 0 ? 0 : (first_segment / 2) << s;
    }

    bucket* first() const noexcept {
        // acquire; pairs with the release in enlarge(): whoever sees the block sees the rows in it.
        return reinterpret_cast<bucket*>(origin_[0].load(std::memory_order_acquire));
    }
    /// Moves the first segment into a larger block. May throw bad_alloc, with nothing changed.
    void enlarge(bool shared) {
        constexpr std::uint32_t second_block = 64;  // a page
        const std::uint32_t next = room_ < second_block ? second_block : first_segment;
        auto* block = next == first_segment ? new segment() : new segment(next * sizeof(bucket));
        auto* to = reinterpret_cast<bucket*>(block->memory.get());
        bucket* from = first();
        // All without writers before readers are held up: whoever holds one may be reading another (R5).
        if (shared)
            for (std::uint32_t i = 0; i < room_; ++i) lock_for_good(from[i]);
        for (std::uint32_t i = 0; i < room_; ++i) {
            // relaxed, both: locked, or nobody else writes; who reads the old rows meanwhile reads what they are.
            const auto h = from[i].head.load(std::memory_order_relaxed) & ~head::locked;
            from[i].head.store(h | head::locked | head::changing, std::memory_order_relaxed);
            // relaxed: under the lock; nobody sees the new block yet.
            for (unsigned w = 0; w < bucket::room; ++w)
                to[i].word[w].store(from[i].word[w].load(std::memory_order_relaxed),
                                    std::memory_order_relaxed);
            to[i].next.store(from[i].next.load(std::memory_order_relaxed),
                             std::memory_order_relaxed);
            to[i].head.store(h, std::memory_order_relaxed);
        }
        origin_[0].store(reinterpret_cast<std::uintptr_t>(to),
                         std::memory_order_release);  // pairs with first()
        room_ = next;
        retire_segment(std::exchange(present_[0], block));
    }
    /// Keeps writers out of a bucket that is being left.
    static void lock_for_good(bucket& b) noexcept {
        for (unsigned round = 0;; ++round) {
            if (round) pause_in_spin(round);
            std::uint64_t h = b.head.load(std::memory_order_relaxed);
            // acquire; pairs with the release that unlocked it.
            if (!(h & head::locked) &&
                b.head.compare_exchange_weak(h, h | head::locked, std::memory_order_acquire,
                                             std::memory_order_relaxed))
                return;
        }
    }

    void add_segment(unsigned s) {
        const std::size_t n = s == 0 ? smallest : first_of(s);
        present_[s] = new segment(n * sizeof(bucket));
        // release; see at(). The origin is where bucket 0 would be if this segment reached down to it.
        origin_[s].store(reinterpret_cast<std::uintptr_t>(present_[s]->memory.get()) -
                             std::uint64_t{first_of(s)} * sizeof(bucket),
                         std::memory_order_release);
    }
    /// Bucket `i` begins a page that growth will reach soon.
    void look_ahead(std::uint32_t i, pid reaper) noexcept {
        const auto s = segment_of(i);
        if (i >= largest) return;
        try {
            if (!present_[s]) add_segment(s);
        } catch (const std::bad_alloc&) {
            return;  // provide() will say so when it matters
        }
        const std::size_t offset = std::size_t{i - first_of(s)} * sizeof(bucket);
        if (present_[s]->bytes >= huge_page) request_huge_page(reaper, present_[s]->memory, offset);
    }
    void retire_segment(segment* s) noexcept {
        heirloom::detail::retire(s, [](void* p) noexcept { delete static_cast<segment*>(p); });
    }
    void refill() {
        // An eighth more each time: what is set aside is little beside what is used. Never so much that to write it all
        // takes long.
        const auto so_far = overflow_bytes_.load(std::memory_order_relaxed) / sizeof(bucket);
        const std::size_t n = std::clamp<std::size_t>(so_far / 8, 16, 8'192);
        overflow_.reserve(overflow_.size() + 1);
        auto* s = new segment(n * sizeof(bucket));
        overflow_.push_back(s);
        // relaxed: a statistic, written under the overflow lock or by the owner.
        overflow_bytes_.store(overflow_bytes_.load(std::memory_order_relaxed) + s->bytes,
                              std::memory_order_relaxed);
        auto* b = reinterpret_cast<bucket*>(s->memory.get());
        for (std::size_t i = 0; i < n; ++i) {
            b[i].next.store(free_, std::memory_order_relaxed);  // nobody else sees it yet
            free_ = &b[i];
        }
    }

    std::atomic<std::uint64_t> shape_{0};     // written by who may change the structure
    static constexpr unsigned segments = 17;  // up to `largest`
    std::array<std::atomic<std::uintptr_t>, segments> origin_{};
    std::array<segment*, segments> present_{};
    std::uint32_t room_ = smallest;  // for buckets in the first segment's block
    std::atomic<std::uint32_t> structure_{0};
    std::atomic<std::uint32_t> overflow_busy_{0};
    bucket* free_ = nullptr;
    std::vector<segment*> overflow_;
    std::atomic<std::size_t> reached_{smallest};  // buckets of the array that have been in use
    std::atomic<std::size_t> overflow_bytes_{0};
};

}  // namespace heirloom::ets::detail
