#pragma once

#include <optional>
#include <type_traits>
#include <utility>

namespace heirloom {

namespace detail {
/// Runs job(argument) on a pool thread while the process waits; rethrows what it threw.
void run_blocking(void (*job)(void*), void* argument);
}  // namespace detail

/// Runs `f` on a thread of the blocking pool, as the same process, and waits for it: for system calls and foreign
/// code that block. In it `self()` and `try_send` work and waits throw. When all threads of the pool are busy it waits
/// for one; throws limit_reached when not one can be started. Not interruptible: a kill waits until `f` returns.
template <class F>
std::invoke_result_t<F&> blocking(F&& f) {
    using R = std::invoke_result_t<F&>;
    if constexpr (std::is_void_v<R>) {
        detail::run_blocking([](void* p) { (*static_cast<std::remove_reference_t<F>*>(p))(); },
                             const_cast<void*>(static_cast<const void*>(&f)));
    } else {
        struct frame {
            std::remove_reference_t<F>* f;
            std::optional<R> value;
        } job{&f, {}};
        detail::run_blocking(
            [](void* p) {
                auto* j = static_cast<frame*>(p);
                j->value.emplace((*j->f)());
            },
            &job);
        return std::move(*job.value);
    }
}

}  // namespace heirloom
