#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <functional>
#include <iosfwd>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <heirloom/atom.hpp>
#include <heirloom/detail/blocks.hpp>
#include <heirloom/detail/fields.hpp>
#include <heirloom/detail/type_label.hpp>
#include <heirloom/pid.hpp>

namespace heirloom {

/// Vouches for a type: specialise to `std::true_type` for a class of yours that holds pointers but owns
/// (or never frees) what they point to, and may therefore travel in messages and live in tables.
template <class T>
struct owns_what_it_holds;

namespace detail {

template <class T>
constexpr bool owns();

template <class Fields>
struct all_own;
template <class... Fields>
struct all_own<field_list<Fields...>> : std::bool_constant<(owns<Fields>() && ...)> {};

template <class T>
struct container_owns : std::true_type {};
// clang-format off
template <class... A> struct container_owns<std::vector<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::deque<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::list<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::forward_list<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::map<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::multimap<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::set<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::multiset<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::unordered_map<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::unordered_set<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::optional<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::variant<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::tuple<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::pair<A...>> : all_own<field_list<A...>> {};
template <class... A> struct container_owns<std::unique_ptr<A...>> : all_own<field_list<A...>> {};
template <class A, std::size_t N> struct container_owns<std::array<A, N>> : all_own<field_list<A>> {};
template <class... A> struct container_owns<std::basic_string_view<A...>> : std::false_type {};
template <class A, std::size_t N> struct container_owns<std::span<A, N>> : std::false_type {};
template <class A> struct container_owns<std::reference_wrapper<A>> : std::false_type {};
// clang-format on

template <class T>
struct is_std_array : std::false_type {};
template <class T, std::size_t N>
struct is_std_array<std::array<T, N>> : std::true_type {};

template <class T>
concept vouched = requires { requires owns_what_it_holds<std::remove_cv_t<T>>::value; };

template <class T>
constexpr bool owns() {
    if constexpr (vouched<T>) {
        return true;
    } else if constexpr (std::is_reference_v<T>) {
        return false;
    } else if constexpr (std::is_pointer_v<T>) {
        return std::is_function_v<std::remove_pointer_t<T>>;
    } else if constexpr (std::is_array_v<T>) {
        return owns<std::remove_extent_t<T>>();
    } else if constexpr (!container_owns<std::remove_cv_t<T>>::value) {
        return false;
    } else if constexpr (std::is_class_v<T> && std::is_aggregate_v<T> && !std::is_empty_v<T> &&
                         !is_std_array<std::remove_cv_t<T>>::value) {
        return all_own<typename aggregate_fields<std::remove_cv_t<T>>::type>::value;
    } else {
        return true;
    }
}

}  // namespace detail

template <class T>
struct owns_what_it_holds : std::false_type {};
template <>
struct owns_what_it_holds<atom> : std::true_type {};

/// A type that may be sent: it can be moved, and owns all it holds.
template <class T>
concept sendable = std::is_object_v<T> && std::is_move_constructible_v<T> && detail::owns<T>();

namespace detail {

/// What a message stores for an argument of type A: by value; a character array becomes a std::string.
template <class A>
using stored_t = std::conditional_t<std::is_convertible_v<A, const char*> &&
                                        std::is_array_v<std::remove_reference_t<A>>,
                                    std::string, std::decay_t<A>>;

template <class T>
constexpr void check_sendable() {
    static_assert(owns<T>(),
                  "heirloom: a message must own what it holds; send std::string, std::vector or "
                  "shared_ptr<const T>");
    static_assert(std::is_move_constructible_v<T>, "heirloom: a message must be movable");
    static_assert(std::is_nothrow_destructible_v<T>,
                  "heirloom: a message's destructor must not throw");
}

enum class message_kind : std::uint8_t {
    user,   // what receive sees
    call,   // a request that names its reply; also seen by servers
    reply,  // answers one call
    // Signals: handled when the mailbox is drained, never seen by receive as such.
    exit,       // exit(pid, reason)
    link_exit,  // a linked process ended
    link,
    unlink,
    monitor,
    demonitor,
    down,
    call_done,
    inspect,  // process_info
    suspend,
    resume,
    timeout,  // a timer of the process itself
    bell,     // holds user messages of a mailbox that drops its oldest
};

struct message;

struct message_type {
    message_kind kind;
    /// Destroys the payload and gives the block back.
    void (*destroy)(message*) noexcept;
    type_label name;  // of the payload's type
    /// Writes the payload if it can be printed; may be null.
    void (*print)(std::ostream&, const message*);
    /// Of calls: destroys the payload and leaves the block, of this many bytes, for the bad news.
    void (*gut)(message*) noexcept = nullptr;
    std::uint32_t bytes = 0;
};

/// The head of every message block. Blocks are cache lines; a payload of up to 40 bytes shares the first.
struct message {
    message* next = nullptr;
    const message_type* type = nullptr;
    std::uint64_t word =
        0;  // the caller's pid; of a user message: alias id and whether its mailbox counted it
};

inline constexpr std::uint64_t counted_in = std::uint64_t{1} << 63;

template <class T>
struct typed_message : message {
    template <class... A>
    explicit typed_message(A&&... args) : payload(std::forward<A>(args)...) {}
    T payload;
};

template <class T>
concept printable = requires(std::ostream& out, const T& value) { out << value; };

template <class Message>
void destroy_message(message* m) noexcept {
    auto* typed = static_cast<Message*>(m);
    typed->~Message();
    free_block(typed, sizeof(Message));
}

template <class Message>
void gut_message(message* m) noexcept {
    static_cast<Message*>(m)->~Message();
}

template <class T>
void print_payload(std::ostream& out, const message* m) {
    if constexpr (printable<T>) out << static_cast<const typed_message<T>*>(m)->payload;
}

/// One object a type: its address is the type's identity in the mailbox.
template <class T>
inline constexpr message_type user_type{message_kind::user, &destroy_message<typed_message<T>>,
                                        label_of<T>, printable<T> ? &print_payload<T> : nullptr};

/// Owns a message that is in no mailbox.
struct message_deleter {
    void operator()(message* m) const noexcept { m->type->destroy(m); }
};
using message_ptr = std::unique_ptr<message, message_deleter>;

template <class Message, class... A>
Message* new_message(const message_type& type, A&&... args) {
    void* block;
    if constexpr (alignof(Message) > block_alignment)
        block = allocate_block(sizeof(Message), alignof(Message));
    else
        block = allocate_block(sizeof(Message));
    Message* m;
    if constexpr (std::is_nothrow_constructible_v<Message, A...>) {
        m = ::new (block) Message(std::forward<A>(args)...);
    } else {
        try {
            m = ::new (block) Message(std::forward<A>(args)...);
        } catch (...) {
            free_block(block, sizeof(Message));
            throw;
        }
    }
    m->type = &type;
    return m;
}

template <class T, class... A>
typed_message<T>* new_user_message(A&&... args) {
    return new_message<typed_message<T>>(user_type<T>, std::forward<A>(args)...);
}

}  // namespace detail
}  // namespace heirloom
