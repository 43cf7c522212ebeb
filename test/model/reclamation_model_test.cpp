// Reclamation: readers that come online, announce quiescent states and go offline, while others retire and collect. Run on the
// text of reclamation.hpp and reclamation.cpp.
// The order of these matters.
// clang-format off
#include "model/weak_std.hpp"
#include "scheduler/reclamation.cpp"
#include "model/end_of_weak_std.hpp"
// clang-format on

#include <gmock/gmock.h>

namespace {

namespace weak = heirloom::test::weak;
namespace lib = heirloom_weak::detail;

/// Memory for what is retired; kept until the run is over.
std::vector<std::unique_ptr<char[]>> records;

struct thing {
    weak::plain<int> content{7};
    bool freed = false;
};

/// Something that is read without a lock and replaced now and then.
struct world {
    std::array<thing, 3> things;
    std::weak_atomic<thing*> shown{&things[0]};
    lib::quiescence_slot readers[2];
    world() {
        // What a run before this one has left behind.
        lib::reclamation_epoch.store(1);
        lib::some_due.store(false);
        lib::incoming.store(nullptr);
        lib::some_waiting.store(false);
        lib::waiting = {};
        lib::due = {};
        records.clear();
        readers[0].next = &readers[1];
        lib::all_slots.store(&readers[0]);
    }
    void read() {
        thing* t = shown.load(std::memory_order_acquire);
        weak::require(t->content.read() == 7 && !t->freed, "read after it was freed");
        // And once more, later: the pointer is kept for as long as the reader is online.
        weak::require(t->content.read() == 7 && !t->freed, "read after it was freed");
    }
    void replace(std::size_t by) {
        things[by].content.write(7);
        thing* old = shown.exchange(&things[by], std::memory_order_acq_rel);
        lib::retire(old, [](void* p) noexcept {
            auto* t = static_cast<thing*>(p);
            weak::require(!t->freed, "freed twice");
            t->freed = true;
            t->content.write(0);
        });
    }
};

/// A worker that slept: comes online, reads, goes offline.
void a_reader_comes_and_goes(weak::program& p) {
    auto& w = p.make<world>();
    p.thread([&w] {
        lib::go_online(w.readers[0]);
        w.read();
        lib::go_offline(w.readers[0]);
    });
    p.thread([&w] {
        w.replace(1);
        lib::collect();
        lib::collect();
    });
}
/// A worker that works: announces a quiescent state between two reads.
void a_reader_stays(weak::program& p) {
    auto& w = p.make<world>();
    lib::go_online(w.readers[0]);
    p.thread([&w] {
        w.read();
        lib::announce_quiescent(w.readers[0]);
        w.read();
        lib::announce_quiescent(w.readers[0]);
    });
    p.thread([&w] {
        w.replace(1);
        lib::collect();
        lib::collect();
    });
}
/// Two collectors, and two objects retired at different times.
void two_retire(weak::program& p) {
    auto& w = p.make<world>();
    p.thread([&w] {
        lib::go_online(w.readers[0]);
        w.read();
        lib::go_offline(w.readers[0]);
    });
    p.thread([&w] {
        w.replace(1);
        lib::collect();
    });
    p.thread([&w] {
        w.replace(2);
        lib::collect();
        lib::collect();
    });
}

/// What one has made and retired, another destroys.
void another_collects(weak::program& p) {
    auto& w = p.make<world>();
    p.thread([&w] {
        w.replace(1);
        w.replace(2);
    });
    p.thread([] {
        lib::collect();
        lib::collect();
    });
}

constexpr weak::effort some{.preemptions = 3, .stale_loads = 2};
constexpr weak::effort few{.preemptions = 2, .stale_loads = 2};

}  // namespace

// What reclamation.cpp calls.
namespace heirloom_weak::detail {
void* allocate_block_slowly(std::size_t bytes) {
    records.emplace_back(new char[bytes]);
    return records.back().get();
}
void free_block_slowly(void*, std::size_t) noexcept {}
void release(const reason_node*) noexcept {}
thread_context& make_context() noexcept { std::abort(); }  // reader_scope is not used here
}  // namespace heirloom_weak::detail
extern "C" {
constinit thread_local heirloom_weak::detail::thread_words* heirloom_this_thread = nullptr;
}

TEST(reclamation_model, frees_nothing_that_is_read) {
    for (const auto make : {&a_reader_comes_and_goes, &a_reader_stays, &another_collects})
        EXPECT_TRUE(weak::holds_always(make, some));
    EXPECT_TRUE(weak::holds_always(&two_retire, few));
}

TEST(reclamation_model, frees_in_the_end) {
    EXPECT_TRUE(weak::holds_always(
        [](weak::program& p) {
            auto& w = p.make<world>();
            p.thread([&w] {
                lib::go_online(w.readers[0]);
                w.read();
                lib::go_offline(w.readers[0]);
            });
            p.thread([&w] { w.replace(1); });
            p.afterwards([&w] {
                lib::collect();
                weak::require(w.things[0].freed && !w.things[1].freed, "kept for ever");
            });
        },
        some, 1));
}

TEST(reclamation_model, needs_its_orders) {
    EXPECT_THAT(
        weak::unnoticed({&a_reader_comes_and_goes, &a_reader_stays, &another_collects, &two_retire},
                        few),
        testing::IsSubsetOf(
            {// The fences that follow do what these do; ThreadSanitizer sees no fence.
             "collect exchange acquire", "collect fetch_add acq_rel", "go_online load acquire",
             // For reclamation_at_rest().
             "collect fetch_sub release",
             // Only tries again.
             "retire failed exchange acquire",
             // The model's own mutex: what it guards is not checked for races.
             "try_lock compare_exchange acquire", "unlock store release"}));
}
