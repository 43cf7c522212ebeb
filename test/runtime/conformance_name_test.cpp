// Registered names: the catalogue's rows rg-*.
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/names.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

template <class F>
bool refused(F f) {
    try {
        f();
    } catch (const bad_argument&) {
        return true;
    }
    return false;
}

}  // namespace

TEST(conformance_processes, rg_register) {
    const auto body = [](witness& w) {
        w.that(!whereis("rg_a"_a));
        const pid target = spawn(answer_pings);
        register_name("rg_a"_a, target);
        w.equal(whereis("rg_a"_a), target);
        send("rg_a"_a, ping{self()});
        receive<pong>();
        register_name("rg_b"_a, self());
        w.equal(whereis("rg_b"_a), self());
        unregister_name("rg_b"_a);
        // A name made at run time is the same name.
        w.equal(whereis(atom::intern(std::string("rg") + "_a")), target);
        const pid born_with_it = spawn({.name = "rg_c"}, answer_pings);
        w.equal(whereis("rg_c"_a), born_with_it);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rg_errors) {
    const auto body = [](witness& w) {
        const pid a = spawn(answer_pings);
        const pid b = spawn(answer_pings);
        register_name("rg_a"_a, a);
        w.that(refused([&] { register_name("rg_a"_a, b); }), "taken by another");
        w.that(refused([&] { register_name("rg_a"_a, a); }), "taken by itself");
        w.that(refused([&] { register_name("rg_other"_a, a); }), "it has a name");
        w.that(refused([&] { register_name("rg_dead"_a, dead_pid()); }), "dead");
        w.that(refused([&] { register_name("rg_nobody"_a, pid()); }), "nobody");
        w.that(refused([&] { register_name(atom(), b); }), "the empty name");
        w.equal(whereis("rg_a"_a), a);
        w.that(!whereis("rg_other"_a) && !whereis("rg_dead"_a) && !whereis("rg_nobody"_a),
               "nothing has changed");
        register_name("rg_b"_a, b);
        w.equal(whereis("rg_b"_a), b);
        w.that(!whereis(atom()));
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rg_unregister) {
    const auto body = [](witness& w) {
        const pid a = spawn(answer_pings);
        const pid b = spawn(answer_pings);
        register_name("rg_a"_a, a);
        unregister_name("rg_a"_a);
        w.that(!whereis("rg_a"_a));
        w.that(refused([] { unregister_name("rg_a"_a); }), "nobody has it");
        w.that(refused([] { unregister_name("rg_never"_a); }));
        register_name("rg_a"_a, b);
        register_name("rg_b"_a, a);
        w.equal(whereis("rg_a"_a), b);
        w.equal(whereis("rg_b"_a), a);
        // The end of a former holder does not free it.
        unregister_name("rg_b"_a);
        const monitor_ref watch = monitor(a);
        send(a, stop{});
        reason_of(watch);
        w.equal(whereis("rg_a"_a), b);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rg_auto) {
    const auto body = [](witness& w) {
        for (int i = 0; i < w.times(1'000, 20); ++i) {
            const pid p = spawn([] { receive<stop>(); });
            register_name("rg_auto"_a, p);
            if (i % 2) {
                exit(p, reason::kill);
                // Only a holder that has not finished dying may be in the way.
                for (bool named = false; !named;) {
                    const pid holder = whereis("rg_auto"_a);
                    w.that(!holder || holder == p);
                    named = !refused([] { register_name("rg_auto"_a, self()); });
                    if (!named) yield();
                }
                unregister_name("rg_auto"_a);
            } else {
                unregister_name("rg_auto"_a);
                register_name("rg_auto"_a, self());
                unregister_name("rg_auto"_a);
                exit(p, reason::kill);
            }
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rg_auto_never_outlives_its_holder) {
    const auto body = [](witness& w) {
        // Named from outside while it dies: either refused, or freed.
        for (int i = 0; i < w.times(500, 20); ++i) {
            const pid p = spawn([] {});
            const bool named = !refused([&] { register_name("rg_dying"_a, p); });
            await_gone(p);
            w.that(!whereis("rg_dying"_a), named ? "the name of the dead is free" : "never given");
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rg_lookup_race) {
    const auto body = [](witness& w) {
        // Senders by name while the name comes and goes: a message reaches the holder or the sender hears the name is free.
        const pid main = self();
        const int count = w.times(500, 30);
        const pid sender = spawn([=] {
            int sent = 0;
            for (int i = 0; i < count; ++i) try {
                    send("rg_race"_a, number{i});
                    ++sent;
                } catch (const no_such_process&) {
                    yield();
                }
            send(main, pong{self()});
            send(main, std::vector{sent});
        });
        for (bool over = false; !over;) {
            register_name("rg_race"_a, main);
            yield();
            unregister_name("rg_race"_a);
            over = receive_for<pong>(0s).has_value();
        }
        w.that(static_cast<bool>(sender));
        int arrived = 0;
        while (receive_for<number>(0s)) ++arrived;
        w.equal(arrived, receive<std::vector<int>>().front());
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(conformance_processes, rg_list) {
    const auto body = [](witness& w) {
        std::vector<atom> expected;
        std::vector<pid> holders;
        for (int i = 0; i < 100; ++i) {
            expected.push_back(atom::intern("rg_list_" + std::to_string(i)));
            holders.push_back(spawn({.name = expected.back()}, answer_pings));
        }
        const auto sorted = [](std::vector<atom> names) {
            std::sort(names.begin(), names.end());
            return names;
        };
        w.equal(sorted(registered()), sorted(expected));
        for (int i = 0; i < 50; ++i) {
            if (i % 2)
                unregister_name(expected.front());
            else {
                exit(holders.front(), reason::kill);
                await_gone(holders.front());
            }
            expected.erase(expected.begin());
            holders.erase(holders.begin());
        }
        w.equal(sorted(registered()), sorted(expected));
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}
