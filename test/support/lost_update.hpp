#pragma once

#include <heirloom/monitor.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/send.hpp>
#include <heirloom/test_kit.hpp>

// A program that fails under some schedules, for those who explore.
namespace heirloom::test {

inline void lost_update();

// [example lost_update]
/// Two processes read a number from a third, add one, and write it back: a lost update, if they
/// interleave.
struct get {
    pid from;
};
struct put {
    int value;
};
void lost_update() {
    const pid cell = spawn([] {
        for (int value = 0;;)
            receive([&](get g) { send(g.from, value); }, [&](put p) { value = p.value; });
    });
    const auto add_one = [cell] {
        send(cell, get{self()});
        send(cell, put{receive<int>() + 1});
    };
    const auto a = spawn_monitor(add_one);
    const auto b = spawn_monitor(add_one);
    receive(when(a.ref, [](const down&) {}));
    receive(when(b.ref, [](const down&) {}));
    send(cell, get{self()});
    require(receive<int>() == 2, "that both additions count");
}
// [example end]

}  // namespace heirloom::test
