#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/atom.hpp>
#include <heirloom/clock.hpp>
#include <heirloom/message.hpp>
#include <heirloom/pid.hpp>

namespace heirloom::ets {

/// Who may use a table.
enum class access : std::uint8_t {
    private_,    // the owner alone
    protected_,  // everyone reads, the owner writes
    public_,     // everyone reads and writes
};
std::string_view to_string(access a) noexcept;
std::ostream& operator<<(std::ostream& out, access a);

/// What a table is.
enum class kind : std::uint8_t { set, ordered_set, bag, duplicate_bag };
std::string_view to_string(kind k) noexcept;
std::ostream& operator<<(std::ostream& out, kind k);

/// A value that travels with a table when it changes owner: any type that may be sent. Shared, never changed.
class gift {
public:
    gift() = default;
    template <class T>
        requires(!std::is_same_v<std::remove_cvref_t<T>, gift>)
    gift(T&& value)  // NOLINT(google-explicit-constructor)
        : held_(std::make_shared<const holder<heirloom::detail::stored_t<T>>>(
              std::forward<T>(value))) {
        heirloom::detail::check_sendable<heirloom::detail::stored_t<T>>();
    }

    bool has_value() const noexcept { return held_ != nullptr; }
    /// The value if it is a T, else null. Valid as long as any copy of this gift.
    template <class T>
    const T* get() const noexcept {
        return held_ && held_->type == &tag_of<T>
                   ? &static_cast<const holder<T>*>(held_.get())->value
                   : nullptr;
    }
    /// Whether it is that atom.
    bool is(atom name) const noexcept {
        const atom* held = get<atom>();
        return held && *held == name;
    }
    friend std::ostream& operator<<(std::ostream& out, const gift& g) { return g.print(out); }

private:
    struct base {
        explicit base(const char* t) noexcept : type(t) {}
        base(const base&) = delete;
        base& operator=(const base&) = delete;
        virtual ~base() = default;
        virtual void print(std::ostream& out) const = 0;
        const char* type;
    };
    template <class T>
    static constexpr char tag_of = 0;  // its address is the type's identity
    template <class T>
    struct holder final : base {
        template <class U>
        explicit holder(U&& u) : base(&tag_of<T>), value(std::forward<U>(u)) {}
        void print(std::ostream& out) const override {
            if constexpr (heirloom::detail::printable<T>)
                out << value;
            else
                print_type(out, heirloom::detail::type_name<T>());
        }
        T value;
    };
    static void print_type(std::ostream& out, std::string_view type);
    std::ostream& print(std::ostream& out) const;

    std::shared_ptr<const base> held_;
};

/// Who gets the table when its owner ends, and what the transfer says. An empty pid, or one that is dead when it is named:
/// nobody.
struct heir {
    pid to = {};
    gift data = {};
};

struct table_options {
    /// Found by `whereis`; taken: `name_taken`, and no table is made. Empty: no name.
    atom name = {};
    ets::access access = ets::access::protected_;
    ets::heir heir = {};
    /// False: `name` is a label for info and printing only (OTP: no named_table).
    bool named = true;
    /// When its owner ends and there is no living heir, the table is deleted (OTP); true: it stays, owned by nobody, until
    /// somebody claims it by its name (`claim_or_create`) or its runtime ends. For what has to survive every process that
    /// knows it, heirs and supervisors too. Until then its rows can be read, and written if it is public.
    bool keep = false;
};

/// What `setopts` may change; what is absent stays. All or nothing.
struct table_changes {
    std::optional<ets::access> access = {};
    std::optional<ets::heir> heir = {};
};

/// How one process fixes a table.
struct fixation_count {
    pid process;
    std::size_t count = 0;
};

/// What is known of a table (OTP: info/1).
struct table_info {
    std::uint64_t id = 0;
    atom name;
    bool named = false;
    /// Empty: the table is kept for whoever claims it.
    pid owner;
    pid heir;
    ets::kind kind = ets::kind::set;
    ets::access access = ets::access::protected_;
    std::size_t size = 0;
    /// Bytes of the table and its rows; not what rows point to.
    std::size_t memory = 0;
    std::string key_type;
    std::string value_type;
    /// How often the table has changed its owner.
    std::uint64_t ownership_epoch = 0;
    bool fixed = false;
    /// When the table went from free to fixed.
    time_point fixed_since = {};
    std::chrono::system_clock::time_point fixed_since_wall = {};
    std::vector<fixation_count> fixations;
};

}  // namespace heirloom::ets
