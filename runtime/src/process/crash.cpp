#include "process/crash.hpp"

#include "process/signals.hpp"
#include "process/throw_stack.hpp"
#include "scheduler/runtime_core.hpp"

#include <sstream>

namespace heirloom::detail {

void warn_of_queue(process& p) noexcept {
    while (p.queue_warning <= p.queued)
        p.queue_warning = p.queue_warning > ~0u / 2 ? ~0u : p.queue_warning * 2;
    try {
        std::ostringstream text;
        text << "process " << p.id;
        if (const atom name = name_of(p)) text << " \"" << name << '"';
        text << " (" << p.entry() << ") has " << p.queued
             << " messages that it has not received; the oldest is " << p.queue.front()->type->name;
        runtime_core::current()->logs.push({.level = log_level::warning,
                                            .event = "long_message_queue",
                                            .about = p.id,
                                            .text = std::move(text).str()});
    } catch (...) {  // NOLINT(bugprone-empty-catch): no memory for the warning
    }
}

namespace {

/// The first few of what it had not read, as OTP shows them all.
std::string unread(const process_details& d) {
    constexpr std::size_t shown = 10;
    std::string text;
    for (std::size_t i = 0; i < d.messages.size() && i < shown; ++i)
        text += (i == 0 ? "" : "; ") + d.messages[i];
    if (d.messages.size() > shown)
        text += "; and " + std::to_string(d.messages.size() - shown) + " more";
    return text;
}

}  // namespace

void report_crash(runtime_core& core, process& p, const crash& c) noexcept {
    const exit_reason& why = c.why;
    try {
        log_event event{.level = log_level::error,
                        .event = c.of_main_by_signal ? "main_process_ended" : "crash",
                        .about = p.id};
        std::ostringstream text;
        text << (c.of_main_by_signal ? "the main process " : "process ") << p.id;
        if (const atom name = name_of(p)) text << " \"" << name << '"';
        text << " (" << p.entry() << ')'
             << (c.of_main_by_signal ? " was ended by a signal: " : " ended: ") << why;
        const std::string call = c.of_main_by_signal ? std::string() : failed_call_of(p);
        if (!call.empty()) text << " (" << call << ')';
        event.text = std::move(text).str();
        const process_details d = describe(p);
        event.fields.emplace_back("reason", to_string(why));
        if (why.is_crash()) {
            event.fields.emplace_back("exception", std::string(why.exception_type()));
            event.fields.emplace_back("what", std::string(why.what()));
        }
        if (!call.empty()) event.fields.emplace_back("call", call);
        event.fields.emplace_back("name", std::string(d.name.text()));
        event.fields.emplace_back("entry", d.entry);
        event.fields.emplace_back("parent", to_string(d.parent));
        event.fields.emplace_back("message_queue_len", std::to_string(d.message_queue_len));
        if (!d.messages.empty()) event.fields.emplace_back("messages", unread(d));
        std::string last = last_message_of(p);
        if (last.empty() && c.last_message) last = c.last_message->text();
        // No handler was left by what ends it: what it took last is its own by now, so the type is all that is known.
        if (last.empty() && p.last_taken) last = p.last_taken->name.text();
        if (!last.empty()) event.fields.emplace_back("last_message", std::move(last));
        std::string links;
        for (pid peer : d.links) links += (links.empty() ? "" : " ") + to_string(peer);
        event.fields.emplace_back("links", links);
        event.stack = why.stack();
        core.logs.push(std::move(event));
    } catch (
        ...) {  // NOLINT(bugprone-empty-catch): no memory for the report; the exit itself goes on
    }
}

}  // namespace heirloom::detail
