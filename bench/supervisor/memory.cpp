// What does a server keep while nobody calls it: alone, under a dynamic supervisor, and as one of a million there? The last
// two also say how long starting and asking all of them takes (`seconds`), and stopping them (`seconds_to_end`). Not asked
// here: what an object of the user's keeps (this one is a number), or a server whose handler waits (it holds a stack, see
// runtime/memory.cpp).

#include "supervisor/counting_server.hpp"
#include "support/footprint.hpp"

#include <vector>

namespace heirloom::bench {
namespace {

using servers = std::vector<server<counting_server>>;

/// Each answers its first question: it is up, and idle again afterwards.
bool all_answer(const servers& all) {
    for (const auto& s : all)
        if (call(s, counting_server::increment{}) != 1) return false;
    return true;
}

weighed idle_server(std::int64_t n) {
    auto all = room_for<server<counting_server>>(n);
    const weighed result = standing_after([&] {
        for (auto& s : all) s = start<counting_server>().value();
        return all_answer(all);
    });
    for (const auto& s : all) stop(s);
    return result;
}

weighed supervised_server(std::int64_t n) {
    auto all = room_for<server<counting_server>>(n);
    const auto sup = dynamic_supervisor::start_link().value();
    weighed result = standing_after([&] {
        const child_spec spec = child<counting_server>("server");
        for (auto& s : all) s = server<counting_server>(start_child(sup, spec).value());
        return all_answer(all) && count_children(sup).active == all.size();
    });
    const auto stopping = std::chrono::steady_clock::now();
    stop(sup);
    result.seconds_to_end = since(stopping);
    for (const auto& s : all) result.right = result.right && !is_alive(s);
    return result;
}

const bool registered = [] {
    weigh("supervisor/memory/idle_server", 100'000, idle_server, share::of_one);
    weigh("supervisor/memory/supervised_server", 100'000, supervised_server, share::of_one);
    weigh("supervisor/memory/million_servers", 1'000'000, supervised_server, share::of_one);
    return true;
}();

}  // namespace
}  // namespace heirloom::bench
