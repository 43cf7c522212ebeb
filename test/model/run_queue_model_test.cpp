// The ring of a worker, at capacity 2: its owner pushes and pops while others steal. Run on the text of run_queue.hpp.
// The order of these matters.
// clang-format off
#include "model/weak_std.hpp"
#include "scheduler/run_queue.hpp"
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
struct ring {
    heirloom_weak::detail::run_queue<item, 2> queue;
    std::array<item, items> all;

    void take(item* i) {
        weak::require(i != nullptr, "an empty slot was taken");
        if (!i) return;
        weak::require(++i->taken == 1, "an item was taken twice");
        weak::require(i->content.read() == 7, "an item was taken before it was written");
    }
    void steal() {
        item* out[2] = {};
        const std::size_t n = queue.steal(out);
        weak::require(n <= 1, "a thief took more than half");
        for (std::size_t i = 0; i < n; ++i) take(out[i]);
    }
};

template <int Thieves>
void owner_and_thieves(weak::program& p) {
    auto& r = p.make<ring>();
    p.thread([&r] {
        for (std::size_t i = 0; i < items; ++i) {
            while (!r.queue.has_room())
                if (item* own = r.queue.pop()) r.take(own);
            r.all[i].content.write(7);
            r.queue.push(&r.all[i]);
        }
        if (item* own = r.queue.pop()) r.take(own);
    });
    for (int i = 0; i < Thieves; ++i) p.thread([&r] { r.steal(); });
    p.afterwards([&r] {
        while (item* left = r.queue.pop()) r.take(left);
        for (const item& i : r.all) weak::require(i.taken == 1, "an item was lost");
    });
}

}  // namespace

TEST(run_queue_model, gives_every_item_to_one_taker_who_sees_it_whole) {
    EXPECT_TRUE(
        weak::holds_always(&owner_and_thieves<1>, {.preemptions = 4, .stale_loads = 2}, 1000));
    EXPECT_TRUE(weak::holds_always(&owner_and_thieves<2>, {.preemptions = 2, .stale_loads = 2}));
}

// These keep a slot's old item in the hands of whoever reads it before the owner writes the next: a load would have to read a
// store that is yet to come, which the model does not show (weak_memory.hpp).
TEST(run_queue_model, needs_its_orders) {
    EXPECT_THAT(weak::unnoticed({&owner_and_thieves<2>}, {.preemptions = 2, .stale_loads = 2}),
                testing::ElementsAre("grab compare_exchange acq_rel", "has_room load acquire",
                                     "pop compare_exchange acq_rel"));
}
