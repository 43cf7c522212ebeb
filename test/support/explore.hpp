#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <vector>

// A small model checker: every interleaving of a few threads' steps over an explicit state.
namespace heirloom::test {

/// What one attempt to move a thread did.
enum class step_result { moved, blocked };

/// `State` is copyable and has operator<. `step(state, thread)` moves one thread by one atomic step, or says that it has
/// nothing to do (it has ended, or waits). `check(state, quiet)` returns what is wrong, empty if nothing; `quiet` says
/// that no thread can move. Returns the first thing found wrong in any reachable state; `visited` counts states.
template <class State>
std::string explore(const State& initial, std::size_t threads,
                    const std::function<step_result(State&, std::size_t)>& step,
                    const std::function<std::string(const State&, bool)>& check,
                    std::size_t& visited) {
    std::set<State> seen{initial};
    std::vector<State> todo{initial};
    while (!todo.empty()) {
        const State now = todo.back();
        todo.pop_back();
        bool quiet = true;
        for (std::size_t t = 0; t < threads; ++t) {
            State next = now;
            if (step(next, t) == step_result::blocked) continue;
            quiet = false;
            if (seen.insert(next).second) todo.push_back(next);
        }
        if (std::string wrong = check(now, quiet); !wrong.empty()) return wrong;
    }
    visited = seen.size();
    return {};
}

}  // namespace heirloom::test
