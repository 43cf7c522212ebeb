// Deterministic mode: nobody can run, somebody waits, and no timer will change that.
#include <sstream>

#include "process/process.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom::detail {

std::string describe_deadlock(const runtime_core& core) {
    std::ostringstream text;
    text << "heirloom: deadlock: nobody can run";
    for (pid id : list_processes(core, false)) {
        const process& p = *core.table.at(id.slot());
        text << "\n  " << id;
        if (p.name) text << " \"" << p.name << '"';
        text << " (" << p.entry() << ") waits for " << (p.waiting_for ? "a reply of " : "a message");
        if (p.waiting_for) text << p.waiting_for;
        if (p.queued) text << ", with " << p.queued << " messages it does not take";
    }
    // A cycle of calls is worth its own sentence.
    for (pid id : list_processes(core, false)) {
        pid slow = id;
        std::string path = to_string(id);
        for (int steps = 0; steps < 1000; ++steps) {
            const pid next = core.table.at(slow.slot())->waiting_for;
            if (!next || !core.table.at(next.slot())->lives_as(next)) break;
            path += " -> " + to_string(next);
            if (next == id) {
                text << "\n  a cycle of calls: " << path;
                return std::move(text).str();
            }
            slow = next;
        }
    }
    return std::move(text).str();
}

}  // namespace heirloom::detail
