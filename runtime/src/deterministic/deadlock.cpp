// Deterministic mode: nobody can run, somebody waits, and no timer will change that.
#include "heirloom/receive.hpp"
#include "process/process.hpp"
#include "scheduler/runtime_core.hpp"

#include <algorithm>
#include <sstream>

namespace heirloom::detail {
namespace {

constexpr std::size_t listed_messages = 5;

/// Whom a process waits for by name; nobody if it waits for whatever comes.
pid awaited(const runtime_core& core, pid id) {
    const pid next = core.table.at(id.slot())->waiting_for;
    return next && next.runtime_index() == core.index && core.table.at(next.slot())->lives_as(next)
               ? next
               : pid();
}

void tell_process(std::ostringstream& text, const runtime_core& core, pid id) {
    const process& p = *core.table.at(id.slot());
    text << id;
    if (p.name) text << " \"" << p.name << '"';
}

/// Messages that are there and match no handler say most about what went wrong.
void tell_messages(std::ostringstream& text, const process& p) {
    std::size_t count = 0;
    for (const message* m = p.queue.front(); m; m = m->next) ++count;
    if (count == 0) return;
    text << "; " << count << (count == 1 ? " message" : " messages") << " it does not take: ";
    std::size_t told = 0;
    for (const message* m = p.queue.front(); m && told < listed_messages; m = m->next)
        text << (told++ ? ", " : "") << m->type->name;
    if (count > told) text << ", ...";
}

}  // namespace

std::string describe_deadlock(const runtime_core& core) {
    std::ostringstream text;
    text << "heirloom: deadlock: nobody can run, and no timer is armed";
    const std::vector<pid> all = list_processes(core, false);
    for (pid id : all) {
        const process& p = *core.table.at(id.slot());
        text << "\n  ";
        tell_process(text, core, id);
        text << " (" << p.entry() << ") waits for ";
        if (p.awaited != 0) {
            text << (p.waits_for_room ? "room" : "a reply");
            if (p.waiting_for) {
                text << (p.waits_for_room ? " in the mailbox of " : " of ");
                tell_process(text, core, p.waiting_for);
            }
        } else if (p.wanted && p.own_stack) {
            text << "a message: ";
            for (std::size_t i = 0; i < p.wanted->count; ++i)
                text << (i ? " or " : "") << p.wanted->names[i];
        } else {
            text << (p.own_stack ? "a signal" : "any message");
        }
        tell_messages(text, p);
    }
    // A cycle of calls is worth its own sentence; told from its least pid, once.
    for (pid first : all) {
        std::vector<pid> path{first};
        for (;;) {
            const pid next = awaited(core, path.back());
            if (!next || (next != first && std::find(path.begin(), path.end(), next) != path.end()))
                break;
            path.push_back(next);
            if (next == first) break;
        }
        if (path.size() < 2 || path.back() != first ||
            *std::min_element(path.begin(), path.end()) != first)
            continue;
        text << "\n  a cycle of calls: ";
        for (std::size_t i = 0; i < path.size(); ++i) {
            if (i) text << " -> ";
            tell_process(text, core, path[i]);
        }
    }
    return std::move(text).str();
}

}  // namespace heirloom::detail
