#pragma once

#include <any>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <heirloom/atom.hpp>

namespace heirloom {

class exit_reason;

namespace detail {

enum class reason_kind : std::uint8_t { atom, compound, value, crash };

/// What an exit reason points to. Constant after it was made, shared by count; the well-known reasons
/// are immortal constants, so that passing `killed` on costs nothing.
struct reason_node {
    mutable std::uint32_t count = 0;  // accessed atomically; unused when immortal
    bool immortal = false;
    reason_kind kind = reason_kind::atom;
    atom tag;

    constexpr explicit reason_node(atom a) noexcept : immortal(true), tag(a) {}
    reason_node(reason_kind k, atom a) noexcept : kind(k), tag(a) {}
};

struct reason_extra;
void hold(const reason_node* node) noexcept;
void release(const reason_node* node) noexcept;

}  // namespace detail

/// Why a process ended. A small immutable value, cheap to copy and safe to share: an atom (`normal`,
/// `killed`, `"no_keeper"_a`), an atom with a detail (`{shutdown, x}`), any value, or a crash.
class exit_reason {
public:
    /// `normal`.
    exit_reason() noexcept;
    exit_reason(atom name);  // NOLINT(google-explicit-constructor)

    /// `{tag, detail}`, Erlang's compound reason, such as `{shutdown, X}`.
    exit_reason(atom tag, exit_reason detail);

    /// Any value of the user's own as a reason; `text` is how it prints. A string prints as it is.
    template <class T>
    static exit_reason of(T value, std::string text = {}) {
        return make_value(std::any(std::move(value)), std::move(text));
    }

    /// A crash: the exception's type, its `what()`, and the raw addresses of the stack where it was thrown.
    static exit_reason crash(std::string exception_type, std::string what,
                             std::vector<void*> stack = {});

    constexpr explicit exit_reason(const detail::reason_node* immortal) noexcept
        : node_(immortal) {}
    exit_reason(const exit_reason& other) noexcept : node_(other.node_) { detail::hold(node_); }
    exit_reason(exit_reason&& other) noexcept;
    exit_reason& operator=(exit_reason other) noexcept {
        std::swap(node_, other.node_);
        return *this;
    }
    ~exit_reason() { detail::release(node_); }

    /// The atom that names the reason; for a crash the atom `crash`, for a value the atom `value`.
    atom tag() const noexcept { return node_->tag; }
    bool is(atom name) const noexcept { return node_->tag == name; }

    /// An exception that nobody caught.
    bool is_crash() const noexcept { return node_->kind == detail::reason_kind::crash; }
    /// `normal`, `shutdown` or `{shutdown, X}`: ends that are nobody's fault and are not reported.
    bool is_orderly() const noexcept;

    /// The X of `{tag, X}`; nullptr if there is none.
    const exit_reason* detail() const noexcept;
    /// The user's value, if the reason was made by `of<T>`.
    template <class T>
    const T* value() const noexcept {
        const std::any* any = held_value();
        return any ? std::any_cast<T>(any) : nullptr;
    }
    /// Of a crash: what() of the exception. Otherwise how the reason prints.
    std::string_view what() const noexcept;
    /// Of a crash: the demangled type of the exception. Otherwise empty.
    std::string_view exception_type() const noexcept;
    /// Of a crash: return addresses where the exception was thrown, innermost first.
    const std::vector<void*>& stack() const noexcept;

    /// Structural: same atom, same detail, same exception type and text. Two values of the user's own
    /// (`of<T>`) are equal when they are the same object or print the same non-empty text.
    friend bool operator==(const exit_reason& a, const exit_reason& b) noexcept;

private:
    static exit_reason make_value(std::any value, std::string text);
    const std::any* held_value() const noexcept;
    const detail::reason_extra* extra() const noexcept;

    const detail::reason_node* node_;
};

std::string to_string(const exit_reason& reason);
std::ostream& operator<<(std::ostream& out, const exit_reason& reason);

namespace detail {
inline constexpr reason_node normal_node{"normal"}, kill_node{"kill"}, killed_node{"killed"},
    shutdown_node{"shutdown"}, no_process_node{"no_process"}, timeout_node{"timeout"},
    no_reply_node{"no_reply"}, would_deadlock_node{"would_deadlock"},
    system_limit_node{"system_limit"}, runtime_stopped_node{"runtime_stopped"},
    stack_overflow_node{"stack_overflow"}, abandoned_node{"abandoned"};
}  // namespace detail

/// The reasons the library itself gives. `kill` is what one sends, `killed` is what the victim ends with.
namespace reason {
inline const exit_reason normal{&detail::normal_node};
inline const exit_reason kill{&detail::kill_node};
inline const exit_reason killed{&detail::killed_node};
inline const exit_reason shutdown{&detail::shutdown_node};
inline const exit_reason no_process{&detail::no_process_node};
inline const exit_reason timeout{&detail::timeout_node};
/// A `reply_to` was dropped without an answer.
inline const exit_reason no_reply{&detail::no_reply_node};
/// A child that is being started called the supervisor that waits for it.
inline const exit_reason would_deadlock{&detail::would_deadlock_node};
inline const exit_reason system_limit{&detail::system_limit_node};
inline const exit_reason runtime_stopped{&detail::runtime_stopped_node};
inline const exit_reason stack_overflow{&detail::stack_overflow_node};
inline const exit_reason abandoned{&detail::abandoned_node};
}  // namespace reason

inline exit_reason::exit_reason() noexcept : node_(&detail::normal_node) {}
inline exit_reason::exit_reason(exit_reason&& other) noexcept : node_(other.node_) {
    other.node_ = &detail::normal_node;
}

}  // namespace heirloom
