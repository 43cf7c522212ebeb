// Going to sleep and being woken: the announcement, the asymmetric fence, the second look, and the place to sleep. Run on the text
// of idle_workers.hpp, fences.hpp and parking.cpp; the steps between them are those of worker::find_work and
// runtime_core::wake_one.
#include "model/weak_std.hpp"

#include <cerrno>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {
long modelled_futex(std::weak_atomic<std::uint32_t>* word, int operation, std::uint32_t expected);
long modelled_syscall(long, std::weak_atomic<std::uint32_t>* word, int operation,
                      std::uint32_t expected, const void* = nullptr, const void* = nullptr,
                      int = 0) {
    return modelled_futex(word, operation, expected);
}
}  // namespace
#define syscall modelled_syscall
#include "platform/parking.cpp"
#include "scheduler/idle_workers.hpp"
#undef syscall

#include "model/end_of_weak_std.hpp"

#include <gmock/gmock.h>

namespace {

namespace weak = heirloom::test::weak;
namespace lib = heirloom_weak::detail;

bool somebody_waits = false;  // in the kernel, at the one futex there is

long modelled_futex(std::weak_atomic<std::uint32_t>* word, int operation, std::uint32_t expected) {
    if (operation == FUTEX_WAKE_PRIVATE) {
        somebody_waits = false;
        return 1;
    }
    // The kernel compares the newest value, and nobody comes between that and the wait.
    std::uint32_t newest = expected;
    if (!word->compare_exchange_strong(newest, expected, std::memory_order_relaxed)) {
        errno = EAGAIN;
        return -1;
    }
    somebody_waits = true;
    if (weak::await([] { return !somebody_waits; })) return 0;
    weak::require(false, "work waits and the worker sleeps");
    errno = ETIMEDOUT;
    return -1;
}

struct scheduler {
    std::array<weak::plain<int>, 2> content;  // of the work
    lib::idle_workers idle;
    std::weak_atomic<bool> asleep{false};
    lib::parking_spot spot;
    std::weak_atomic<int> work{0};  // as a ring's tail: written by its owner, looked at by others
    int done = 0;

    scheduler() {
        somebody_waits = false;
        idle.searching.store(1);
    }
    /// worker::find_work, with the search left out.
    void find_work(int jobs) {
        while (done < jobs) {
            if (work.load(std::memory_order_acquire) > done) {
                weak::require(content[static_cast<std::size_t>(done)].read() == 7,
                              "work was seen before it was written");
                ++done;
                continue;
            }
            idle.announce_sleep(asleep);
            if (work.load(std::memory_order_relaxed) <= done) spot.park(-1);
            idle.end_sleep(asleep);
            idle.searching.fetch_add(1, std::memory_order_seq_cst);
        }
    }
    void make_work(int n) {
        content[static_cast<std::size_t>(n) - 1].write(7);
        work.store(n, std::memory_order_release);
        // runtime_core::wake_one
        if (!idle.anybody_asleep()) return;
        if (idle.claim(asleep)) spot.unpark();
    }
};

void one_job(weak::program& p) {
    auto& s = p.make<scheduler>();
    p.thread([&s] { s.find_work(1); });
    p.thread([&s] { s.make_work(1); });
    p.afterwards([&s] { weak::require(s.idle.sleeping.load() == 0, "who sleeps is miscounted"); });
}
void two_jobs(weak::program& p) {
    auto& s = p.make<scheduler>();
    p.thread([&s] { s.find_work(2); });
    p.thread([&s] {
        s.make_work(1);
        s.make_work(2);
    });
    p.afterwards([&s] { weak::require(s.idle.sleeping.load() == 0, "who sleeps is miscounted"); });
}
/// What the waker did is visible to the one it woke.
void a_token(weak::program& p) {
    struct place {
        lib::parking_spot spot;
        weak::plain<int> content;
    };
    auto& s = p.make<place>();
    somebody_waits = false;
    p.thread([&s] {
        if (s.spot.park(-1)) weak::require(s.content.read() == 7, "woken before it was written");
    });
    p.thread([&s] {
        s.content.write(7);
        s.spot.unpark();
    });
}

constexpr weak::effort some{.preemptions = 4, .stale_loads = 3};
constexpr weak::effort fewer{.preemptions = 3, .stale_loads = 2};

}  // namespace

namespace heirloom_weak::detail {
const bool light_fence_is_full = false;  // the asymmetric kind
void heavy_fence() noexcept { weak::fence_everywhere(); }
}  // namespace heirloom_weak::detail

TEST(sleep_model, no_worker_sleeps_while_work_waits) {
    for (const auto make : {&one_job, &two_jobs}) EXPECT_TRUE(weak::holds_always(make, some));
}
TEST(sleep_model, a_place_to_sleep_keeps_a_token) {
    EXPECT_TRUE(weak::holds_always(&a_token, some, 1));
}
TEST(sleep_model, needs_its_orders) {
    EXPECT_NE(weak::explore(&one_job, some, "heavy fence").wrong, "");
    // The heavy fence does what they say; they are for where the kernel refuses membarrier, and for ThreadSanitizer.
    EXPECT_THAT(
        weak::unnoticed({&two_jobs}, fewer),
        testing::IsSubsetOf({"announce_sleep fetch_add seq_cst", "announce_sleep fetch_sub seq_cst",
                             "announce_sleep store seq_cst", "claim exchange seq_cst",
                             "claim fetch_sub seq_cst", "find_work fetch_add seq_cst",
                             // Nothing but the token goes with a wake.
                             "park compare_exchange acq_rel", "park exchange acquire",
                             "park failed exchange acquire", "park load acquire",
                             "unpark exchange acq_rel"}));
    // Two of these three see the token's release, so each can go alone.
    EXPECT_THAT(weak::unnoticed({&a_token}, some),
                testing::IsSubsetOf({"park compare_exchange acq_rel", "park exchange acquire",
                                     "park load acquire"}));
}
