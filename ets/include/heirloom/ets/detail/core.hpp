#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <heirloom/detail/activity.hpp>
#include <heirloom/ets/errors.hpp>
#include <heirloom/ets/options.hpp>
#include <heirloom/result.hpp>

// table_core: what every handle points to. A counted header that outlives table and runtime; what the table
// holds hangs below it in a `contents`, which goes when the table does.
//
//   gate      one word that says in a single load who may come in. Written under `meta_`.
//   owner     the pid that may write an unshared table without locks. Written under `meta_`, with release:
//             whoever finds itself there with acquire sees every write of the owners before it.
//   contents  replaced as a whole by delete_all. A reader holds it until its verb ends (quiescence), so a
//             replaced or deleted one is passed on only after a grace period.
//
// Lock order: directory lock, then `meta_`. Neither is held while the runtime's adopt, disown or deliver is called:
// an item is in no estate while it moves, and never are two estates locked.
namespace heirloom::ets {

struct give_away_error;

namespace detail {

/// One constant a table type: its address is the type's identity.
struct table_type {
    ets::kind kind;
    heirloom::detail::type_label key;
    heirloom::detail::type_label value;
};

inline std::string describe_type(const table_type& type) {
    return std::string(to_string(type.kind)) + "<" + std::string(type.key) + ", " +
           std::string(type.value) + ">";
}

/// The rows of a table. Destroyed by the reaper, slice by slice.
class contents {
public:
    contents() = default;
    contents(const contents&) = delete;
    contents& operator=(const contents&) = delete;
    virtual ~contents() = default;
    /// Destroys about `budget` rows; true when none are left. Nobody else reads it any more.
    virtual bool shred(std::size_t budget) noexcept = 0;
    virtual std::size_t size() const noexcept = 0;
    virtual std::size_t memory() const noexcept = 0;
    /// Before the first write by anyone but the owner. May throw bad_alloc.
    virtual void prepare_sharing() = 0;

    /// The message that takes this to the reaper: made with it, for dying never allocates.
    heirloom::detail::message* obituary = nullptr;
    pid reaper;
};

struct contents_deleter {
    void operator()(contents* c) const noexcept;
};
using contents_ptr = std::unique_ptr<contents, contents_deleter>;
/// Gives `c` the message that will take it to the reaper of the caller's runtime.
contents_ptr own_contents(std::unique_ptr<contents> c);
/// Hands contents that readers may still see to the reaper, after a grace period.
void condemn(contents* c) noexcept;

class directory;
class fixation_item;

namespace gate {
inline constexpr std::uint32_t alive = 1;
inline constexpr std::uint32_t read_all = 2;   // protected or public
inline constexpr std::uint32_t write_all = 4;  // public
/// Writers lock buckets. Outlasts write_all by a grace period, until the last stranger's write is over (R6).
inline constexpr std::uint32_t lock_writes = 8;
}  // namespace gate

class table_core final : public heirloom::detail::estate_item {
public:
    /// Makes a table owned by the running process and registers it. Throws not_in_process, name_taken.
    static table_core* create(const table_type& type, const table_options& options,
                              const char* verb, contents_ptr (*make)(std::uint64_t seed));
    /// Makes the running process the owner of the kept table that has the options' name, with their access and heir. Null
    /// if there is none, or somebody was faster. Throws wrong_table_type.
    static table_core* claim(const table_type& type, const table_options& options,
                             const char* verb);
    /// What a handle that names no table points to.
    static table_core& nowhere() noexcept;
    static table_core* claim_or_create(const table_type& type, const table_options& options,
                                       contents_ptr (*make)(std::uint64_t seed)) {
        constexpr const char* verb = "claim_or_create";
        table_core* kept = claim(type, options, verb);
        return kept ? kept : create(type, options, verb, make);
    }

    void hold() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        // acq_rel: the last holder destroys what the others have written.
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
    }

    const table_type& type() const noexcept { return *type_; }
    std::uint64_t id() const noexcept { return id_; }
    std::uint64_t seed() const noexcept { return seed_; }
    /// `#table<name.7>`
    std::string label() const;

    // --- The way in ---

    /// acquire; pairs with the release that opened, narrowed or moved the table.
    bool readers_may_enter(std::uint64_t self) const noexcept {
        constexpr auto open = gate::alive | gate::read_all;
        return (gate_.load(std::memory_order_acquire) & open) == open &&
               self - home_ < pids_of_one_runtime;
    }
    enum class write_mode : std::uint8_t { refused, alone, shared };
    write_mode writer_may_enter(std::uint64_t self) const noexcept {
        const auto g = gate_.load(std::memory_order_acquire);
        if (g & gate::write_all)
            return self - home_ < pids_of_one_runtime ? write_mode::shared : write_mode::refused;
        // acquire; pairs with the release in move_to(): the new owner sees the old one's rows.
        if ((g & gate::alive) && owner_.load(std::memory_order_acquire) == self && self != 0)
            return (g & gate::lock_writes) ? write_mode::shared : write_mode::alone;
        return write_mode::refused;
    }
    /// Whoever was not let in at once: a private table's owner and plain threads are, the rest hear why.
    void admit_reader(std::uint64_t self, const char* verb) const;
    void admit_writer(std::uint64_t self, const char* verb) const;

    contents* rows() const noexcept {
        // acquire; pairs with the release in replace_contents(): whoever sees the pointer sees the object.
        return contents_.load(std::memory_order_acquire);
    }

    // --- Ownership and life, by processes ---

    bool delete_table(const char* verb);
    void delete_all(const char* verb, contents_ptr empty);
    heirloom::result<void, give_away_error> give_away(pid to, gift data);
    void rename(atom name);
    /// Makes a table whose name is a mere label be found by it: for who fills one before others may find it. False if the
    /// name is taken. Requires: it has one.
    bool announce();
    void set_options(const table_changes& changes);
    /// Nothing if the table is gone.
    std::optional<table_info> info() const;
    atom name() const;

    void fix(const char* verb);
    /// False if the caller holds no fixation.
    bool unfix(const char* verb) noexcept;
    bool fixed() const noexcept { return fixations_ != 0; }

    void settle(pid owner, const exit_reason& why) noexcept override;

private:
    friend class directory;
    friend class fixation_item;
    friend class table_list;

    explicit table_core(const table_type& type) noexcept : type_(&type) {}
    ~table_core();
    void destroy() noexcept;

    /// Requires: meta_ held, alive. Closes the gate; the caller then calls bury().
    void close_gate() noexcept;
    /// Takes the name, the fixations and the contents away. Requires: close_gate() by the caller, meta_ free.
    void bury() noexcept;
    /// Requires: meta_ held.
    void move_to(pid next) noexcept;
    /// Requires: meta_ held.
    void set_gate(ets::access a) noexcept;
    void require_owner(const char* verb, pid self) const;
    [[noreturn]] void refuse(const char* verb, std::uint64_t self, bool writing) const;

    static constexpr std::uint64_t pids_of_one_runtime = std::uint64_t{1} << 56;

    // Read by every verb; written when the table opens, moves or ends.
    std::atomic<std::uint32_t> gate_{0};
    std::atomic<std::uint32_t> fixations_{0};
    std::atomic<std::uint64_t> owner_{0};
    std::atomic<contents*> contents_{nullptr};
    std::uint64_t home_ = 1;  // the smallest pid word of the runtime; constant
    std::uint64_t seed_ = 0;  // constant

    const table_type* type_;
    std::uint64_t id_ = 0;

    alignas(64) std::atomic<std::uint64_t> references_{1};
    mutable std::mutex meta_;
    // Guarded by meta_:
    ets::access access_ = ets::access::protected_;
    bool named_ = false;
    atom name_;
    pid heir_;
    gift heir_data_;
    heirloom::detail::message* legacy_ =
        nullptr;   // the transfer message for the heir, made in advance
    pid trustee_;  // who holds the table when nobody is left to inherit it; none: it is deleted then
    std::uint64_t epoch_ = 0;
    std::uint64_t narrowings_ = 0;
    time_point fixed_since_;
    std::chrono::system_clock::time_point fixed_since_wall_;
    fixation_item* fixers_ = nullptr;
    // Guarded by the directory's lock:
    directory* directory_ = nullptr;
    table_core* next_ = nullptr;
    table_core* prev_ = nullptr;
};

/// A counted pointer to a core; never null.
class table_ref {
public:
    table_ref() noexcept : core_(&table_core::nowhere()) {}
    /// Takes over one count.
    explicit table_ref(table_core* core) noexcept : core_(core) {}
    table_ref(const table_ref& other) noexcept : core_(other.core_) {
        if (core_ != &table_core::nowhere()) core_->hold();
    }
    table_ref(table_ref&& other) noexcept
        : core_(std::exchange(other.core_, &table_core::nowhere())) {}
    table_ref& operator=(table_ref other) noexcept {
        std::swap(core_, other.core_);
        return *this;
    }
    ~table_ref() {
        if (core_ != &table_core::nowhere()) core_->release();
    }
    static table_ref share(table_core& core) noexcept {
        if (&core != &table_core::nowhere()) core.hold();
        return table_ref(&core);
    }

    table_core& operator*() const noexcept { return *core_; }
    table_core* operator->() const noexcept { return core_; }
    friend bool operator==(const table_ref&, const table_ref&) noexcept = default;

private:
    table_core* core_;
};

/// The table that has the name in the caller's runtime; names no table if none has.
table_ref find_table(atom name);
std::vector<table_ref> all_tables();

/// From a verb's entry to its end: what it finds in the table stays readable, and its thread counts as
/// inside the library (R4).
class verb_scope {
public:
    explicit verb_scope(heirloom::detail::verb_entry entry) noexcept : entry_(entry) {}
    verb_scope(const verb_scope&) = delete;
    verb_scope& operator=(const verb_scope&) = delete;
    ~verb_scope() { heirloom::detail::leave_verb(entry_); }

    std::uint64_t self() const noexcept { return entry_.self; }

private:
    heirloom::detail::verb_entry entry_;
};

/// The scope of a read verb.
class reading {
public:
    reading(const table_core& table, const char* verb) : scope_(heirloom::detail::enter_read()) {
        if (!table.readers_may_enter(scope_.self())) [[unlikely]]
            table.admit_reader(scope_.self(), verb);
    }

private:
    verb_scope scope_;
};

/// The scope of a write verb.
class writing {
public:
    struct quietly {};
    writing(const table_core& table, const char* verb)
        : writing(table, verb, heirloom::detail::enter_write(verb)) {}
    /// Without a safe point: for verbs that destructors use.
    writing(const table_core& table, const char* verb, quietly)
        : writing(table, verb, heirloom::detail::enter_quietly(verb)) {}

    /// Whether others may be writing too.
    bool shared() const noexcept { return mode_ == table_core::write_mode::shared; }
    std::uint64_t self() const noexcept { return scope_.self(); }

private:
    writing(const table_core& table, const char* verb, heirloom::detail::verb_entry entry)
        : scope_(entry), mode_(table.writer_may_enter(entry.self)) {
        if (mode_ == table_core::write_mode::refused) [[unlikely]] {
            table.admit_writer(entry.self, verb);
            mode_ = table_core::write_mode::shared;
        }
    }
    verb_scope scope_;
    table_core::write_mode mode_;
};

/// The scope of a read verb that was let in at once; false, and nothing done, if it was not. Nothing within may throw
/// or call the user's code.
class quick_reading {
public:
    [[gnu::always_inline]] explicit quick_reading(const table_core& table) noexcept
        : thread_(heirloom::detail::enter_quickly(1)) {
        if (thread_ && !table.readers_may_enter(thread_->running->id.bits())) [[unlikely]] {
            heirloom::detail::leave_quickly(thread_);
            thread_ = nullptr;
        }
    }
    quick_reading(const quick_reading&) = delete;
    quick_reading& operator=(const quick_reading&) = delete;
    [[gnu::always_inline]] ~quick_reading() {
        if (thread_) heirloom::detail::leave_quickly(thread_);
    }
    explicit operator bool() const noexcept { return thread_ != nullptr; }

private:
    heirloom::detail::thread_words* thread_;
};

/// The same of a write verb.
class quick_writing {
public:
    [[gnu::always_inline]] explicit quick_writing(const table_core& table) noexcept
        : thread_(heirloom::detail::enter_write_quickly()) {
        if (!thread_) [[unlikely]]
            return;
        mode_ = table.writer_may_enter(thread_->running->id.bits());
        if (mode_ == table_core::write_mode::refused) [[unlikely]] {
            heirloom::detail::leave_quickly(thread_);
            thread_ = nullptr;
        }
    }
    quick_writing(const quick_writing&) = delete;
    quick_writing& operator=(const quick_writing&) = delete;
    [[gnu::always_inline]] ~quick_writing() {
        if (thread_) heirloom::detail::leave_quickly(thread_);
    }
    explicit operator bool() const noexcept { return thread_ != nullptr; }
    bool shared() const noexcept { return mode_ == table_core::write_mode::shared; }

private:
    heirloom::detail::thread_words* thread_;
    table_core::write_mode mode_ = table_core::write_mode::refused;
};

/// While code that a table's user gave for its keys runs (R5: hash, equality, order); the library's own writes no tables.
template <bool UsersOwn>
struct key_code_scope {};
template <>
struct key_code_scope<true> {
    heirloom::detail::callback_scope inside;
};

template <class T>
std::string describe(const T& value) {
    if constexpr (heirloom::detail::printable<T>) {
        std::ostringstream text;
        text << value;
        return std::move(text).str();
    } else {
        return "(a " + std::string(heirloom::detail::type_name<T>()) + ")";
    }
}

}  // namespace detail
}  // namespace heirloom::ets
