#pragma once

#include "model/weak_memory.hpp"

// Puts the library's headers that are included after this one into a namespace of their own, heirloom_weak, where std::atomic,
// std::mutex and the fences are those of the model. So what the models check is the text that ships, not a copy of it.
// Everything of the standard library that those headers use has to come before; leave with end_of_weak_std.hpp.
#include <algorithm>
#include <any>
#include <array>
#include <bit>
#include <chrono>
#include <compare>
#include <concepts>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <new>
#include <optional>
#include <ostream>
#include <queue>
#include <random>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <sched.h>
#include <time.h>

// Names in std: the price of compiling a header's `std::atomic` as it stands.
namespace std {

template <class T>
class weak_atomic {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
    using order = std::memory_order;
    using where = std::source_location;

public:
    using value_type = T;
    static constexpr bool is_always_lock_free = true;

    constexpr weak_atomic() noexcept : raw_{} {}
    constexpr weak_atomic(T value) noexcept : raw_(value) {}
    weak_atomic(const weak_atomic&) = delete;
    weak_atomic& operator=(const weak_atomic&) = delete;

    T load(order o = order::seq_cst, where at = where::current()) const noexcept {
        return from(heirloom::test::weak::load(place("load", o, at)));
    }
    void store(T value, order o = order::seq_cst, where at = where::current()) noexcept {
        heirloom::test::weak::store(place("store", o, at), bits(value));
    }
    T exchange(T value, order o = order::seq_cst, where at = where::current()) noexcept {
        return change("exchange", o, at, [&](T) { return value; });
    }
    T fetch_add(T value, order o = order::seq_cst, where at = where::current()) noexcept {
        return change("fetch_add", o, at, [&](T old) { return static_cast<T>(old + value); });
    }
    T fetch_sub(T value, order o = order::seq_cst, where at = where::current()) noexcept {
        return change("fetch_sub", o, at, [&](T old) { return static_cast<T>(old - value); });
    }
    bool compare_exchange_strong(T& expected, T value, order success, order failure,
                                 where at = where::current()) noexcept {
        bool done = false;
        const auto old =
            heirloom::test::weak::modify(place("compare_exchange", success, at), failure,
                                         [&](std::uint64_t found, std::uint64_t& next) {
                                             done = found == bits(expected);
                                             next = bits(value);
                                             return done;
                                         });
        if (!done) expected = from(old);
        return done;
    }
    bool compare_exchange_strong(T& expected, T value, order o = order::seq_cst,
                                 where at = where::current()) noexcept {
        return compare_exchange_strong(expected, value, o, on_failure(o), at);
    }
    bool compare_exchange_weak(T& expected, T value, order success, order failure,
                               where at = where::current()) noexcept {
        return compare_exchange_strong(expected, value, success, failure, at);
    }
    bool compare_exchange_weak(T& expected, T value, order o = order::seq_cst,
                               where at = where::current()) noexcept {
        return compare_exchange_strong(expected, value, o, on_failure(o), at);
    }

    T operator=(T value) noexcept {
        store(value);
        return value;
    }
    operator T() const noexcept { return load(); }

private:
    static order on_failure(order o) noexcept {
        return o == order::acq_rel ? order::acquire : o == order::release ? order::relaxed : o;
    }
    static std::uint64_t bits(T value) noexcept {
        std::uint64_t b = 0;
        std::memcpy(&b, &value, sizeof(T));
        return b;
    }
    static T from(std::uint64_t b) noexcept {
        T value;
        std::memcpy(&value, &b, sizeof(T));
        return value;
    }
    heirloom::test::weak::place place(const char* what, order o, where at) const noexcept {
        return {const_cast<std::remove_const_t<T>*>(&raw_), sizeof(T), what, o, at};
    }
    template <class F>
    T change(const char* what, order o, where at, F&& f) noexcept {
        return from(heirloom::test::weak::modify(place(what, o, at), o,
                                                 [&](std::uint64_t old, std::uint64_t& next) {
                                                     next = bits(f(from(old)));
                                                     return true;
                                                 }));
    }
    T raw_;  // the newest value
};

class weak_mutex {
public:
    constexpr weak_mutex() noexcept = default;
    bool try_lock() noexcept {
        bool free = false;
        return held_.compare_exchange_strong(free, true, memory_order_acquire,
                                             memory_order_relaxed);
    }
    void lock() noexcept {
        while (!try_lock()) heirloom::test::weak::yield();
    }
    void unlock() noexcept { held_.store(false, memory_order_release); }

private:
    weak_atomic<bool> held_{false};
};

inline void weak_thread_fence(memory_order o,
                              source_location at = source_location::current()) noexcept {
    heirloom::test::weak::fence(o, at);
}
inline void weak_signal_fence(memory_order) noexcept {}

}  // namespace std

#define heirloom heirloom_weak
#define atomic weak_atomic
#define mutex weak_mutex
#define atomic_thread_fence weak_thread_fence
#define atomic_signal_fence weak_signal_fence
