#pragma once

#include "contender.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/fiber/all.hpp>

namespace contender {

std::map<std::string, scenario> runtime_scenarios();
std::map<std::string, scenario> savina_scenarios();

template <class T>
using mailbox = boost::fibers::buffered_channel<T>;

/// Runs a scenario's body on `workers` threads that steal fibers from each other; one worker keeps
/// the plain round-robin scheduler, which has no atomics in its queue.
template <class Body>
auto on_workers(unsigned workers, Body body) {
    if (workers == 1) return body();
    boost::fibers::mutex guard;
    boost::fibers::condition_variable_any finished;
    bool done = false;
    std::vector<std::thread> others;
    for (unsigned i = 1; i < workers; ++i)
        others.emplace_back([&] {
            boost::fibers::use_scheduling_algorithm<boost::fibers::algo::work_stealing>(workers,
                                                                                        false);
            std::unique_lock lock(guard);
            finished.wait(lock, [&] { return done; });
        });
    boost::fibers::use_scheduling_algorithm<boost::fibers::algo::work_stealing>(workers, false);
    auto result = body();
    {
        std::unique_lock lock(guard);
        done = true;
    }
    finished.notify_all();
    for (std::thread& other : others) other.join();
    return result;
}

/// Fibers with small stacks from malloc, which hands a stack back to the next fiber while it is
/// warm; Boost's own pool of stacks may not be shared by workers that steal.
class fiber_source {
public:
    template <class Body>
    boost::fibers::fiber start(Body&& body) {
        return boost::fibers::fiber(boost::fibers::launch::post, std::allocator_arg, stacks_,
                                    std::forward<Body>(body));
    }
    /// The new fiber runs at once and its starter waits in the queue.
    template <class Body>
    boost::fibers::fiber start_first(Body&& body) {
        return boost::fibers::fiber(boost::fibers::launch::dispatch, std::allocator_arg, stacks_,
                                    std::forward<Body>(body));
    }
    template <class Body>
    void start_detached(Body&& body) {
        start(std::forward<Body>(body)).detach();
    }

private:
    static constexpr std::size_t stack_size = 16 << 10;
    boost::fibers::fixedsize_stack stacks_{stack_size};
};

}  // namespace contender
