// Monitors: the catalogue's rows mo-*.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/names.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

/// Ends as told.
void end_as_told() {
    receive([](exit_reason why) { exit(std::move(why)); }, [](stop) {});
}

}  // namespace

TEST(conformance_processes, mo_basic) {
    const auto body = [](witness& w) {
        for (const exit_reason& why :
             {reason::normal, exit_reason("odd"_a), exit_reason("shutdown"_a, "x"_a)}) {
            const pid target = spawn(end_as_told);
            const monitor_ref ref = monitor(target);
            send(target, why);
            const auto d = receive<down>();
            w.equal(d.ref, ref);
            w.equal(d.from, target);
            w.equal(d.reason, why);
            w.that(!d.name, "no name in a down of a monitor by pid");
            w.that(!receive_for<down>(0s), "one down only");
            w.that(!demonitor(ref), "the monitor is gone");
        }
        const auto why = reason_of(spawn_monitor([] { throw std::runtime_error("broken"); }).ref);
        w.that(why.is_crash());
        w.equal(why.what(), std::string_view("broken"));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_dead) {
    const auto body = [](witness& w) {
        for (const pid gone : {dead_pid(), pid(), pid::make(200, 17, 3)}) {
            const monitor_ref ref = monitor(gone);
            const auto d = receive<down>();
            w.equal(d.ref, ref);
            w.equal(d.from, gone);
            w.equal(d.reason, reason::no_process);
            w.that(!receive_for<down>(0s), "one down only");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_race) {
    const auto body = [](witness& w) {
        for (int i = 0; i < w.times(500, 10); ++i) {
            const pid target = spawn([] { exit("gone"_a); });
            const monitor_ref ref = monitor(target);
            const auto d = receive<down>();
            w.equal(d.ref, ref);
            w.that(d.reason == exit_reason("gone"_a) || d.reason == reason::no_process,
                   "true reason or no_process");
            w.that(!receive_for<down>(0s), "exactly one down");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_named) {
    const auto body = [](witness& w) {
        const pid target = spawn({.name = "mo_named"}, end_as_told);
        const monitor_ref ref = monitor("mo_named"_a);
        send(target, exit_reason("odd"_a));
        const auto d = receive<down>();
        w.equal(d.ref, ref);
        w.equal(d.name, "mo_named"_a);
        w.equal(d.reason, exit_reason("odd"_a));
        // A name that nobody has counts as ended, and its down carries the name too.
        const monitor_ref none = monitor("mo_named"_a);
        const auto d2 = receive<down>();
        w.equal(d2.ref, none);
        w.equal(d2.name, "mo_named"_a);
        w.equal(d2.reason, reason::no_process);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_named_race) {
    const auto body = [](witness& w) {
        for (int i = 0; i < w.times(200, 5); ++i) {
            const pid target = spawn({.name = "mo_named_race"}, [] { exit("gone"_a); });
            const monitor_ref ref = monitor("mo_named_race"_a);
            const auto d = receive<down>();
            w.equal(d.ref, ref);
            w.equal(d.name, "mo_named_race"_a);
            w.that(d.reason == exit_reason("gone"_a) || d.reason == reason::no_process);
            await_end(target);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_named_resolves_once) {
    const auto body = [](witness& w) {
        const pid first = spawn({.name = "mo_resolves"}, end_as_told);
        const monitor_ref ref = monitor("mo_resolves"_a);
        unregister_name("mo_resolves"_a);
        const pid second = spawn({.name = "mo_resolves"}, end_as_told);
        send(second, exit_reason("second"_a));
        await_end(second);
        w.that(!receive_for<down>(0s), "the monitor stays with the first holder");
        send(first, exit_reason("first"_a));
        const auto d = receive<down>();
        w.equal(d.ref, ref);
        w.equal(d.reason, exit_reason("first"_a));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_unidirectional) {
    const auto body = [](witness& w) {
        const pid target = spawn(answer_pings);
        auto [owner, watch] = spawn_monitor([target] {
            (void)monitor(target);
            exit("owner"_a);
        });
        w.equal(reason_of(watch), exit_reason("owner"_a));
        sync_with(target);
        w.that(is_alive(target), "the owner's death does not touch the target");
        send(target, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_multiple) {
    const auto body = [](witness& w) {
        // Beyond the small number that is kept as a list, too.
        const int count = 40;
        const pid target = spawn(end_as_told);
        std::vector<monitor_ref> refs;
        for (int i = 0; i < count; ++i) refs.push_back(monitor(target));
        w.equal(std::set<monitor_ref>(refs.begin(), refs.end()).size(), refs.size());
        w.that(demonitor(refs[3]));
        w.that(demonitor(refs[20]));
        send(target, exit_reason("over"_a));
        std::set<monitor_ref> fired;
        for (int i = 0; i < count - 2; ++i) {
            const auto d = receive<down>();
            w.equal(d.reason, exit_reason("over"_a));
            fired.insert(d.ref);
        }
        w.equal(fired.size(), static_cast<std::size_t>(count - 2));
        w.that(!fired.contains(refs[3]) && !fired.contains(refs[20]), "those removed are silent");
        await_gone(target);
        w.that(!receive_for<down>(0s), "no more");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_self) {
    const auto body = [](witness& w) {
        register_name("mo_self"_a, self());
        const monitor_ref by_pid = monitor(self());
        const monitor_ref by_name = monitor("mo_self"_a);
        w.that(by_pid != by_name);
        w.that(!receive_for<down>(0s));
        (void)demonitor(by_pid);
        (void)demonitor(by_name);
        auto [lone, watch] = spawn_monitor([] { (void)monitor(self()); });
        w.equal(reason_of(watch), reason::normal);
        w.that(!receive_for<down>(0s), "a monitor of oneself never fires");
        unregister_name("mo_self"_a);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_demonitor) {
    const auto body = [](witness& w) {
        const pid target = spawn(end_as_told);
        const monitor_ref ref = monitor(target);
        w.that(demonitor(ref), "it was there");
        w.that(!demonitor(ref), "a second time is harmless");
        send(target, stop{});
        await_gone(target);
        w.that(!receive_for<down>(0s), "no down after demonitor");
        w.that(!demonitor(monitor_ref{}), "an empty ref is harmless");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_demonitor_no_late) {
    const auto body = [](witness& w) {
        for (int i = 0; i < w.times(300, 10); ++i) {
            const pid target = spawn([] { receive([](stop) {}); });
            const monitor_ref ref = monitor(target);
            exit(target, "bang"_a);
            demonitor(ref);
            (void)receive_for<down>(0s);
            await_gone(target);
            w.that(!receive_for<down>(0s), "none arrives later");
        }
        w.that(!receive_for<down>(w.a_while()), "none arrives much later");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_demonitor_while_the_target_ends) {
    const auto body = [](witness& w) {
        const pid bystander = spawn(swallow);
        const int patience = w.times(100'000, 10);
        for (int i = 0; i < w.times(20, 5); ++i) {
            const pid target = spawn([] { receive([](stop) {}); });
            const monitor_ref ref = monitor(target);
            // Its end takes a while: what it never took is destroyed after its mailbox is closed, before anybody is told.
            for (int n = 0; n < 2000; ++n) send(target, number{n});
            exit(target, "bang"_a);
            send(bystander, go{});  // runs next here, so that others may have the target
            for (int n = 0; is_alive(target);)
                if (++n > patience) yield();
            while (try_send(target, number{0})) {
            }
            const bool in_time = demonitor(ref);
            await_gone(target);
            w.that(receive_for<down>(0s).has_value() == !in_time,
                   "a down is here if, and only if, demonitor came too late");
        }
        send(bystander, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body));
}

namespace {
/// A message that nobody takes: it is destroyed when the mailbox of a process that ends has been closed, and before anybody
/// is told. There it stands still until it may go on.
struct gate {
    struct state {
        std::atomic<bool> reached{false};
        std::atomic<bool> open{false};
    };
    explicit gate(std::shared_ptr<state> s) : at(std::move(s)) {}
    gate(gate&&) noexcept = default;
    gate& operator=(gate&&) noexcept = default;
    ~gate() {
        if (!at) return;
        at->reached = true;
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (!at->open && std::chrono::steady_clock::now() < end) {
        }
    }
    std::shared_ptr<state> at;
};
}  // namespace
template <>
struct heirloom::owns_what_it_holds<gate> : std::true_type {};

TEST(conformance_processes, mo_demonitor_between_the_end_and_its_report) {
    const auto body = [](witness& w) {
        for (int i = 0; i < 5; ++i) {
            const auto at = std::make_shared<gate::state>();
            const pid target = spawn([] { receive([](stop) {}); });
            const monitor_ref ref = monitor(target);
            send(target, gate(at));
            send(target, stop{});
            while (!at->reached) yield();  // the target stands still on another worker
            w.that(demonitor(ref), "nobody has been told yet");
            at->open = true;
            await_gone(target);
            w.that(!receive_for<down>(0s), "none arrives later");
        }
        w.that(!receive_for<down>(w.a_while()), "none arrives much later");
    };
    effort how = threads_only();
    how.workers = {2, 4};
    EXPECT_TRUE(holds_everywhere(body, how));
}

TEST(conformance_processes, mo_demonitor_keeps_queued) {
    const auto body = [](witness& w) {
        const pid target = spawn(end_as_told);
        const monitor_ref first = monitor(target);
        const monitor_ref second = monitor(target);
        const monitor_ref third = monitor(target);
        send(target, exit_reason("over"_a));
        w.equal(reason_of(third), exit_reason("over"_a));
        await_gone(target);
        w.that(!demonitor(first), "it has fired");
        w.equal(reason_of(first), exit_reason("over"_a));
        w.that(!demonitor(second, flush), "it has fired");
        w.that(!receive_for<down>(0s), "flush took the second");
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_demonitor_by_target) {
    const auto body = [](witness& w) {
        const pid target = spawn([] {
            const auto ref = receive<monitor_ref>();
            if (demonitor(ref)) exit("it_worked"_a);
            if (demonitor(ref, flush)) exit("it_worked"_a);
        });
        const monitor_ref ref = monitor(target);
        send(target, ref);
        w.equal(reason_of(ref), reason::normal);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, mo_alias_demonitor_ok) {
    const auto body = [](witness& w) {
        const alias_ref only_alias = alias();
        monitor_ref as_monitor;
        as_monitor.owner = only_alias.owner;
        as_monitor.id = only_alias.id;
        w.that(!demonitor(as_monitor), "an alias is no monitor");
        const monitor_ref fired = monitor(dead_pid(), alias_mode::explicit_unalias);
        w.equal(reason_of(fired), reason::no_process);
        w.that(!demonitor(fired));
        send(fired, number{1});
        w.equal(receive<number>().n, 1);
        w.that(!demonitor(fired, flush));
    };
    EXPECT_TRUE(holds_everywhere(body));
}
