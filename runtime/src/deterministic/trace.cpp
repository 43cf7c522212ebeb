#include "deterministic/trace.hpp"

#include "heirloom/exit_reason.hpp"
#include "process/process.hpp"
#include "process/relations.hpp"
#include "scheduler/runtime_core.hpp"

#include <cstdio>
#include <sstream>
#include <string>

namespace heirloom::detail {
namespace {

constexpr std::size_t longest_payload = 60;

/// The core that wants the line; null if none does.
runtime_core* tracing(runtime_core* core) noexcept {
    return core && core->choices && core->choices->tracing() ? core : nullptr;
}

std::string who(const process& p) {
    std::string text = to_string(p.id);
    if (p.name) text += " \"" + std::string(p.name.text()) + '"';
    return text;
}
std::string who(pid id) {
    if (!id) return "the outside";
    const process* p = resolve(id);
    return p && p->lives_as(id) ? who(*p) : to_string(id);
}

/// What a message carries, if it can be printed and what it prints is no address.
std::string payload(const message& m) {
    if (!m.type->print || m.type->name.spelled.find("_ptr<") != std::string_view::npos) return {};
    std::ostringstream out;
    m.type->print(out, &m);
    std::string text = std::move(out).str();
    if (text.size() > longest_payload) text = text.substr(0, longest_payload) + "...";
    for (char& c : text)
        if (static_cast<unsigned char>(c) < ' ') c = ' ';
    return ' ' + text;
}

std::string what(const message& m) {
    switch (m.type->kind) {
    case message_kind::call:
        return "call " + std::string(m.type->name);
    case message_kind::reply: {
        const auto& r = static_cast<const reply_message&>(m);
        if (!r.failed) return "reply " + std::string(m.type->name);
        return "bad news for a call: " + to_string(static_cast<const failed_reply&>(r).payload);
    }
    case message_kind::exit:
        return "exit signal: " +
               to_string(static_cast<const typed_message<exit_signal>&>(m).payload.reason);
    case message_kind::link_exit:
        return "exit of a link: " + to_string(static_cast<const link_entry&>(m).why);
    case message_kind::down:
        return "down: " + to_string(static_cast<const monitor_entry&>(m).payload.reason);
    case message_kind::user:
        if (m.type == &user_type<down>)
            return "down of " + to_string(static_cast<const typed_message<down>&>(m).payload.from) +
                   ": " + to_string(static_cast<const typed_message<down>&>(m).payload.reason);
        if (m.type == &user_type<exit_signal>)
            return "exit signal of " +
                   to_string(static_cast<const typed_message<exit_signal>&>(m).payload.from) +
                   ": " +
                   to_string(static_cast<const typed_message<exit_signal>&>(m).payload.reason);
        break;
    default:
        break;
    }
    return std::string(m.type->name) + payload(m);
}

void write(runtime_core& core, const std::string& text) noexcept {
    char stamp[40];
    const std::int64_t now = core.virtual_now;
    std::snprintf(stamp, sizeof stamp, "%10lld.%03d us  ", static_cast<long long>(now / 1000),
                  static_cast<int>(now % 1000));
    try {
        core.choices->options().trace(stamp + text);
    } catch (
        ...) {  // NOLINT(bugprone-empty-catch): a trace function that fails loses its line, no more
    }
}

/// Builds the line only where somebody wants it; without memory for it, it is lost.
template <class Build>
void line(runtime_core* core, Build&& build) noexcept {
    if (!(core = tracing(core))) return;
    try {
        write(*core, build());
    } catch (...) {  // NOLINT(bugprone-empty-catch)
    }
}

}  // namespace

void trace_spawn(runtime_core& core, const process& child, const process* parent) noexcept {
    line(&core, [&] {
        return (parent ? who(*parent) : std::string("the outside")) + " spawns " + who(child) +
               ": " + std::string(child.entry());
    });
}

void trace_send(const thread_context& t, pid to, const message& m) noexcept {
    runtime_core* core = runtime_core::find(to.runtime_index());
    line(core, [&] {
        const process* target = resolve(to);
        const bool reaches = target && target->lives_as(to);
        // While a timer fires no process runs.
        const std::string from =
            t.current ? who(*t.current) : std::string(t.role ? "the timer" : "the outside");
        return from + " sends " + who(to) + (reaches ? " " : ", which is dead, ") + what(m);
    });
}

void trace_take(const process& p, const message& m) noexcept {
    line(runtime_core::find(p.id.runtime_index()), [&] { return who(p) + " takes " + what(m); });
}

void trace_wait(const process& p) noexcept {
    runtime_core* core = runtime_core::find(p.id.runtime_index());
    line(core, [&] {
        std::string text = who(p) + " waits";
        if (p.waiting_for) text += " for a reply of " + who(p.waiting_for);
        if (p.wait_timer && p.wait_timer->when != timer_queue::never)
            text += ", at most " + std::to_string((p.wait_timer->when - core->virtual_now) / 1000) +
                    " us";
        return text;
    });
}

void trace_ready(runtime_core& core, const process& p) noexcept {
    line(&core, [&] { return who(p) + " can run"; });
}

void trace_run(runtime_core& core, const process& p) noexcept {
    line(&core, [&] { return who(p) + " runs"; });
}

void trace_timer(runtime_core& core, timer_kind kind, pid target, const message* body) noexcept {
    line(&core, [&] {
        if (kind == timer_kind::wake) return "a limit of " + who(target) + " passes";
        return "a timer for " + who(target) + " fires" +
               (kind == timer_kind::server ? "" : ": " + what(*body));
    });
}

void trace_exit(runtime_core& core, const process& p, std::string_view why) noexcept {
    line(&core, [&] { return who(p) + " ends: " + std::string(why); });
}

void trace_fault(runtime_core& core, fault f, const process* victim) noexcept {
    line(&core, [&] {
        static constexpr std::string_view said[] = {
            "is killed",          "is refused an allocation",
            "is refused a stack", "is held up with its worker",
            "crashes in init",    "crashes in terminate"};
        return "FAULT " + (victim ? who(*victim) : std::string("somebody")) + ' ' +
               std::string(said[static_cast<std::size_t>(f)]);
    });
}

}  // namespace heirloom::detail
