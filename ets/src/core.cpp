#include "directory.hpp"
#include "fixation.hpp"
#include "reaper.hpp"

#include <string>
#include <utility>

#include <heirloom/ets/detail/core.hpp>
#include <heirloom/ets/transfer.hpp>
#include <heirloom/process.hpp>

namespace heirloom::ets::detail {

namespace {

using transfer_message = heirloom::detail::typed_message<transfer>;

heirloom::detail::message_ptr make_transfer(table_core& table, pid from, gift data) {
    return heirloom::detail::message_ptr(heirloom::detail::new_user_message<transfer>(
        transfer{any_table(table_ref::share(table)), from, std::move(data)}));
}

// Ends the lock-taking of an owner whose table was public, once no stranger can be inside a write.
struct narrowing {
    table_ref table;
    std::uint64_t number;
};

}  // namespace

table_core::~table_core() = default;

void table_core::destroy() noexcept { delete this; }

table_core& table_core::nowhere() noexcept {
    static constexpr table_type none{kind::set, "nothing", "nothing"};
    static table_core* const immortal = new table_core(none);
    return *immortal;
}

std::string table_core::label() const {
    if (this == &nowhere()) return "#table<none>";
    std::lock_guard guard(meta_);
    std::string text = "#table<";
    if (name_) text.append(name_.text()).append(".");
    return text.append(std::to_string(id_)).append(">");
}

atom table_core::name() const {
    std::lock_guard guard(meta_);
    return name_;
}

table_core* table_core::create(const table_type& type, const table_options& options,
                               const char* verb, contents_ptr (*make)(std::uint64_t seed)) {
    heirloom::detail::refuse_in_callback(verb);
    heirloom::detail::safe_point();
    const pid owner = self();
    auto& tables = directory::mine();
    const std::uint64_t seed = heirloom::detail::random_bits();
    contents_ptr rows = make(seed);
    rows->reaper = tables.reaper();
    if (options.access == ets::access::public_) rows->prepare_sharing();
    if (options.keep && !(options.named && options.name))
        throw bad_table_argument(verb, "a table",
                                 "that is kept is claimed by its name, and has none");

    table_ref table(new table_core(type));
    table_core& core = *table;
    core.id_ = tables.next_id();
    core.home_ = (std::uint64_t{owner.runtime_index()} << 56) + 1;
    core.seed_ = seed;
    core.name_ = options.name;
    core.named_ = options.named && options.name;
    if (options.keep) core.trustee_ = tables.reaper();
    heirloom::detail::message_ptr legacy;
    if (options.heir.to && is_alive(options.heir.to)) {
        legacy = make_transfer(core, owner, options.heir.data);
        core.heir_ = options.heir.to;
        core.heir_data_ = options.heir.data;
    }
    core.directory_ = &tables;
    core.owner_.store(owner.bits(), std::memory_order_relaxed);   // published by the gate
    core.contents_.store(rows.get(), std::memory_order_relaxed);  // published by the gate
    core.access_ = options.access;
    if (!tables.add(core)) throw name_taken(verb, core.label(), options.name);
    rows.release();  // NOLINT: the core's from here on; bury() condemns it
    {
        std::lock_guard guard(core.meta_);
        core.legacy_ = legacy.release();
        core.set_gate(options.access);
    }
    core.hold();  // the estate's
    if (!heirloom::detail::adopt(owner, core)) {
        // The caller is running, so its estate is open; only an ending runtime gets here.
        core.settle(owner, reason::shutdown);
        throw no_such_table(verb, core.label());
    }
    core.hold();  // the caller's
    return &core;
}

// --- The way in ---

void table_core::set_gate(ets::access a) noexcept {
    access_ = a;
    std::uint32_t g = gate::alive;
    if (a != ets::access::private_) g |= gate::read_all;
    if (a == ets::access::public_) g |= gate::write_all | gate::lock_writes;
    g |= gate_.load(std::memory_order_relaxed) & gate::lock_writes;  // only written under meta_
    // release; pairs with the acquire of whoever is let in by it.
    gate_.store(g, std::memory_order_release);
}

void table_core::refuse(const char* verb, std::uint64_t self, bool writing) const {
    const auto g = gate_.load(std::memory_order_acquire);  // acquire: as in readers_may_enter()
    if (!(g & gate::alive)) throw no_such_table(verb, label());
    if (self == 0) throw access_denied(verb, label(), "a plain thread may use public tables only");
    if (self - home_ >= pids_of_one_runtime)
        throw access_denied(verb, label(), "the table belongs to another runtime");
    const pid owner = pid::from_bits(owner_.load(std::memory_order_relaxed));  // only for the text
    throw access_denied(verb, label(),
                        std::string(writing ? "only its owner " : "it is private to its owner ") +
                            heirloom::to_string(owner) + (writing ? " may write it" : ""));
}

// The verb's entry came before, so whatever is found alive here stays readable until the verb ends.
void table_core::admit_reader(std::uint64_t self, const char* verb) const {
    const auto g = gate_.load(std::memory_order_acquire);  // as in readers_may_enter()
    const bool admitted = self == 0
                              ? (g & gate::write_all) != 0  // plain threads use public tables
                              : (g & gate::alive) != 0 && owner_.load(std::memory_order_acquire) ==
                                                              self;  // as in writer_may_enter()
    if (!admitted) refuse(verb, self, false);
}

void table_core::admit_writer(std::uint64_t self, const char* verb) const {
    if (self == 0 && (gate_.load(std::memory_order_acquire) & gate::write_all)) return;
    refuse(verb, self, true);
}

// --- Ownership and life ---

void table_core::move_to(pid next) noexcept {
    ++epoch_;
    // release; pairs with the acquire in writer_may_enter(): the next owner sees this one's rows.
    owner_.store(next.bits(), std::memory_order_release);
}

void table_core::close_gate() noexcept {
    // release; pairs with the acquire of whoever looks at the gate next.
    gate_.store(0, std::memory_order_release);
}

void table_core::bury() noexcept {
    directory_->remove(*this);
    heirloom::detail::message_ptr legacy;
    for (;;) {
        fixation_item* item;
        {
            std::lock_guard guard(meta_);
            legacy.reset(std::exchange(legacy_, nullptr));
            heir_ = {};
            item = fixers_;
            if (!item) break;
            item->unlist();  // its share is this loop's now
        }
        if (heirloom::detail::disown(item->who_, *item)) item->drop();  // the estate's share
        item->drop();
    }
    condemn(
        contents_.load(std::memory_order_relaxed));  // no one replaces it once the gate is closed
}

void table_core::settle(pid owner, const exit_reason&) noexcept {
    std::unique_lock guard(meta_);
    const auto open = [&] {
        return (gate_.load(std::memory_order_relaxed) & gate::alive) != 0;
    };  // under meta_
    if (open() && heir_ && heir_ != owner && legacy_) {
        const pid next = heir_;
        auto* legacy = static_cast<transfer_message*>(std::exchange(legacy_, nullptr));
        legacy->payload.from = owner;
        move_to(next);
        guard.unlock();
        if (heirloom::detail::adopt(next, *this)) {
            heirloom::detail::deliver(next, legacy);
            return;
        }
        heirloom::detail::message_deleter()(legacy);
        guard.lock();
    }
    if (open() && trustee_ && trustee_ != owner) {
        const pid next = trustee_;
        move_to(next);
        guard.unlock();
        if (heirloom::detail::adopt(next, *this)) return;
        guard.lock();  // the runtime is ending
    }
    if (open()) {
        close_gate();
        guard.unlock();
        bury();
    } else {
        guard.unlock();
    }
    release();
}

table_core* table_core::claim(const table_type& type, const table_options& options,
                              const char* verb) {
    heirloom::detail::refuse_in_callback(verb);
    heirloom::detail::safe_point();
    const pid claimer = self();
    const table_ref table = options.name && options.named ? find_table(options.name) : table_ref();
    if (table == table_ref()) return nullptr;
    table_core& core = *table;
    pid trustee;
    {
        std::lock_guard guard(core.meta_);
        trustee = core.trustee_;
        // relaxed, under meta_
        if (!trustee || core.owner_.load(std::memory_order_relaxed) != trustee.bits())
            return nullptr;
    }
    if (core.type_ != &type)
        throw wrong_table_type(verb, core.label(), describe_type(type), describe_type(*core.type_));
    // Detached first, as in give_away(): who gets it out of the trustee's estate has it.
    if (!heirloom::detail::disown(trustee, core)) return nullptr;
    bool alive;
    {
        std::lock_guard guard(core.meta_);
        alive = (core.gate_.load(std::memory_order_relaxed) & gate::alive) != 0;  // under meta_
        if (alive) core.move_to(claimer);
        if (!options.keep) core.trustee_ = {};
    }
    if (!alive) {        // a stranger deletes it, which a public table allows
        core.release();  // the estate's share, as in give_away()
        return nullptr;
    }
    if (!heirloom::detail::adopt(claimer, core)) {
        // As in create(): only an ending runtime gets here.
        core.settle(claimer, reason::shutdown);
        throw no_such_table(verb, core.label());
    }
    core.set_options({.access = options.access, .heir = options.heir});
    core.hold();  // the caller's
    return &core;
}

bool table_core::delete_table(const char* verb) {
    std::optional<writing> scope;
    scope.emplace(*this, verb);
    pid owner;
    {
        std::lock_guard guard(meta_);
        if (!(gate_.load(std::memory_order_relaxed) & gate::alive))  // under meta_
            throw no_such_table(verb, "#table<" + std::to_string(id_) + ">");
        owner = pid::from_bits(owner_.load(std::memory_order_relaxed));  // under meta_
        close_gate();
    }
    bury();
    if (heirloom::detail::disown(owner, *this)) release();
    return true;
}

void table_core::delete_all(const char* verb, contents_ptr empty) {
    writing scope(*this, verb);
    contents* old;
    {
        std::lock_guard guard(meta_);
        if (!(gate_.load(std::memory_order_relaxed) & gate::alive))  // under meta_
            throw no_such_table(verb, "#table<" + std::to_string(id_) + ">");
        old = contents_.load(std::memory_order_relaxed);  // under meta_
        empty->reaper = old->reaper;
        if (gate_.load(std::memory_order_relaxed) & gate::lock_writes) empty->prepare_sharing();
        // acq_rel: publishes the new contents; pairs with the acquire in rows().
        contents_.exchange(empty.release(), std::memory_order_acq_rel);
    }
    condemn(old);
}

heirloom::result<void, give_away_error> table_core::give_away(pid to, gift data) {
    constexpr const char* verb = "give_away";
    heirloom::detail::refuse_in_callback(verb);
    heirloom::detail::safe_point();
    const pid giver = self();
    auto note = make_transfer(*this, giver, std::move(data));
    auto spare = make_transfer(*this, giver, {});
    {
        std::lock_guard guard(meta_);
        require_owner(verb, giver);
        if (to == giver) throw already_owner(verb, "#table<" + std::to_string(id_) + ">", giver);
        if (heir_ && !legacy_) {
            static_cast<transfer_message*>(spare.get())->payload.data = heir_data_;
            legacy_ = spare.release();
        }
    }
    const auto gone = [&] {
        release();  // the estate's share: it is in no estate, and nobody else will find it
        throw no_such_table(verb, label());
    };
    // Detached first, so that it is in one estate or in none. Only a deleter, of a public table, can be faster.
    if (!to || !heirloom::detail::disown(giver, *this)) {
        if (!to) return failure(give_away_error{to});
        throw no_such_table(verb, label());
    }
    const auto move = [&](pid next) {
        std::lock_guard guard(meta_);
        if (!(gate_.load(std::memory_order_relaxed) & gate::alive)) return false;  // under meta_
        move_to(next);
        return true;
    };
    if (!move(to)) gone();
    if (heirloom::detail::adopt(to, *this)) {
        heirloom::detail::deliver(to, note.release());
        return {};
    }
    if (!move(giver)) gone();
    if (!heirloom::detail::adopt(giver, *this)) {
        // A running process's estate is open.
        settle(giver, reason::shutdown);
    }
    return failure(give_away_error{to});
}

void table_core::require_owner(const char* verb, pid self) const {
    // Under meta_, so the label is put together here.
    const auto text = [&] {
        return "#table<" + (name_ ? std::string(name_.text()) + "." : "") + std::to_string(id_) +
               ">";
    };
    if (!(gate_.load(std::memory_order_relaxed) & gate::alive))
        throw no_such_table(verb, text());                                     // under meta_
    const pid owner = pid::from_bits(owner_.load(std::memory_order_relaxed));  // under meta_
    if (owner != self) throw not_owner(verb, text(), owner);
}

void table_core::rename(atom name) {
    constexpr const char* verb = "rename";
    writing scope(*this, verb);
    if (!name) throw bad_table_argument(verb, label(), "the empty name names nothing");
    if (!directory_->rename(*this, name)) throw name_taken(verb, label(), name);
}

bool table_core::announce() { return directory_->announce(*this); }

void table_core::set_options(const table_changes& changes) {
    constexpr const char* verb = "setopts";
    heirloom::detail::refuse_in_callback(verb);
    heirloom::detail::safe_point();
    const pid caller = self();
    heirloom::detail::message_ptr legacy;
    pid next_heir;
    gift data;
    if (changes.heir && changes.heir->to && is_alive(changes.heir->to)) {
        next_heir = changes.heir->to;
        data = changes.heir->data;
        legacy = make_transfer(*this, caller, data);
    }
    std::unique_ptr<narrowing> later(new narrowing{table_ref::share(*this), 0});
    bool narrowed = false;
    {
        std::lock_guard guard(meta_);
        require_owner(verb, caller);
        if (changes.access == ets::access::public_)
            contents_.load(std::memory_order_relaxed)
                ->prepare_sharing();  // the last thing that may throw
        if (changes.heir) {
            heir_ = next_heir;
            std::swap(heir_data_, data);
            auto* old = std::exchange(legacy_, legacy.release());
            legacy.reset(old);
        }
        if (changes.access && *changes.access != access_) {
            narrowed = access_ == ets::access::public_;
            later->number = ++narrowings_;
            set_gate(*changes.access);
        }
    }
    if (!narrowed) return;
    heirloom::detail::after_grace_period(
        [](void* p) noexcept {
            std::unique_ptr<narrowing> done(static_cast<narrowing*>(p));
            table_core& t = *done->table;
            std::lock_guard guard(t.meta_);
            // relaxed, under meta_; the store's release pairs with writer_may_enter().
            const auto g = t.gate_.load(std::memory_order_relaxed);
            if ((g & gate::alive) && t.narrowings_ == done->number)
                t.gate_.store(g & ~gate::lock_writes, std::memory_order_release);
        },
        later.release());
}

std::optional<table_info> table_core::info() const {
    std::lock_guard guard(meta_);
    // All relaxed: under meta_.
    if (!(gate_.load(std::memory_order_relaxed) & gate::alive)) return std::nullopt;
    table_info info;
    info.id = id_;
    info.name = name_;
    info.named = named_;
    info.owner = pid::from_bits(owner_.load(std::memory_order_relaxed));
    if (info.owner == trustee_) info.owner = {};
    info.heir = heir_;
    info.kind = type_->kind;
    info.access = access_;
    info.key_type = type_->key.text();
    info.value_type = type_->value.text();
    info.ownership_epoch = epoch_;
    const contents* rows = contents_.load(std::memory_order_relaxed);
    info.size = rows->size();
    info.memory = rows->memory() + sizeof(table_core);
    for (auto* f = fixers_; f; f = f->next_) info.fixations.push_back({f->who_, f->count_});
    info.fixed = !info.fixations.empty();
    if (info.fixed) {
        info.fixed_since = fixed_since_;
        info.fixed_since_wall = fixed_since_wall_;
    }
    return info;
}

void table_core::fix(const char* verb) {
    reading scope(*this, verb);
    const pid who = self();
    {
        std::lock_guard guard(meta_);
        for (auto* f = fixers_; f; f = f->next_)
            if (f->who_ == who) {
                ++f->count_;
                return;
            }
    }
    // Only the running process adds items of its own, so there is still none.
    auto* item = new fixation_item(table_ref::share(*this), who);
    const bool adopted = heirloom::detail::adopt(who, *item);
    {
        std::lock_guard guard(meta_);
        if (adopted && (gate_.load(std::memory_order_relaxed) & gate::alive)) {  // under meta_
            if (!fixers_) {
                fixed_since_ = runtime_clock::now();
                fixed_since_wall_ = heirloom::detail::wall_clock_now();
            }
            item->list();
            return;
        }
    }
    if (!adopted || heirloom::detail::disown(who, *item)) item->drop();
    item->drop();
    throw no_such_table(verb, label());
}

bool table_core::unfix(const char* verb) noexcept {
    (void)verb;
    if (!in_process()) return false;
    const pid who = self();
    fixation_item* item;
    {
        std::lock_guard guard(meta_);
        for (item = fixers_; item && item->who_ != who;) item = item->next_;
        if (!item) return false;
        if (--item->count_ > 0) return true;
        item->unlist();
    }
    if (heirloom::detail::disown(who, *item)) item->drop();  // the estate's share
    item->drop();
    return true;
}

table_ref find_table(atom name) { return directory::mine().find(name); }
std::vector<table_ref> all_tables() { return directory::mine().all(); }

// --- The directory ---

directory::directory() = default;

pid directory::reaper() {
    std::lock_guard guard(lock_);
    if (!reaper_) reaper_ = start_reaper();
    return reaper_;
}

bool directory::add(table_core& table) {
    std::lock_guard guard(lock_);
    if (table.named_ && !names_.try_emplace(table.name_, &table).second) return false;
    table.prev_ = last_;
    (last_ ? last_->next_ : first_) = &table;
    last_ = &table;
    return true;
}

void directory::remove(table_core& table) noexcept {
    std::lock_guard guard(lock_);
    (table.prev_ ? table.prev_->next_ : first_) = table.next_;
    (table.next_ ? table.next_->prev_ : last_) = table.prev_;
    std::lock_guard meta(table.meta_);
    if (table.named_) names_.erase(table.name_);
}

bool directory::rename(table_core& table, atom name) {
    std::lock_guard guard(lock_);
    std::lock_guard meta(table.meta_);
    if (!(table.gate_.load(std::memory_order_relaxed) & gate::alive))  // under meta_
        throw no_such_table("rename", "#table<" + std::to_string(table.id_) + ">");
    if (table.named_) {
        if (!names_.try_emplace(name, &table).second) return false;
        names_.erase(table.name_);
    }
    table.name_ = name;
    return true;
}

bool directory::announce(table_core& table) {
    std::lock_guard guard(lock_);
    std::lock_guard meta(table.meta_);
    if (!(table.gate_.load(std::memory_order_relaxed) & gate::alive)) return false;  // under meta_
    if (!table.named_) table.named_ = names_.try_emplace(table.name_, &table).second;
    return table.named_;
}

table_ref directory::find(atom name) {
    std::lock_guard guard(lock_);
    const auto found = names_.find(name);
    // relaxed: a table that is being deleted may still have its name; one that is found may be deleted any time.
    if (found == names_.end() ||
        !(found->second->gate_.load(std::memory_order_relaxed) & gate::alive))
        return {};
    return table_ref::share(*found->second);
}

std::vector<table_ref> directory::all() {
    std::vector<table_ref> tables;
    std::lock_guard guard(lock_);
    for (auto* t = first_; t; t = t->next_) tables.push_back(table_ref::share(*t));
    return tables;
}

}  // namespace heirloom::ets::detail
