// The C++ Actor Framework as a contender. Written to win, so: event-based actors only (no thread
// an actor), the work-stealing scheduler with as many threads as asked for, no bound on the
// messages an actor may handle in a row, messages of atoms, integers and handles alone, which CAF
// stores without a heap allocation beyond the message itself.
// The scenarios are defined in bench/peers/README.md.

#include "caf_contender.hpp"

int main(int argc, char** argv) {
    auto scenarios = contender::runtime_scenarios();
    scenarios.merge(contender::savina_scenarios());
    return contender::run(contender::parse(argc, argv), "caf", scenarios);
}
