#include "process/names.hpp"

#include "heirloom/detail/activity.hpp"

#include <cstring>

namespace heirloom::detail {

name_table::name_table() : table_(new table(64)) {}
name_table::~name_table() { delete table_.load(std::memory_order_relaxed); }

name_table::slot* name_table::locate(const table& t, atom name) noexcept {
    for (std::size_t i = name.hash() & t.mask;; i = (i + 1) & t.mask) {
        slot& s = t.slots[i];
        // acquire; pairs with the release in claim(): whoever sees the text sees the hash.
        const char* text = s.text.load(std::memory_order_acquire);
        if (!text) return nullptr;
        if (s.hash.load(std::memory_order_relaxed) == name.hash() &&
            (text == name.c_str() || name.text() == text))
            return &s;
    }
}

name_table::slot& name_table::claim(table& t, atom name) noexcept {
    for (std::size_t i = name.hash() & t.mask;; i = (i + 1) & t.mask) {
        slot& s = t.slots[i];
        if (s.text.load(std::memory_order_relaxed)) continue;
        s.hash.store(name.hash(), std::memory_order_relaxed);
        s.text.store(name.c_str(), std::memory_order_release);
        ++t.used;
        return s;
    }
}

pid name_table::find(atom name) const noexcept {
    if (!name) return {};
    // acquire; pairs with the release in grow().
    const slot* s = locate(*table_.load(std::memory_order_acquire), name);
    return s ? holder_of(*s) : pid{};
}

name_table::outcome name_table::occupy(atom name, std::uint64_t holder) {
    std::lock_guard lock(mutex_);
    table* t = table_.load(std::memory_order_relaxed);
    slot* s = locate(*t, name);
    if (!s) {
        if ((t->used + 1) * 4 > (t->mask + 1) * 3) {
            grow();
            t = table_.load(std::memory_order_relaxed);
        }
        s = &claim(*t, atom::intern(name.text()));
    } else if (s->holder.load(std::memory_order_relaxed) != 0) {
        return outcome::taken;
    }
    s->holder.store(holder, std::memory_order_release);
    return outcome::done;
}

void name_table::hand_to(atom name, pid who) noexcept {
    std::lock_guard lock(mutex_);
    locate(*table_.load(std::memory_order_relaxed), name)
        ->holder.store(who.bits(), std::memory_order_release);
}

pid name_table::erase(atom name, pid only) noexcept {
    std::lock_guard lock(mutex_);
    slot* s = name ? locate(*table_.load(std::memory_order_relaxed), name) : nullptr;
    if (!s) return {};
    const pid holder = holder_of(*s);
    if (!holder || (only && holder != only)) return {};
    s->holder.store(0, std::memory_order_release);
    return holder;
}

std::vector<atom> name_table::all() const {
    std::lock_guard lock(mutex_);
    std::vector<atom> names;
    const table* t = table_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i <= t->mask; ++i)
        if (holder_of(t->slots[i]))
            names.push_back(atom::intern(t->slots[i].text.load(std::memory_order_relaxed)));
    return names;
}

void name_table::grow() {
    table* old = table_.load(std::memory_order_relaxed);
    std::size_t live = 0;
    for (std::size_t i = 0; i <= old->mask; ++i)
        if (old->slots[i].holder.load(std::memory_order_relaxed)) ++live;
    std::size_t capacity = 64;
    while (capacity < live * 3) capacity *= 2;
    auto* fresh = new table(capacity);
    for (std::size_t i = 0; i <= old->mask; ++i) {
        slot& s = old->slots[i];
        const auto holder = s.holder.load(std::memory_order_relaxed);
        if (!holder) continue;
        claim(*fresh, atom::intern(s.text.load(std::memory_order_relaxed)))
            .holder.store(holder, std::memory_order_relaxed);
    }
    table_.store(fresh, std::memory_order_release);
    retire(old, [](void* p) noexcept { delete static_cast<table*>(p); });
}

}  // namespace heirloom::detail
