// Many messages for one receiver: what it sorts by pieces, and what becomes of who sends them (sending.cpp, give_way).
#include "support/everywhere.hpp"

#include <algorithm>
#include <chrono>
#include <future>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/monitor.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/runtime.hpp>
#include <heirloom/send.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

struct start {};
struct numbered {
    int sender;
    int number;
};
struct last {};

constexpr int several_pieces = 300;  // messages; a receive sorts 64 at a time

void send_numbers(pid to, int sender, int count) {
    for (int i = 0; i < count; ++i) send(to, numbered{sender, i});
}

/// Receives `each` numbers of every sender; false if one came out of turn.
bool come_in_order(int senders, int each) {
    std::vector<int> next(static_cast<std::size_t>(senders));
    bool right = true;
    for (int i = 0; i < senders * each; ++i) {
        const auto m = receive<numbered>();
        right = right && m.number == next[static_cast<std::size_t>(m.sender)]++;
    }
    return right;
}

/// As many senders as asked for, all told to start: whether what each sends comes in order.
bool flood_comes_in_order(int senders, int each) {
    std::vector<pid> all;
    for (int s = 0; s < senders; ++s)
        all.push_back(spawn([main = self(), s, each] {
            receive<start>();
            send_numbers(main, s, each);
        }));
    for (const pid p : all) send(p, start{});
    return come_in_order(senders, each);
}

}  // namespace

TEST(flood, keeps_the_order_of_each_sender) {
    const auto body = [](witness& w) {
        if (w.deterministic())
            w.that(flood_comes_in_order(5, 100));
        else
            w.that(flood_comes_in_order(4, 20'000) && flood_comes_in_order(500, 200));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

// Without a watchdog, which looks after injected work once a millisecond: what is given back is run all the same.
TEST(flood, ends_although_nobody_looks_after_it) {
    for (const unsigned workers : {1u, 2u, 4u}) {
        options o{.workers = workers};
        o.max_processes = 4000;
        o.queue_warning = 0;
        o.watchdog = false;
        runtime rt(o);
        std::promise<bool> in_order;
        auto answer = in_order.get_future();
        rt.spawn([&in_order] { in_order.set_value(flood_comes_in_order(200, 2000)); });
        // Who comes from outside meanwhile is not kept waiting for its end.
        for (int i = 0; i < 20; ++i) {
            std::promise<void> ran;
            auto done = ran.get_future();
            rt.spawn([&ran] { ran.set_value(); });
            ASSERT_EQ(done.wait_for(20s), std::future_status::ready) << workers << " workers";
        }
        ASSERT_EQ(answer.wait_for(60s), std::future_status::ready) << workers << " workers";
        EXPECT_TRUE(answer.get()) << workers << " workers";
    }
}

TEST(flood, a_receive_finds_what_lies_behind_several_pieces) {
    const auto body = [](witness& w) {
        const pid main = self();
        spawn([main] {
            send_numbers(main, 0, several_pieces);
            send(main, last{});
        });
        receive<last>();
        w.that(come_in_order(1, several_pieces));
        // It is here, whatever has been sorted: asked for without waiting it is found.
        send_numbers(main, 0, several_pieces);
        send(main, last{});
        w.that(receive([](numbered m) { return m.number == 0; }));
        w.that(receive([](last) { return true; }, after(0ms, [] { return false; })));
        for (int i = 1; i < several_pieces; ++i) w.equal(receive<numbered>().number, i);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(flood, a_process_that_ends_has_taken_the_signals_behind_what_it_left) {
    const auto body = [](witness& w) {
        const pid receiver = spawn([] { receive<numbered>(); });
        send_numbers(receiver, 0, 1);
        const monitor_ref before = monitor(receiver);
        send_numbers(receiver, 1, several_pieces);
        const monitor_ref behind = monitor(receiver);
        for (const monitor_ref& ref : {before, behind}) {
            receive(when(ref, [&](const down& d) {
                w.that(d.reason == reason::normal || d.reason == reason::no_process);
            }));
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(flood, a_held_receive_ends_when_its_process_dies_before_all_is_sorted) {
    const auto body = [](witness& w) {
        const pid main = self();
        auto receiver = spawn_monitor([main] {
            const shield held;
            send_numbers(self(), 0, several_pieces);
            exit(self(), reason::kill);
            send_numbers(self(), 1, several_pieces);
            try {
                receive<last>();
            } catch (const cannot_wait&) {
                send(main, last{});
            }
        });
        receive<last>();
        receive(when(receiver.ref, [&](const down& d) { w.equal(d.reason, reason::killed); }));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(flood, a_kill_does_not_wait_for_what_came_before_it) {
    const auto body = [](witness& w) {
        const pid main = self();
        const pid receiver = spawn([main] {
            for (;;)
                if (receive<numbered>().number == several_pieces - 1) send(main, last{});
        });
        const monitor_ref watch = monitor(receiver);
        send_numbers(receiver, 0, several_pieces);
        receive<last>();
        send_numbers(receiver, 0, several_pieces - 1);
        exit(receiver, reason::kill);
        receive(when(watch, [&](const down& d) { w.equal(d.reason, reason::killed); }));
        w.that(!receive_for<last>(w.deterministic() ? duration(1ms) : duration(0)));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(flood, of_a_process_by_itself_ends) {
    // A process that sends to itself floods itself, and is not its own to wait for.
    const auto body = [](witness& w) {
        constexpr int many = 5000;
        const int count = w.deterministic() ? several_pieces : many;
        send_numbers(self(), 0, count);
        w.that(come_in_order(1, count));
        send_numbers(self(), 0, count);
        w.that(come_in_order(1, count));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

// A signal wakes the receiver; what was sent behind it has come in time, however late the receiver runs.
TEST(receiving, finds_what_came_behind_a_signal_before_its_time_was_up) {
    runtime rt({.workers = 1, .watchdog = false});
    rt.run([] {
        const pid main = self();
        const pid other = spawn([main] {
            receive<start>();
            unlink(main);
            send(main, last{});
            const auto later = std::chrono::steady_clock::now() + 10ms;
            while (std::chrono::steady_clock::now() < later) {
            }
        });
        link(other);
        send(other, start{});
        EXPECT_TRUE(receive_for<last>(3ms).has_value());
    });
}
