// What one process does to the others: nothing. It computes for ever, or blocks its thread.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"
#include "support/migrate.hpp"

#include <atomic>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <pthread.h>

#include <heirloom/blocking.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

/// While it lives no thread can be started: there is no room for the stack that each would have.
class no_more_threads {
public:
    no_more_threads() {
        pthread_getattr_default_np(&before_);
        pthread_attr_t huge;
        pthread_attr_init(&huge);
        pthread_attr_setstacksize(&huge, std::size_t{1} << 47);
        pthread_setattr_default_np(&huge);
        pthread_attr_destroy(&huge);
    }
    ~no_more_threads() {
        pthread_setattr_default_np(&before_);
        pthread_attr_destroy(&before_);
    }
    no_more_threads(const no_more_threads&) = delete;
    no_more_threads& operator=(const no_more_threads&) = delete;

private:
    pthread_attr_t before_;
};

}  // namespace

TEST(spinning, process_is_named_in_a_warning_and_delays_nobody) {
    for (unsigned workers : {1u, 2u}) {
        captured_log log;
        std::atomic<bool> over{false};
        {
            runtime rt(quiet(workers, log));
            // Watched from outside: if all workers spin, nobody inside can help.
            std::promise<void> measured;
            std::thread limit([&over, end = measured.get_future()] {
                (void)end.wait_for(5s);
                over = true;
            });
            const auto delay = rt.run([&] {
                const pid echo = spawn(answer_pings);
                sync_with(echo);
                for (unsigned i = 0; i < workers; ++i)
                    spawn({.name = atom::intern("the_spinner_" + std::to_string(i))}, [&over] {
                        while (!over) {
                        }
                    });
                yield();
                const auto start = std::chrono::steady_clock::now();
                sync_with(echo);
                const bool in_time = !over;
                // Long enough to be noticed for certain: the others need no time at all.
                while (!over && log.events("long_schedule").empty() &&
                       std::chrono::steady_clock::now() - start < 2s)
                    sync_with(echo);
                const auto took = in_time ? std::chrono::steady_clock::now() - start : 10s;
                over = true;
                return took;
            });
            EXPECT_LT(delay, 4s) << workers << " workers: others wait for the spinning process";
            measured.set_value();
            limit.join();
        }
        EXPECT_NE(log.text().find("the_spinner_"), std::string::npos)
            << workers << " workers: it is named in a warning";
    }
}

TEST(blocking, calls_delay_nobody_else) {
    const auto body = [](witness& w) {
        const auto over = std::make_shared<std::atomic<bool>>(false);
        std::vector<spawned> all;
        for (int i = 0; i < 64; ++i)
            all.push_back(spawn_monitor([over] {
                const pid me = self();
                const bool same = blocking([&] {
                    over->wait(false);
                    return self() == me;
                });
                if (!same || self() != me) exit("somebody_else"_a);
            }));
        // All of them block; the others get on.
        const pid echo = spawn(answer_pings);
        for (int i = 0; i < 200; ++i) sync_with(echo);
        w.that(!receive_for<down>(0s));
        *over = true;
        over->notify_all();
        for (const auto& s : all) w.equal(reason_of(s.ref), reason::normal);
        send(echo, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body, threads_only()));
}

TEST(blocking, works_as_the_process_and_refuses_to_wait) {
    const auto body = [](witness& w) {
        const pid me = self();
        const pid other = spawn(answer_pings);
        const int n = blocking([&] {
            int wrong = 0;
            wrong += self() != me;
            wrong += !in_process();
            wrong += !try_send(me, number{5});
            for (int what = 0; what < 5; ++what) try {
                    switch (what) {
                    case 0:
                        receive<go>();
                        break;
                    case 1:
                        (void)receive_for<go>(1ms);
                        break;
                    case 2:
                        sleep(1ms);
                        break;
                    case 3:
                        blocking([] {});
                        break;
                    case 4:
                        (void)process_info(other);
                        break;
                    }
                    ++wrong;
                } catch (const cannot_wait&) {
                }
            return wrong;
        });
        w.equal(n, 0);
        w.equal(receive<number>().n, 5);
    };
    EXPECT_TRUE(holds_everywhere(body, threads_only()));
}

TEST(blocking, is_refused_without_a_thread_and_leaves_nothing_queued) {
    runtime rt({.workers = 1});
    const auto outcome = rt.invoke([] {
        int ran = 0;
        int refused = 0;
        {
            const no_more_threads scarcity;
            try {
                blocking([&ran] { ran += 100; });
            } catch (const limit_reached&) {
                ++refused;
            }
        }
        blocking([&ran] { ++ran; });
        blocking([&ran] { ++ran; });
        return std::pair(refused, ran);
    });
    EXPECT_EQ(outcome, std::pair(1, 2));
}

TEST(blocking, beyond_its_threads_waits_its_turn) {
    const auto body = [](witness& w) {
        const auto ran = std::make_shared<std::atomic<int>>(0);
        std::vector<spawned> all;
        for (int i = 0; i < 50; ++i)
            all.push_back(spawn_monitor([ran] { blocking([&] { ++*ran; }); }));
        for (const auto& s : all) w.equal(reason_of(s.ref), reason::normal);
        w.equal(ran->load(), 50);
    };
    EXPECT_TRUE(
        holds_everywhere(body, {.seeds = 0, .adjust = [](options& o) { o.blocking_threads = 2; }}));
}
