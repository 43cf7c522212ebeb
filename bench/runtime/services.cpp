// What do the runtime's small services cost a process: letting others run, a limit that does not
// pass, finding a name, and asking a server while other messages wait? Not asked here: what a
// gen_server adds to a call, or how exactly a timer keeps its time.
#include "support/scenario.hpp"

#include <vector>

#include <heirloom/detail/activity.hpp>
#include <heirloom/names.hpp>
#include <heirloom/timer.hpp>

namespace heirloom::bench {
namespace {

struct start {};
struct finished {
    std::int64_t count;
};

// A yield, of eight processes that do nothing else.
bool yield_in_turn(std::int64_t n, stopwatch& watch) {
    constexpr std::int64_t count = 8;
    std::vector<pid> others;
    for (std::int64_t i = 0; i < count; ++i) {
        others.push_back(spawn([main = self(), each = n / count] {
            receive<start>();
            std::int64_t done = 0;
            for (; done < each; ++done) yield();
            send(main, finished{done});
        }));
    }
    watch.start();
    for (const pid p : others) send(p, start{});
    std::int64_t yields = 0;
    for (std::int64_t i = 0; i < count; ++i) yields += receive<finished>().count;
    watch.stop();
    return yields == n / count * count;
}

// A limit that does not pass: armed, and cancelled before its time.
bool timer_arm_cancel(std::int64_t n, stopwatch& watch) {
    const pid me = self();
    std::int64_t cancelled = 0;
    watch.start();
    for (std::int64_t i = 0; i < n; ++i) {
        const timer_ref limit = send_after(std::chrono::hours(1), me, start{});
        cancelled += cancel(limit).has_value();
    }
    watch.stop();
    return cancelled == n;
}

// The lookup of a name.
bool find_name(std::int64_t n, stopwatch& watch) {
    const atom name = "found"_a;
    register_name(name, self());
    std::int64_t found = 0;
    watch.start();
    for (std::int64_t i = 0; i < n; ++i) found += static_cast<bool>(whereis(name));
    watch.stop();
    return found == n && whereis(name) == self();
}

struct question {
    std::int64_t number;
};

/// Answers each question with its number; keeps no stack while nobody asks.
class answering_server final : public detail::activity {
    detail::disposition run() override {
        while (detail::message* m = detail::next_message()) {
            auto* asked = static_cast<detail::typed_call<question>*>(m);
            auto* answer = detail::new_reply<std::int64_t>(asked->payload.number);
            detail::answer_call(asked, answer);
        }
        return detail::disposition::idle;
    }
};

struct not_now {};

// A call, by a caller whose mailbox holds messages that it will not look at before.
template <int Messages>
bool call_with_backlog(std::int64_t n, stopwatch& watch) {
    const pid me = self();
    const pid server = detail::spawn_activity({}, new answering_server,
                                              {.entry = &detail::label_of<answering_server>})
                           .process;
    for (int i = 0; i < Messages; ++i) send(me, not_now{});
    const auto call = [&](std::int64_t number) {
        detail::reply_message* reply = detail::call_and_wait(
            server, detail::new_call<question>(question{number}), std::chrono::seconds(5));
        if (!reply) return std::int64_t{-1};
        const detail::message_ptr owner(reply);
        return reply->failed ? -1 : static_cast<detail::typed_reply<std::int64_t>*>(reply)->payload;
    };
    if (call(7) != 7) return false;  // also takes the backlog out of the inbox
    std::int64_t sum = 0;
    watch.start();
    for (std::int64_t i = 0; i < n; ++i) sum += call(i);
    watch.stop();
    end(server);
    return sum == sum_below(n);
}

const auto registered = {
    add("runtime/yield", 2'000'000, yield_in_turn),
    add("runtime/timer_arm_cancel", 1'000'000, timer_arm_cancel),
    add("runtime/whereis", 10'000'000, find_name),
    add("runtime/call_with_backlog/messages:0", 1'000'000, call_with_backlog<0>),
    add("runtime/call_with_backlog/messages:100000", 1'000'000, call_with_backlog<100'000>),
};

}  // namespace
}  // namespace heirloom::bench
