// What OTP 25 answers where its documentation leaves room and the catalogue has no row: each expectation here is what
// `erl` does with the same steps.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/names.hpp>
#include <heirloom/timer.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

/// The exception of type E that `f` ends with, in words; empty if it ends otherwise.
template <class E, class F>
std::string refusal(F f) {
    try {
        f();
    } catch (const E& e) {
        return e.what();
    }
    return {};
}

/// Waits for `stop`, and traps exits if it is told to.
pid waiter(bool traps = false) {
    const pid p = spawn([traps, boss = self()] {
        trap_exit(traps);
        send(boss, done{});
        receive<stop>();
    });
    receive<done>();
    return p;
}

template <class T>
bool comes_through(const T& alias) {
    send(alias, go{});
    return receive_for<go>(0s).has_value();
}

}  // namespace

TEST(otp_corners, an_explicit_alias_outlives_its_monitor) {
    const auto body = [](witness& w) {
        for (const auto mode : {demonitor_mode::keep, flush}) {
            const pid target = waiter();
            const monitor_ref ref = monitor(target, alias_mode::explicit_unalias);
            w.that(demonitor(ref, mode), "the monitor was there");
            w.that(comes_through(ref), "the alias is");
            w.that(!demonitor(ref, mode), "not a second time");
            w.that(comes_through(ref), "the alias still is");
            w.that(unalias(ref));
            w.that(!comes_through(ref));
            // The same once the monitor has fired.
            const monitor_ref fired = monitor(target, alias_mode::explicit_unalias);
            send(target, stop{});
            reason_of(fired);
            w.that(!demonitor(fired, mode));
            w.that(comes_through(fired) && unalias(fired));
        }
        // An alias that never was a monitor's.
        const alias_ref plain = alias();
        w.that(!demonitor(monitor_ref{plain}, flush));
        w.that(comes_through(plain) && unalias(plain));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(otp_corners, an_alias_for_one_reply_ends_with_it) {
    const auto body = [](witness& w) {
        const alias_ref once = alias(alias_mode::reply_demonitor);
        w.that(comes_through(once), "the reply");
        w.that(!comes_through(once), "and no second one");
        w.that(!unalias(once), "it is gone");
        const alias_ref unused = alias(alias_mode::reply_demonitor);
        w.that(unalias(unused));
        w.that(!comes_through(unused));
        for (const auto mode : {alias_mode::none, alias_mode::demonitor})
            w.that(!refusal<bad_argument>([mode] { (void)alias(mode); }).empty());
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(otp_corners, spawn_monitor_makes_an_alias_on_request) {
    const auto body = [](witness& w) {
        const auto answers = [] {
            const auto through = receive<monitor_ref>();
            send(through, number{1});
            send(through, number{2});
        };
        const auto numbers = [] {
            int n = 0;
            while (receive_for<number>(0s)) ++n;
            return n;
        };
        auto child = spawn_monitor({.alias = alias_mode::reply_demonitor}, answers);
        send(child.pid, child.ref);
        receive<number>();
        await_gone(child.pid);
        w.equal(numbers(), 0);
        w.that(!receive_for<down>(0s), "the reply was the end of the monitor");
        child = spawn_monitor({.alias = alias_mode::explicit_unalias}, answers);
        send(child.pid, child.ref);
        w.equal(reason_of(child.ref), reason::normal);
        w.equal(numbers(), 2);
        w.that(comes_through(child.ref) && unalias(child.ref));
        child = spawn_monitor({.alias = alias_mode::demonitor}, answers);
        send(child.pid, child.ref);
        w.equal(reason_of(child.ref), reason::normal);
        w.equal(numbers(), 2);
        w.that(!comes_through(child.ref));
        // A spawn that is refused leaves no alias behind, and one that monitors nothing makes none.
        const pid named = spawn({.name = "otp_corners"}, [] { receive<stop>(); });
        w.that(!refusal<bad_argument>([] {
                    (void)spawn_monitor(
                        {.name = "otp_corners", .alias = alias_mode::explicit_unalias}, [] {});
                }).empty());
        w.that(!refusal<bad_argument>([] {
                    spawn({.alias = alias_mode::explicit_unalias}, [] {});
                }).empty());
        send(named, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(otp_corners, suspending_counts_for_each_who_does_it) {
    const auto body = [](witness& w) {
        const pid target = spawn(answer_pings);
        const auto status = [&] { return process_info(target)->status; };
        suspend(target);
        suspend(target);
        resume(target);
        w.equal(status(), process_status::suspended);
        resume(target);
        w.that(status() != process_status::suspended);
        w.that(!refusal<bad_argument>([&] { resume(target); }).empty(), "once too often");
        // What another one has suspended, only that one resumes; or its end does.
        auto other = spawn_monitor([target, boss = self()] {
            suspend(target);
            send(boss, done{});
            receive<stop>();
        });
        receive<done>();
        w.that(!refusal<bad_argument>([&] { resume(target); }).empty(), "it is not ours to resume");
        w.equal(status(), process_status::suspended);
        suspend(target);
        send(other.pid, stop{});
        w.equal(reason_of(other.ref), reason::normal);
        await_gone(other.pid);
        w.equal(status(), process_status::suspended);  // by us
        resume(target);
        sync_with(target);
        send(target, stop{});
        await_gone(target);
        w.that(!refusal<no_such_process>([&] { suspend(target); }).empty());
        w.that(!refusal<no_such_process>([&] { resume(target); }).empty());
        w.that(!refusal<bad_argument>([&] { suspend(self()); }).empty());
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(otp_corners, who_is_suspended_can_be_killed_and_traps_later) {
    const auto body = [](witness& w) {
        for (const exit_reason& why : {exit_reason(reason::kill), exit_reason("odd"_a)}) {
            const pid target = waiter();
            const monitor_ref watch = monitor(target);
            suspend(target);
            exit(target, why);
            w.equal(reason_of(watch), why == reason::kill ? exit_reason(reason::killed) : why);
        }
        const pid traps = waiter(true);
        const monitor_ref watch = monitor(traps);
        suspend(traps);
        exit(traps, "odd"_a);
        w.equal(process_info(traps)->message_queue_len, std::size_t{1});
        w.that(!receive_for<down>(w.a_while()), "it is a message");
        exit(traps, reason::kill);
        w.equal(reason_of(watch), reason::killed);
        // One that ends while it is suspended twice, by two.
        const pid twice = waiter();
        const monitor_ref end = monitor(twice);
        suspend(twice);
        spawn([twice, boss = self()] {
            suspend(twice);
            send(boss, done{});
            receive<stop>();
        });
        receive<done>();
        exit(twice, reason::kill);
        w.equal(reason_of(end), reason::killed);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(otp_corners, timers_tell_what_is_left_once) {
    const auto body = [](witness& w) {
        const timer_ref cancelled = send_after(1h, self(), number{1});
        w.that(cancel(cancelled).value_or(0s) > 59min);
        w.that(!cancel(cancelled) && !read_timer(cancelled));
        const timer_ref fired = send_after(0s, self(), number{2});
        w.equal(receive<number>().n, 2);
        w.that(!cancel(fired) && !read_timer(fired));
        // Aimed at a process that is dead already; at a name that nobody has; at one that dies.
        w.that(!read_timer(send_after(1h, dead_pid(), number{3})));
        const timer_ref named = send_after(1h, "otp_corners_nobody"_a, number{4});
        w.that(read_timer(named).has_value());
        w.that(cancel(named).has_value());
        const pid target = waiter();
        const timer_ref aimed = send_after(1h, target, number{5});
        w.that(read_timer(aimed).has_value());
        send(target, stop{});
        await_gone(target);
        w.that(!read_timer(aimed));
        // It does not end with who started it, and anybody may cancel it.
        const auto started = [boss = self()] {
            send(boss, send_after(1h, boss, number{6}));
            send_after(1ms, boss, number{7});
        };
        await_gone(spawn(started));
        const auto left = receive<timer_ref>();
        w.equal(receive<number>().n, 7);
        w.that(cancel(left).has_value());
        // A name that changes hands: who has it by then.
        register_name("otp_corners_name"_a, self());
        send_after(1ms, "otp_corners_name"_a, number{8});
        unregister_name("otp_corners_name"_a);
        const pid heir = spawn([boss = self()] { send(boss, receive<number>()); });
        register_name("otp_corners_name"_a, heir);
        w.equal(receive<number>().n, 8);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(otp_corners, hibernation_ends_by_what_is_there_and_by_a_trapped_exit) {
    const auto body = [](witness& w) {
        auto eager = spawn_monitor([] {
            send(self(), go{});
            hibernate([] {
                receive<go>();
                exit("woken"_a);
            });
        });
        w.equal(reason_of(eager.ref), exit_reason("woken"_a));
        auto traps = spawn_monitor([boss = self()] {
            trap_exit(true);
            send(boss, done{});
            hibernate([] { exit(receive<exit_signal>().reason); });
        });
        receive<done>();
        exit(traps.pid, "odd"_a);
        w.equal(reason_of(traps.ref), exit_reason("odd"_a));
        auto sleeper = spawn_monitor([boss = self()] {
            send(boss, done{});
            hibernate([] {});
        });
        receive<done>();
        exit(sleeper.pid, reason::kill);
        w.equal(reason_of(sleeper.ref), reason::killed);
        // Handlers of the function that was left are gone.
        auto in_try = spawn_monitor([] {
            try {
                send(self(), go{});
                hibernate([] { throw std::runtime_error("later"); });
            } catch (const std::runtime_error&) {
                exit("caught"_a);
            }
        });
        w.equal(reason_of(in_try.ref).what(), std::string_view("later"));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(otp_corners, links_of_those_who_end_by_kill_themselves) {
    const auto body = [](witness& w) {
        // `kill` is untrappable as a signal of exit/2 alone. As the reason of a linked process it is like any other.
        auto traps = spawn_monitor([] {
            trap_exit(true);
            spawn_link([] { exit(reason::kill); });
            exit(receive<exit_signal>().reason == reason::kill ? "trapped_kill"_a : "other"_a);
        });
        w.equal(reason_of(traps.ref), exit_reason("trapped_kill"_a));
        auto dies = spawn_monitor([] {
            spawn_link([] { exit(reason::kill); });
            receive<stop>();
        });
        w.equal(reason_of(dies.ref), reason::kill);
        // To oneself: no link, no signal.
        link(self());
        w.that(process_info(self())->links.empty());
        unlink(self());
        // Once an exit has become a message, unlink takes nothing back.
        trap_exit(true);
        const pid gone = spawn_link([] { exit("odd"_a); });
        await_gone(gone);
        w.that(process_info(self())->message_queue_len == 1);
        unlink(gone);
        w.equal(receive<exit_signal>().reason, exit_reason("odd"_a));
        // Normal, to oneself, as a message.
        exit(self(), reason::normal);
        const auto own = receive<exit_signal>();
        w.that(own.from == self() && own.reason == reason::normal);
        trap_exit(false);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(otp_corners, a_process_has_one_name) {
    const auto body = [](witness& w) {
        const atom one = "otp_corners_one"_a, two = "otp_corners_two"_a;
        register_name(one, self());
        w.that(!refusal<bad_argument>([&] { register_name(two, self()); }).empty());
        w.that(!refusal<bad_argument>([&] { register_name(one, self()); }).empty());
        w.that(!whereis(two));
        w.equal(process_info(self())->name, one);
        // Killed, it keeps the name until it has ended, and not longer.
        unregister_name(one);
        const pid holder = spawn({.name = one}, [] { receive<stop>(); });
        exit(holder, reason::kill);
        w.that(!process_info(holder), "the kill came first");
        await_gone(holder);
        register_name(one, self());
        w.equal(whereis(one), self());
        unregister_name(one);
    };
    EXPECT_TRUE(holds_everywhere(body));
}
