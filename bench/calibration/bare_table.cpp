// The least a hash table can do: find the bucket by a multiplicative hash, read a sequence number,
// compare the key, copy the value, read the sequence number again. No growth, no deletion, no
// collision beyond the bucket's four slots, no second thought. A real table is held against this.

#include "measure.hpp"
#include "units.hpp"

#include <atomic>
#include <barrier>
#include <bit>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace calibration {
namespace {

class bare_table {
public:
    explicit bare_table(unsigned rows)
        : shift_(64 - static_cast<unsigned>(std::bit_width(rows / 2))),
          buckets_(std::make_unique<bucket[]>(std::size_t{1} << (64 - shift_))) {
        for (std::uint64_t key = 0; key < rows; ++key) write(key, [key](auto&) { return key; });
    }

    std::uint64_t lookup(std::uint64_t key) const {
        for (const bucket* b = &bucket_of(key);; b = next(b)) {
            for (;;) {
                const std::uint64_t before = b->sequence.load(std::memory_order_acquire);
                bool present = false;
                std::uint64_t value = 0;
                for (unsigned slot = 0; slot < slots; ++slot) {
                    if (b->keys[slot].load(std::memory_order_relaxed) == key + 1) {
                        value = b->values[slot].load(std::memory_order_relaxed);
                        present = true;
                        break;
                    }
                }
                std::atomic_thread_fence(std::memory_order_acquire);
                if (b->sequence.load(std::memory_order_relaxed) != before) continue;
                if (present) return value;
                break;
            }
        }
    }

    // One writer: plain stores between two steps of the sequence number.
    template <class Next>
    void write(std::uint64_t key, Next&& next_value) {
        for (bucket* b = &bucket_of(key);; b = next(b)) {
            for (unsigned slot = 0; slot < slots; ++slot) {
                const std::uint64_t stored = b->keys[slot].load(std::memory_order_relaxed);
                if (stored != 0 && stored != key + 1) continue;
                const std::uint64_t sequence = b->sequence.load(std::memory_order_relaxed);
                b->sequence.store(sequence + 1, std::memory_order_relaxed);
                std::atomic_thread_fence(std::memory_order_release);
                b->keys[slot].store(key + 1, std::memory_order_relaxed);
                b->values[slot].store(next_value(b->values[slot]), std::memory_order_relaxed);
                b->sequence.store(sequence + 2, std::memory_order_release);
                return;
            }
        }
    }

private:
    static constexpr unsigned slots = 3;
    struct alignas(64) bucket {
        std::atomic<std::uint64_t> sequence{0};
        std::atomic<std::uint64_t> keys[slots]{};  // the key plus one; 0 is free
        std::atomic<std::uint64_t> values[slots]{};
    };

    bucket& bucket_of(std::uint64_t key) const {
        return buckets_[(key * 0x9e3779b97f4a7c15ull) >> shift_];
    }
    // A full bucket goes on in its neighbour.
    template <class Bucket>
    Bucket* next(Bucket* b) const {
        const std::size_t count = std::size_t{1} << (64 - shift_);
        return b + 1 == buckets_.get() + count ? buckets_.get() : b + 1;
    }

    unsigned shift_;
    std::unique_ptr<bucket[]> buckets_;
};

constexpr unsigned operations = 400'000;

// The keys of the targets: (j * 7919) % rows.
std::vector<std::uint32_t> keys_for(unsigned rows) {
    std::vector<std::uint32_t> keys(operations);
    for (std::uint64_t j = 0; j < operations; ++j)
        keys[j] = static_cast<std::uint32_t>((j * 7919) % rows);
    return keys;
}

}  // namespace

double bare_lookup(unsigned rows, unsigned threads) {
    const bare_table table(rows);
    const auto keys = keys_for(rows);
    const auto look_all_up = [&] {
        std::uint64_t sum = 0;
        for (const std::uint32_t key : keys) sum += table.lookup(key) - key;
        if (sum != 0) throw std::runtime_error("bare_lookup: a value is wrong");
    };
    if (threads == 1) return nanoseconds_per(operations, look_all_up);

    std::atomic<bool> done{false};
    std::barrier gate(static_cast<std::ptrdiff_t>(threads));
    std::vector<std::thread> helpers;
    for (unsigned i = 1; i < threads; ++i)
        helpers.emplace_back([&] {
            for (;;) {
                gate.arrive_and_wait();
                if (done.load(std::memory_order_relaxed)) return;
                look_all_up();
                gate.arrive_and_wait();
            }
        });
    const double cost = nanoseconds_per(std::size_t{operations} * threads, [&] {
        gate.arrive_and_wait();
        look_all_up();
        gate.arrive_and_wait();
    });
    done.store(true, std::memory_order_relaxed);
    gate.arrive_and_wait();
    for (std::thread& helper : helpers) helper.join();
    return cost;
}

double bare_insert(unsigned rows) {
    bare_table table(rows);
    const auto keys = keys_for(rows);
    return nanoseconds_per(operations, [&] {
        for (const std::uint32_t key : keys) table.write(key, [key](auto&) { return key; });
        keep(table);
    });
}

double bare_update_counter(unsigned rows) {
    bare_table table(rows);
    const auto keys = keys_for(rows);
    return nanoseconds_per(operations, [&] {
        for (const std::uint32_t key : keys)
            table.write(key, [](const std::atomic<std::uint64_t>& value) {
                return value.load(std::memory_order_relaxed) + 1;
            });
        keep(table);
    });
}

}  // namespace calibration
