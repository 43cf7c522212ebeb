#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

// A model checker for lock-free code: a few threads, every interleaving of their atomic operations, and for each load every
// store that the C++ memory model lets it see. The code that is checked is the library's own text, compiled with another
// std::atomic (weak_std.hpp).
//
// Memory. Each atomic object is the list of the stores to it. A thread has a view: per object the oldest store that it may still
// read. A load takes one that is not older; an acquire takes over the view that came with a release (or stands at the head of
// its release sequence); a seq_cst fence exchanges views with all seq_cst fences before it. A plain object (`plain`) is checked
// for data races instead.
//
// Limits. Stores to one object take effect in the order in which they are made, and no load reads a store that is not made yet
// (so neither write-write reorderings nor load buffering are seen). A compare-exchange reads the newest value and fails only if
// that differs; seq_cst loads and stores are ordered with each other and with fences, but not otherwise. Switches to another
// thread while one could go on, and loads of anything but the newest store, are limited in number (effort): what a bounded
// number of either can show is found for certain, and a run that was cut off says so.
namespace heirloom::test::weak {

struct effort {
    unsigned preemptions = 3;      // in one run
    unsigned stale_loads = 2;      // in one run
    std::size_t runs = 2'000'000;  // altogether
};

/// The threads of one run, which begins after `make` (see explore) has returned, and what holds when they have ended.
class program {
public:
    void thread(std::function<void()> body) { threads.push_back(std::move(body)); }
    void afterwards(std::function<void()> body) { last = std::move(body); }
    /// Kept until the run is over.
    template <class T, class... Args>
    T& make(Args&&... args) {
        auto made = std::make_shared<T>(std::forward<Args>(args)...);
        kept.push_back(made);
        return *made;
    }

    std::vector<std::function<void()>> threads;
    std::function<void()> last;
    std::vector<std::shared_ptr<void>> kept;
};

struct outcome {
    std::string wrong;  // empty: nothing
    std::size_t runs = 0;
    bool complete = false;             // within the bounds of the effort
    std::vector<std::string> ordered;  // the operations that asked for an order
};

/// Runs every schedule of what `make` sets up, until one fails. With `weakened`, the operations of that name (as in
/// outcome::ordered) are relaxed, and a fence of that name is none.
outcome explore(const std::function<void(program&)>& make, effort = {},
                const std::string& weakened = {});

/// Whether no schedule of `make` fails, all of them were run that the effort allows, and they were more than `more_than`:
/// with fewer the threads did not meet.
testing::AssertionResult holds_always(const std::function<void(program&)>& make, effort = {},
                                      std::size_t more_than = 100);

/// The orders whose loss no schedule of any of these programs notices: each is taken away in its turn.
std::vector<std::string> unnoticed(const std::vector<std::function<void(program&)>>& programs,
                                   effort = {});

// --- In a thread of a run ------------------------------------------------------------------------

/// What must hold; the first that does not is the run's outcome.
void require(bool holds, const std::string& what);
/// Waits until `ready` says so, by the newest values; false if everybody waits.
bool await(const std::function<bool()>& ready);
/// In a loop that waits for another thread: lets one go on, if one can.
void yield() noexcept;
/// What membarrier does: a seq_cst fence on every thread.
void fence_everywhere() noexcept;
/// A seq_cst fence and what is weaker.
void fence(std::memory_order order,
           std::source_location at = std::source_location::current()) noexcept;

/// The place of an operation.
struct place {
    void* raw;
    std::size_t size;
    const char* what;
    std::memory_order order;
    std::source_location at;
};
std::uint64_t load(const place& p) noexcept;
void store(const place& p, std::uint64_t value) noexcept;
/// Changes the newest value; `change` says whether, and to what.
template <class F>
std::uint64_t modify(const place& p, std::memory_order failure, F&& change) noexcept;
namespace inner {
std::uint64_t begin_change(const place& p) noexcept;
void end_change(const place& p, std::uint64_t value) noexcept;
void no_change(const place& p, std::memory_order failure) noexcept;
void touch(const void* object, bool writes) noexcept;
}  // namespace inner
template <class F>
std::uint64_t modify(const place& p, std::memory_order failure, F&& change) noexcept {
    const std::uint64_t old = inner::begin_change(p);
    std::uint64_t next = old;
    if (change(old, next))
        inner::end_change(p, next);
    else
        inner::no_change(p, failure);
    return old;
}

/// An object that is no atomic: two accesses, one of them a write, that nothing orders are an error.
template <class T>
class plain {
public:
    plain() = default;
    explicit plain(T value) : value_(std::move(value)) {}
    const T& read() const noexcept {
        inner::touch(this, false);
        return value_;
    }
    void write(T value) noexcept {
        inner::touch(this, true);
        value_ = std::move(value);
    }

private:
    T value_{};
};

}  // namespace heirloom::test::weak
