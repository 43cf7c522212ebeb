#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <heirloom/supervisor.hpp>
#include <heirloom/test_kit.hpp>

// For tests of supervision trees: what stands where, and how often it was restarted.
namespace heirloom {

/// A child and, of a supervisor that runs, its children.
struct supervised {
    child_info child;
    std::vector<supervised> children = {};
};

/// The tree below a supervisor, in the order of the starts. Waits for each supervisor's answer; one
/// that is gone by then has no children. Requires: called by a process.
inline std::vector<supervised> tree_of(supervisor_ref sup) {
    std::vector<supervised> tree;
    for (child_info& c : which_children(sup)) {
        const auto below = c.as<supervisor>();
        tree.push_back({std::move(c)});
        if (!below) continue;
        try {
            tree.back().children = tree_of(below);
        } catch (const call_failed&) {  // NOLINT(bugprone-empty-catch): it ended meanwhile
        }
    }
    return tree;
}

/// The tree as text, to compare with: one line a child, indented, `id` or `id (stopped)`, `id
/// (restarting)`.
inline std::string draw(const std::vector<supervised>& tree, std::size_t depth = 0) {
    std::string text;
    for (const supervised& s : tree) {
        text.append(depth * 2, ' ').append(s.child.id);
        if (s.child.status == child_status::stopped) text += " (stopped)";
        if (s.child.status == child_status::restarting) text += " (restarting)";
        text += '\n';
        text += draw(s.children, depth + 1);
    }
    return text;
}

/// How often a child has been restarted since it was first started. Throws requirement_failed if
/// there is no such child.
inline std::size_t restarts_of(supervisor_ref sup, std::string_view id) {
    for (const child_info& c : which_children(sup))
        if (c.id == id) return c.restarts;
    throw requirement_failed("that there is a child \"" + std::string(id) + "\" does not hold");
}

/// The incarnation of a named server after `last`, as next_incarnation.
template <class T>
server<T> next_incarnation(server_name<T> name, server<T> last = {},
                           duration limit = std::chrono::seconds(5)) {
    return server<T>(next_incarnation(name.name(), pid(last), limit));
}

}  // namespace heirloom
