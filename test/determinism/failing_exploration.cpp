// Fails, as somebody's test might; check_replay.py then runs the command that the report names.
#include <iostream>

#include <heirloom/explore.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/test_kit.hpp>

using namespace heirloom;

namespace {
struct get {
    pid from;
};
struct put {
    int value;
};
/// Two processes add one to a number that a third keeps: one addition is lost if they interleave.
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
}  // namespace

int main(int count, char** arguments) {
    for (int i = 1; i < count; ++i) std::cout << "argument: " << arguments[i] << '\n';
    return explore(lost_update, 1000, {.name = "lost_update", .trace_lines = 0}) ? 0 : 1;
}
