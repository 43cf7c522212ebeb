// oneTBB as a contender: concurrent_hash_map, the one of its maps that can change and erase a row
// while others use it. Best settings: buckets reserved for all rows, the cheapest good hash, a
// const_accessor (shared lock) for reading, one accessor for read-modify-write.

#include "tables/table_contender.hpp"

#include <tbb/concurrent_hash_map.h>

namespace {

struct hash_compare {
    static std::size_t hash(std::uint64_t key) { return key * 0x9e3779b97f4a7c15ull; }
    static bool equal(std::uint64_t a, std::uint64_t b) { return a == b; }
};

class engine {
public:
    explicit engine(std::uint64_t rows) : map_(rows) {}
    void insert_or_assign(std::uint64_t key, std::uint64_t value) {
        map::accessor row;
        map_.insert(row, key);
        row->second = value;
    }
    std::uint64_t find(std::uint64_t key) const {
        map::const_accessor row;
        return map_.find(row, key) ? row->second : ~std::uint64_t{0};
    }
    void add(std::uint64_t key, std::uint64_t amount) {
        map::accessor row;
        if (map_.find(row, key)) row->second += amount;
    }
    bool insert_new(std::uint64_t key, std::uint64_t value) { return map_.insert({key, value}); }
    bool erase(std::uint64_t key) { return map_.erase(key); }

private:
    using map = tbb::concurrent_hash_map<std::uint64_t, std::uint64_t, hash_compare>;
    map map_;
};

}  // namespace

int main(int argc, char** argv) {
    return contender::run(contender::parse(argc, argv), "tbb",
                          contender::table_scenarios<engine>::all());
}
