// The fresh processes of a worker, at capacity 2: their owner pushes and pops the youngest while others steal the oldest. Run on
// the text of nursery.hpp. The order of these matters.
// clang-format off
#include "model/weak_std.hpp"
#include "scheduler/nursery.hpp"
#include "model/end_of_weak_std.hpp"
// clang-format on

#include <gmock/gmock.h>

namespace {

namespace weak = heirloom::test::weak;

constexpr std::size_t items = 3;

struct item {
    weak::plain<int> content;  // what the pusher wrote before it pushed
    int taken = 0;
};
struct children {
    heirloom_weak::detail::nursery<item, 2> fresh;
    std::array<item, items> all;

    void take(item* i) {
        if (!i) return;
        weak::require(++i->taken == 1, "an item was taken twice");
        weak::require(i->content.read() == 7, "an item was taken before it was written");
    }
};

/// The owner goes through room that thieves have made, and takes the last entry while they are after it.
template <int Thieves>
void owner_and_thieves(weak::program& p) {
    auto& c = p.make<children>();
    p.thread([&c] {
        for (item& i : c.all) {
            i.content.write(7);
            while (!c.fresh.push(&i)) c.take(c.fresh.pop());
        }
        c.take(c.fresh.pop());
        c.take(c.fresh.pop());
    });
    for (int i = 0; i < Thieves; ++i) p.thread([&c] { c.take(c.fresh.steal()); });
    p.afterwards([&c] {
        while (item* left = c.fresh.pop()) c.take(left);
        for (const item& i : c.all) weak::require(i.taken == 1, "an item was lost");
    });
}

}  // namespace

TEST(nursery_model, gives_every_item_to_one_taker_who_sees_it_whole) {
    EXPECT_TRUE(
        weak::holds_always(&owner_and_thieves<1>, {.preemptions = 4, .stale_loads = 2}, 1000));
    EXPECT_TRUE(weak::holds_always(&owner_and_thieves<2>, {.preemptions = 2, .stale_loads = 2}));
}

// push's load keeps a slot's old item in the hands of whoever reads it before the owner writes the next: a load would have to
// read a store that is yet to come, which the model does not show (weak_memory.hpp).
TEST(nursery_model, needs_its_orders) {
    EXPECT_THAT(weak::unnoticed({&owner_and_thieves<1>, &owner_and_thieves<2>},
                                {.preemptions = 2, .stale_loads = 2}),
                testing::ElementsAre("push load acquire"));
}
