// Who gets a table, and that it is given up once, in every order of the steps of: its owner giving it away and ending,
// the receiver ending, the heir ending, a stranger deleting it. The steps are those of table_core (give_away, settle,
// delete_table) between which other threads can come: one each under the table's lock or an estate's.
#include "support/explore.hpp"

#include <array>
#include <tuple>

#include <gtest/gtest.h>

namespace heirloom::test {
namespace {

enum process { owner_process, heir_process, receiver_process, nobody };
enum thread { owner_thread, heir_thread, receiver_thread, deleter_thread, threads };

struct state {
    // The table.
    bool open = true;
    bool will = true;  // the heir's message is there
    int owner = owner_process;
    int in_estate_of = owner_process;
    // The estates.
    std::array<bool, 3> closed{};
    // What must happen once.
    int buried = 0;
    int released = 0;  // the estate's share of the core
    int told = 0;      // transfers delivered
    // The threads: where each is, and what it remembers.
    std::array<int, threads> at{};
    int former_owner = nobody;  // the deleter's

    auto operator<=>(const state&) const = default;

    bool adopt(int who) {
        if (closed[static_cast<std::size_t>(who)]) return false;
        in_estate_of = who;
        return true;
    }
    bool disown(int who) {
        if (closed[static_cast<std::size_t>(who)] || in_estate_of != who) return false;
        in_estate_of = nobody;
        return true;
    }
    void bury() {
        open = false;
        ++buried;
    }
};

enum step_of_life { giving, exiting = 10, settling, passing_on, ending, over = 20 };

/// The exit of process `who`: closes its estate, then settles the table if it was in there.
void exit_step(state& s, int& at, int who) {
    switch (at) {
    case exiting: {
        s.closed[static_cast<std::size_t>(who)] = true;
        const bool taken = s.in_estate_of == who;
        if (taken) s.in_estate_of = nobody;
        at = taken ? settling : over;
        return;
    }
    case settling:
        if (s.open && s.will && who != heir_process) {
            s.will = false;
            s.owner = heir_process;
            at = passing_on;
            return;
        }
        [[fallthrough]];
    case ending:
        if (s.open) s.bury();
        ++s.released;
        at = over;
        return;
    case passing_on:
        if (s.adopt(heir_process)) {
            ++s.told;
            at = over;
        } else {
            at = ending;
        }
        return;
    default:
        return;
    }
}

/// give_away to the receiver, then the owner's exit.
void owner_step(state& s) {
    int& at = s.at[owner_thread];
    switch (at) {
    case giving:  // under the lock: may it?
        at = s.open && s.owner == owner_process ? giving + 1 : exiting;
        return;
    case giving + 1:
        at = s.disown(owner_process) ? giving + 2 : exiting;
        return;
    case giving + 2:  // under the lock
        if (s.open)
            s.owner = receiver_process;
        else
            ++s.released;
        at = s.open ? giving + 3 : exiting;
        return;
    case giving + 3:
        at = s.adopt(receiver_process) ? exiting : giving + 4;
        if (at == exiting) ++s.told;
        return;
    case giving + 4:  // refused: under the lock, back to the giver
        if (s.open)
            s.owner = owner_process;
        else
            ++s.released;
        at = s.open ? giving + 5 : exiting;
        return;
    case giving + 5:
        (void)s.adopt(owner_process);  // a running process's estate is open
        at = exiting;
        return;
    default:
        exit_step(s, at, owner_process);
    }
}

void deleter_step(state& s) {
    int& at = s.at[deleter_thread];
    if (at == 0) {  // under the lock
        at = s.open ? 1 : over;
        s.former_owner = s.owner;
        if (s.open) s.bury();
    } else {
        if (s.disown(s.former_owner)) ++s.released;
        at = over;
    }
}

std::string explore_with(bool heir, bool deleter, std::size_t& visited) {
    state initial;
    initial.will = heir;
    initial.at[heir_thread] = exiting;
    initial.at[receiver_thread] = exiting;
    if (!deleter) initial.at[deleter_thread] = over;
    return explore<state>(
        initial, threads,
        [](state& s, std::size_t thread) {
            if (s.at[thread] == over) return step_result::blocked;
            if (thread == owner_thread) owner_step(s);
            if (thread == heir_thread) exit_step(s, s.at[thread], heir_process);
            if (thread == receiver_thread) exit_step(s, s.at[thread], receiver_process);
            if (thread == deleter_thread) deleter_step(s);
            return step_result::moved;
        },
        [](const state& s, bool quiet) -> std::string {
            if (s.buried > 1) return "buried twice";
            if (s.released > 1) return "given up twice";
            if (!quiet) return {};
            if (s.open) return "a table outlives everybody who could own it";
            if (s.buried != 1 || s.released != 1) return "a table is left behind";
            return {};
        },
        visited);
}

TEST(handover_model, gives_a_table_up_once_in_every_order_of_deaths) {
    for (const bool heir : {false, true})
        for (const bool deleter : {false, true}) {
            std::size_t visited = 0;
            EXPECT_EQ(explore_with(heir, deleter, visited), "");
            EXPECT_GT(visited, 20u);
        }
}

}  // namespace
}  // namespace heirloom::test
