// Partitions: one kind of server, several processes, each with its part of the keys.
#include "inside.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

class cell {
public:
    struct who {
        using reply = pid;
    };
    pid handle_call(who) { return self(); }
};

TEST(partitions, a_key_is_always_served_by_the_same_one) {
    const auto body = [] {
        const partitions<cell> cells("cells", 4);
        auto sup = supervisor::start_link(cells.supervised()).value();
        std::vector<pid> seen;
        for (int key = 0; key < 100; ++key) {
            const pid p = call(cells.of(key), cell::who{});
            require_eq(call(cells.of(key), cell::who{}), p);
            if (std::find(seen.begin(), seen.end(), p) == seen.end()) seen.push_back(p);
        }
        require_eq(seen.size(), 4u);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
