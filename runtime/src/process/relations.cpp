#include "process/relations.hpp"

#include "process/signals.hpp"

namespace heirloom::detail {
namespace {

// Beyond this many, a list gets an index, and keeps it until it is half as long.
constexpr std::uint32_t list_limit = 16;

void destroy_link(message* m) noexcept { destroy_message<link_entry>(m); }
void destroy_monitor(message* m) noexcept { destroy_message<monitor_entry>(m); }
void destroy_nothing(message*) noexcept {}

}  // namespace

constinit const message_type exit_type{
    message_kind::exit, &destroy_message<typed_message<exit_signal>>, "exit", nullptr};
constinit const message_type link_exit_type{message_kind::link_exit, &destroy_link, "exit",
                                            nullptr};
constinit const message_type link_type{message_kind::link, &destroy_link, "link", nullptr};
constinit const message_type unlink_type{message_kind::unlink, &destroy_link, "unlink", nullptr};
constinit const message_type monitor_type{message_kind::monitor, &destroy_monitor, "monitor",
                                          nullptr};
constinit const message_type demonitor_type{message_kind::demonitor, &destroy_nothing, "demonitor",
                                            nullptr};
constinit const message_type down_type{message_kind::down, &destroy_monitor, "down", nullptr};

link_entry* find_link(process& p, pid peer) noexcept {
    if (p.extras && !p.extras->link_index.empty()) return p.extras->link_index.find(peer.bits());
    for (link_entry* e = p.links; e; e = e->next_entry())
        if (e->peer() == peer) return e;
    return nullptr;
}

void add_link(process& p, link_entry* e) noexcept {
    if (p.link_count >= list_limit || (p.extras && !p.extras->link_index.empty())) try {
            auto& index = p.more().link_index;
            if (index.empty())
                for (link_entry* other = p.links; other; other = other->next_entry())
                    index.insert(other->word, other);
            index.insert(e->word, e);
        } catch (const std::bad_alloc&) {
            if (p.extras) p.extras->link_index.clear();  // the list alone is slower, not wrong
        }
    e->prev = nullptr;
    e->next = p.links;
    if (p.links) p.links->prev = e;
    p.links = e;
    ++p.link_count;
}

void remove_link(process& p, link_entry* e) noexcept {
    if (p.extras && !p.extras->link_index.empty()) p.extras->link_index.erase(e->word);
    if (e->prev)
        e->prev->next = e->next;
    else
        p.links = e->next_entry();
    if (e->next) e->next_entry()->prev = e->prev;
    e->next = nullptr;
    --p.link_count;
    // Given back rather than emptied: to empty it takes as long as it was large, at every removal.
    if (p.link_count <= list_limit / 2 && p.extras && !p.extras->link_index.empty())
        p.extras->link_index = {};
}

link_entry* new_link_entry(pid peer) {
    auto* e = new_message<link_entry>(link_type);
    e->word = peer.bits();
    return e;
}

monitor_entry* find_monitor(process& p, std::uint64_t ref) noexcept {
    if (p.extras && !p.extras->monitor_index.empty()) return p.extras->monitor_index.find(ref);
    for (monitor_entry* e = p.monitors; e; e = e->next_entry)
        if (e->payload.ref.id == ref) return e;
    return nullptr;
}

void add_monitor(process& p, monitor_entry* e) noexcept {
    if (p.monitor_count >= list_limit || (p.extras && !p.extras->monitor_index.empty())) try {
            auto& index = p.more().monitor_index;
            if (index.empty())
                for (monitor_entry* other = p.monitors; other; other = other->next_entry)
                    index.insert(other->payload.ref.id, other);
            index.insert(e->payload.ref.id, e);
        } catch (const std::bad_alloc&) {
            if (p.extras) p.extras->monitor_index.clear();  // the list alone is slower, not wrong
        }
    e->prev = nullptr;
    e->next_entry = p.monitors;
    if (p.monitors) p.monitors->prev = e;
    p.monitors = e;
    ++p.monitor_count;
}

void remove_monitor(process& p, monitor_entry* e) noexcept {
    if (p.extras && !p.extras->monitor_index.empty())
        p.extras->monitor_index.erase(e->payload.ref.id);
    if (e->prev)
        e->prev->next_entry = e->next_entry;
    else
        p.monitors = e->next_entry;
    if (e->next_entry) e->next_entry->prev = e->prev;
    --p.monitor_count;
    if (p.monitor_count <= list_limit / 2 && p.extras && !p.extras->monitor_index.empty())
        p.extras->monitor_index = {};
}

void add_watcher(process& p, monitor_entry* e) noexcept {
    e->prev_watcher = nullptr;
    e->next_watcher = p.watchers;
    if (p.watchers) p.watchers->prev_watcher = e;
    p.watchers = e;
}

void remove_watcher(process& p, monitor_entry* e) noexcept {
    if (e->prev_watcher)
        e->prev_watcher->next_watcher = e->next_watcher;
    else
        p.watchers = e->next_watcher;
    if (e->next_watcher) e->next_watcher->prev_watcher = e->prev_watcher;
}

monitor_entry* new_monitor_entry(process& watcher, pid target, alias_mode alias) {
    const monitor_ref ref{{watcher.id, ++watcher.next_ref}};
    watcher.mark_queue(ref.id);
    auto* e = new_message<monitor_entry>(monitor_type, down{ref, target, {}, {}});
    e->demonitor.type = &demonitor_type;
    e->demonitor.word = static_cast<std::uint64_t>(alias) << 8;
    if (alias != alias_mode::none) try {
            watcher.more().aliases.emplace(ref.id, alias);
        } catch (...) {
            e->type->destroy(e);
            throw;
        }
    return e;
}

void notify_relations(process& p, const exit_reason& why) noexcept {
    while (link_entry* e = p.links) {
        p.links = e->next_entry();
        e->type = &link_exit_type;
        e->why = why;
        const pid peer = e->peer();
        e->word = p.id.bits();
        deliver(peer, e);
    }
    p.link_count = 0;
    while (monitor_entry* e = p.watchers) {
        p.watchers = e->next_watcher;
        e->payload.reason = why;
        e->type = &down_type;
        const pid watcher = e->payload.ref.owner;
        deliver(watcher, e);
    }
    while (monitor_entry* e = p.monitors) {
        p.monitors = e->next_entry;
        // M1: accepted, the target frees the record; refused, it comes back as a down and is freed on refusal.
        deliver(e->payload.from, &e->demonitor);
    }
    p.monitor_count = 0;
}

}  // namespace heirloom::detail
