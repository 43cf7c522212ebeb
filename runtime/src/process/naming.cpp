// Names, as verbs of the running process; the table itself is in names.cpp.
#include "heirloom/names.hpp"
#include "platform/inside.hpp"
#include "process/lifecycle.hpp"
#include "process/signals.hpp"
#include "scheduler/outside.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom {

using namespace detail;

namespace detail {

bool try_register_name(atom name, pid who) {
    runtime_core* core = runtime_core::find(who.runtime_index());
    process* p = resolve(who);
    if (!core || !p) return false;
    // Under this lock the exit reads which name to free, after it has said that it is exiting.
    std::lock_guard lock(p->side_lock);
    if (p->closed.load(std::memory_order_relaxed) || !p->lives_as(who) || p->name) return false;
    if (core->names.insert(name, who) == name_table::outcome::taken) return false;
    p->name = name;
    return true;
}

}  // namespace detail

void register_name(atom name, pid who) {
    if (!name) throw bad_argument("register_name", "the name is empty");
    if (try_register_name(name, who)) return;
    process* p = resolve(who);
    std::string text = "\"" + std::string(name.text()) + "\" cannot name " + to_string(who) + ": ";
    if (!p || !is_alive(who)) throw bad_argument("register_name", text + "it is not alive");
    if (const atom other = name_of(*p))
        throw bad_argument("register_name",
                           text + "it is \"" + std::string(other.text()) + "\" already");
    throw bad_argument("register_name", text + "the name is taken by " + to_string(whereis(name)));
}

void unregister_name(atom name) {
    runtime_core* core = runtime_core::current();
    if (!core) throw not_in_process("unregister_name");
    // Both at once: nobody may find the name free and its holder still called so.
    if (const pid holder = whereis(name)) {
        process* p = resolve(holder);
        std::lock_guard lock(p->side_lock);
        if (p->lives_as(holder) && p->name == name && core->names.erase(name, holder)) {
            p->name = atom();
            return;
        }
    }
    throw bad_argument("unregister_name", "nobody is \"" + std::string(name.text()) + "\"");
}

pid whereis(atom name) noexcept {
    inside_scope scope;
    thread_context& t = scope.thread();
    if (!t.core) return {};
    const outside_scope online(t);
    return t.core->names.find(name);
}

std::vector<atom> registered() {
    runtime_core* core = runtime_core::current();
    return core ? core->names.all() : std::vector<atom>{};
}

std::vector<pid> processes() {
    runtime_core* core = runtime_core::current();
    return core ? list_processes(*core, false) : std::vector<pid>{};
}

}  // namespace heirloom
