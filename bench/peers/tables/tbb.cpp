// oneTBB as a contender: concurrent_hash_map, the one of its maps that can change and erase a row
// while others use it. Best settings: buckets reserved for all rows, the cheapest good hash, a
// const_accessor (shared lock) for reading in place, one accessor for read-modify-write, TBB's own allocator.

#include "tables/table_contender.hpp"

#include <tbb/concurrent_hash_map.h>

namespace {

template <class Key>
struct hash_compare {
    static std::size_t hash(const Key& key) { return contender::cheap_hash{}(key); }
    static bool equal(const Key& a, const Key& b) { return a == b; }
};

template <class Key, class Value>
class engine {
public:
    explicit engine(std::uint64_t rows) : map_(rows) {}
    void insert_or_assign(const Key& key, const Value& value) {
        typename map::accessor row;
        map_.insert(row, key);
        row->second = value;
    }
    template <class F>
    bool read(const Key& key, F f) const {
        typename map::const_accessor row;
        const bool found = map_.find(row, key);
        if (found) f(row->second);
        return found;
    }
    void add(const Key& key, std::uint64_t amount) {
        typename map::accessor row;
        if (map_.find(row, key)) row->second += amount;
    }
    bool insert_new(const Key& key, const Value& value) { return map_.insert({key, value}); }
    bool erase(const Key& key) { return map_.erase(key); }

private:
    using map = tbb::concurrent_hash_map<Key, Value, hash_compare<Key>>;
    map map_;
};

}  // namespace

int main(int argc, char** argv) {
    return contender::run(contender::parse(argc, argv), "tbb",
                          contender::table_scenarios<engine>::all());
}
