// Fails, as somebody's test might; check_replay.py then runs the command that the report names.
#include "support/lost_update.hpp"

#include <iostream>

#include <heirloom/explore.hpp>

using namespace heirloom;

int main(int count, char** arguments) {
    for (int i = 1; i < count; ++i) std::cout << "argument: " << arguments[i] << '\n';
    return explore(test::lost_update, 1000, {.name = "lost_update", .trace_lines = 0}) ? 0 : 1;
}
