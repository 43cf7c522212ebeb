// libcuckoo as a contender. Best settings: space reserved for twice the rows, so that nothing is displaced for long; the
// cheapest good hash; find_fn, which reads a row in place; update_fn for read-modify-write under one lock.

#include "tables/table_contender.hpp"

#include <libcuckoo/cuckoohash_map.hh>

namespace {

template <class Key, class Value>
class engine {
public:
    explicit engine(std::uint64_t rows) : map_(2 * rows) {}
    void insert_or_assign(const Key& key, const Value& value) { map_.insert_or_assign(key, value); }
    template <class F>
    bool read(const Key& key, F f) const {
        return map_.find_fn(key, f);
    }
    void add(const Key& key, std::uint64_t amount) {
        map_.update_fn(key, [amount](Value& value) { value += amount; });
    }
    bool insert_new(const Key& key, const Value& value) { return map_.insert(key, value); }
    bool erase(const Key& key) { return map_.erase(key); }

private:
    libcuckoo::cuckoohash_map<Key, Value, contender::cheap_hash> map_;
};

}  // namespace

int main(int argc, char** argv) {
    return contender::run(contender::parse(argc, argv), "libcuckoo",
                          contender::table_scenarios<engine>::all());
}
