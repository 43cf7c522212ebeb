#pragma once

#include "support/everywhere.hpp"

#include <atomic>
#include <memory>
#include <thread>

#include <heirloom/blocking.hpp>
#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/send.hpp>

namespace heirloom::test {

/// Which thread runs this; out of line, for a caller may be resumed on another one.
[[gnu::noinline]] inline std::thread::id this_thread_id() {
    asm volatile("");
    return std::this_thread::get_id();
}

/// Waits, and comes back on another worker thread wherever there are two: the thread it left is kept busy, and a thread
/// of the blocking pool wakes it.
inline void migrate(const witness& w) {
    struct wake_up {};
    if (w.deterministic() || w.workers() < 2) {
        send(self(), wake_up{});
        yield();
        receive<wake_up>();
        sleep(std::chrono::microseconds(1));
        return;
    }
    const auto before = this_thread_id();
    do {
        struct state {
            std::atomic<bool> hogged{false}, over{false};
        };
        const auto shared = std::make_shared<state>();
        spawn([shared, sleeper = self()] {
            blocking([&] {
                while (!shared->hogged) std::this_thread::yield();
                try_send(sleeper, wake_up{});
            });
        });
        spawn([shared] {
            shared->hogged = true;
            while (!shared->over) std::this_thread::yield();
        });
        struct
            release {  // also if it is killed here: nothing else ends whoever keeps the thread busy
            state& of;
            ~release() { of.over = true; }
        } const at_end{*shared};
        receive<wake_up>();
    } while (this_thread_id() == before);
}

}  // namespace heirloom::test
