// ordered_set beside std::map under a shared mutex: one row looked up, one replaced, a hundred in order.
#include "measure.hpp"

#include <map>
#include <mutex>
#include <shared_mutex>

namespace heirloom::bench {
namespace {

using ordered = ets::ordered_set<long, long>;

class locked_map {
public:
    static locked_map make(std::uint64_t rows) {
        locked_map m;
        for (std::uint64_t k = 0; k < rows; ++k)
            m.state_->rows[static_cast<long>(k)] = static_cast<long>(k);
        return m;
    }
    std::optional<long> lookup(long k) const {
        std::shared_lock guard(state_->lock);
        const auto found = state_->rows.find(k);
        return found == state_->rows.end() ? std::nullopt : std::optional(found->second);
    }
    void insert(long k, long v) {
        std::lock_guard guard(state_->lock);
        state_->rows[k] = v;
    }
    std::vector<std::pair<long, long>> range(long from, long to) const {
        std::shared_lock guard(state_->lock);
        return {state_->rows.lower_bound(from), state_->rows.lower_bound(to)};
    }
    std::size_t size() const { return state_->rows.size(); }
    struct known {
        std::size_t memory;
    };
    std::optional<known> info() const { return known{size() * 48}; }

private:
    struct state {
        std::shared_mutex lock;
        std::map<long, long> rows;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

template <class Make>
void scenarios(const std::string& contender, std::uint64_t rows, unsigned processes, Make make) {
    using table = decltype(make());
    const std::string suffix = "/rows:" + std::to_string(rows) +
                               "/processes:" + std::to_string(processes) + "/" + contender;
    add("ets/ordered_lookup" + suffix, [=](benchmark::State& s) {
        on_processes(
            s, processes, make,
            [rows](const table& t, std::uint64_t j, unsigned) {
                const long k = key_of(j, rows);
                return static_cast<std::uint64_t>(*t.lookup(k) != k);
            },
            unchecked);
    });
    add("ets/ordered_insert_over" + suffix, [=](benchmark::State& s) {
        on_processes(
            s, processes, make,
            [rows](table& t, std::uint64_t j, unsigned) {
                const long k = key_of(j, rows);
                t.insert(k, k);
                return std::uint64_t{0};
            },
            [rows](const table& t, std::uint64_t) {
                for (std::uint64_t k = 0; k < rows; ++k)
                    if (t.lookup(static_cast<long>(k)) != static_cast<long>(k)) return false;
                return t.size() == rows;
            });
    });
    add("ets/ordered_range_100" + suffix, [=](benchmark::State& s) {
        on_processes(
            s, processes, make,
            [rows](const table& t, std::uint64_t j, unsigned) {
                if (j % 100 != 0) return std::uint64_t{0};  // so that a figure is per row
                const long k = key_of(j, rows - 100);
                return static_cast<std::uint64_t>(t.range(k, k + 100).size() != 100);
            },
            unchecked);
    });
}

const bool registered = [] {
    for (std::uint64_t rows : {1'000ull, 1'000'000ull})
        for (unsigned processes : {1u, 2u}) {
            scenarios("heirloom", rows, processes,
                      [rows] { return filled<ordered>(rows, ets::access::public_); });
            scenarios("locked_map", rows, processes, [rows] { return locked_map::make(rows); });
        }
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
