// libcuckoo as a contender. Best settings: space reserved for all rows, the cheapest good hash,
// update_fn for read-modify-write under one lock.

#include "tables/table_contender.hpp"

#include <libcuckoo/cuckoohash_map.hh>

namespace {

struct hash {
    std::size_t operator()(std::uint64_t key) const { return key * 0x9e3779b97f4a7c15ull; }
};

class engine {
public:
    explicit engine(std::uint64_t rows) : map_(2 * rows) {}
    void insert_or_assign(std::uint64_t key, std::uint64_t value) {
        map_.insert_or_assign(key, value);
    }
    std::uint64_t find(std::uint64_t key) const {
        std::uint64_t value = ~std::uint64_t{0};
        map_.find(key, value);
        return value;
    }
    void add(std::uint64_t key, std::uint64_t amount) {
        map_.update_fn(key, [amount](std::uint64_t& value) { value += amount; });
    }
    bool insert_new(std::uint64_t key, std::uint64_t value) { return map_.insert(key, value); }
    bool erase(std::uint64_t key) { return map_.erase(key); }

private:
    libcuckoo::cuckoohash_map<std::uint64_t, std::uint64_t, hash> map_;
};

}  // namespace

int main(int argc, char** argv) {
    return contender::run(contender::parse(argc, argv), "libcuckoo",
                          contender::table_scenarios<engine>::all());
}
