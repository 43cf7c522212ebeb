#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <heirloom/ets/detail/core.hpp>

namespace heirloom::ets::detail {

// The tables of one runtime: the live ones in the order they were made, and the names in use. Lives as long as its
// runtime; a table leaves it before its owner's exit is over.
class directory {
public:
    directory();
    directory(const directory&) = delete;
    directory& operator=(const directory&) = delete;
    static directory& mine() { return heirloom::detail::runtime_local<directory>(); }

    /// False, and nothing done, if the name is taken. May throw bad_alloc.
    bool add(table_core& table);
    /// Never allocates. The caller has closed the table's gate.
    void remove(table_core& table) noexcept;
    /// False if the name is taken. Requires: the table is listed.
    bool rename(table_core& table, atom name);
    /// From now on the table is found by the name it bears. False if that is taken, or the table is gone.
    bool announce(table_core& table);
    table_ref find(atom name);
    std::vector<table_ref> all();
    /// A number no table of this runtime has had: the same in every run of one seed.
    std::uint64_t next_id() noexcept {
        // relaxed: a number, ordering nothing.
        return last_id_.fetch_add(1, std::memory_order_relaxed) + 1;
    }
    /// Started by the first table.
    pid reaper();

private:
    std::atomic<std::uint64_t> last_id_{0};
    std::mutex lock_;
    std::unordered_map<atom, table_core*> names_;
    table_core* first_ = nullptr;
    table_core* last_ = nullptr;
    pid reaper_;
};

}  // namespace heirloom::ets::detail
