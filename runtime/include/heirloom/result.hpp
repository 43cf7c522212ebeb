#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace heirloom {

/// Wraps the error of a `result` on its way out: `return failure(start_error{...});`
template <class E>
struct failure {
    explicit failure(E e) : error(std::move(e)) {}
    E error;
};

/// A value, or why there is none. `value()` of a failed result calls `error().raise()`, which each error
/// type of the library defines: some throw, some end the process with the reason.
template <class T, class E>
class [[nodiscard]] result {
public:
    using value_type = T;
    using error_type = E;

    result(T value) : state_(std::in_place_index<0>, std::move(value)) {}         // NOLINT
    result(failure<E> f) : state_(std::in_place_index<1>, std::move(f.error)) {}  // NOLINT

    bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    T& value() & { return check(), *std::get_if<0>(&state_); }
    const T& value() const& { return check(), *std::get_if<0>(&state_); }
    T&& value() && { return check(), std::move(*std::get_if<0>(&state_)); }

    /// Requires: has_value().
    T& operator*() & noexcept { return *std::get_if<0>(&state_); }
    const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
    T&& operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
    T* operator->() noexcept { return std::get_if<0>(&state_); }
    const T* operator->() const noexcept { return std::get_if<0>(&state_); }

    template <class U>
    T value_or(U&& other) const& {
        return has_value() ? **this : static_cast<T>(std::forward<U>(other));
    }

    /// Requires: !has_value().
    const E& error() const& noexcept { return *std::get_if<1>(&state_); }
    E&& error() && noexcept { return std::move(*std::get_if<1>(&state_)); }

private:
    void check() const {
        if (!has_value()) error().raise();
    }
    std::variant<T, E> state_;
};

template <class E>
class [[nodiscard]] result<void, E> {
public:
    using value_type = void;
    using error_type = E;

    result() = default;
    result(failure<E> f) : error_(std::move(f.error)) {}  // NOLINT

    bool has_value() const noexcept { return !error_; }
    explicit operator bool() const noexcept { return has_value(); }
    void value() const {
        if (error_) error_->raise();
    }
    /// Requires: !has_value().
    const E& error() const& noexcept { return *error_; }

private:
    std::optional<E> error_;
};

}  // namespace heirloom
