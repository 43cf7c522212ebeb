#pragma once

#include "heirloom/atom.hpp"
#include "heirloom/pid.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

// names: the registry of one runtime. Open addressing; lookups take no lock and write nothing.
//   Callers: anyone looks up; register, unregister and the exit of a process write under the mutex.
//   I1  A slot's name never changes once set; freeing a name sets its pid to 0 and leaves the name.
//   I2  Who looks up is inside the library on a worker, or holds reclamation back. A table is replaced, with the free names left out, when it is three quarters full; the old one is retired, so a
//       lookup in progress finishes in it.
namespace heirloom::detail {

class name_table {
public:
    name_table();
    ~name_table();
    name_table(const name_table&) = delete;
    name_table& operator=(const name_table&) = delete;

    pid find(atom name) const noexcept;
    enum class outcome : std::uint8_t { done, taken };
    outcome insert(atom name, pid who) { return occupy(name, who.bits()); }
    /// Takes a name for a process that nobody may find yet; no step but hand_to() may follow.
    outcome reserve(atom name) { return occupy(name, reserved); }
    void hand_to(atom name, pid who) noexcept;
    /// The holder before; empty if the name was free. With `only`: nothing happens unless that process holds it.
    pid erase(atom name, pid only = {}) noexcept;
    std::vector<atom> all() const;

private:
    struct slot {
        std::atomic<const char*> text{nullptr};  // release-published last, after hash
        std::atomic<std::uint64_t> hash{0};
        std::atomic<std::uint64_t> holder{0};
    };
    struct table {
        explicit table(std::size_t capacity) : mask(capacity - 1), slots(new slot[capacity]) {}
        std::size_t mask;
        std::size_t used = 0;  // slots with a name; guarded by mutex_
        std::unique_ptr<slot[]> slots;
    };
    static constexpr std::uint64_t reserved = ~std::uint64_t{0};  // no pid
    static pid holder_of(const slot& s) noexcept {
        // acquire; pairs with the stores of a holder: who finds a process finds it alive.
        const auto bits = s.holder.load(std::memory_order_acquire);
        return bits == reserved ? pid{} : pid::from_bits(bits);
    }
    outcome occupy(atom name, std::uint64_t holder);
    static slot* locate(const table& t, atom name) noexcept;
    static slot& claim(table& t, atom name) noexcept;
    void grow();

    mutable std::mutex mutex_;
    std::atomic<table*> table_;
};

}  // namespace heirloom::detail
