// The examples of docs/guide.md.
#include "inside.hpp"

#include <chrono>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/supervision_kit.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

// [example ping]
struct ping {
    pid from;
};
struct pong {
    int n;
};

int ping_twice() {
    const pid echo = spawn([] {
        for (int n = 1;; ++n) receive([&](ping p) { send(p.from, pong{n}); });
    });
    send(echo, ping{self()});
    send(echo, ping{self()});
    int sum = 0;
    for (int i = 0; i < 2; ++i)
        receive([&](pong p) { sum += p.n; }, after(1s, [] { exit(reason::timeout); }));
    return sum;
}
// [example end]

// [example selective]
struct request {
    int n;
};
struct urgent {
    int n;
};

std::vector<int> urgent_first() {
    send(self(), request{1});
    send(self(), urgent{2});
    std::vector<int> order;
    order.push_back(receive([](urgent u) { return u.n; }));  // the request stays in the mailbox
    order.push_back(receive([](request r) { return r.n; }));
    return order;
}
// [example end]

// [example watched]
std::string why_it_ended() {
    const auto [worker, watch] = spawn_monitor([] { throw std::runtime_error("out of paper"); });
    return receive(when(watch, [](down d) { return std::string(d.reason.what()); }));
}
// [example end]

// [example linked]
exit_reason trapped() {
    trap_exit(true);
    const pid worker = spawn_link([] { exit("no_paper"_a); });
    return receive(when([&](const exit_signal& e) { return e.from == worker; },
                        [](exit_signal e) { return e.reason; }));
}
// [example end]

// [example server]
class job_queue {
public:
    struct put {  // names no reply: for cast
        std::string job;
    };
    struct take {  // a request names its reply
        using reply = std::string;
    };
    struct length {
        using reply = std::size_t;
    };

    explicit job_queue(std::size_t most) : most_(most) {}

    void handle_cast(put p) {
        if (!waiting_.empty()) {
            reply(std::move(waiting_.front()), std::move(p.job));
            waiting_.pop_front();
        } else if (jobs_.size() < most_) {
            jobs_.push_back(std::move(p.job));
        }
    }
    void handle_call(take, reply_to<std::string> client) {  // answered now or later
        if (jobs_.empty()) return waiting_.push_back(std::move(client));
        reply(std::move(client), std::move(jobs_.front()));
        jobs_.pop_front();
    }
    std::size_t handle_call(length) { return jobs_.size(); }

private:
    std::size_t most_;
    std::deque<std::string> jobs_;
    std::deque<reply_to<std::string>> waiting_;
};
// [example end]

// [example use_server]
std::string take_a_job() {
    const auto queue = start_link<job_queue>(std::size_t{10}).value();
    auto job = async([queue] { return call(queue, job_queue::take{}); });
    cast(queue, job_queue::put{"paint"});
    const std::string what = await(std::move(job));
    stop(queue);
    return what;
}
// [example end]

// [example supervised]
inline constexpr server_name<job_queue> the_queue{"queue"};

supervisor::init_result init_workshop() {
    return {.strategy = one_for_one,
            .intensity = {.restarts = 3, .within = 5s},
            .children = {child<job_queue>(the_queue, std::size_t{10})}};
}

std::size_t jobs_after_a_crash() {
    const auto workshop = supervisor::start_link(init_workshop).value();
    cast(the_queue, job_queue::put{"paint"});
    const auto first = whereis(the_queue);
    exit(first, reason::kill);
    next_incarnation(the_queue, first);                      // of <heirloom/supervision_kit.hpp>
    const auto left = call(the_queue, job_queue::length{});  // what it knew died with it
    stop(workshop);
    return left;
}
// [example end]

// [example timers]
struct tick {};

bool one_of_the_two_happens() {
    const timer_ref alarm = send_after(1h, self(), tick{});
    const std::optional<duration> left = cancel(alarm);
    const bool came = receive_for<tick>(0s).has_value();
    return left.has_value() != came;
}
// [example end]

// [example outside]

int from_outside() {
    runtime rt({.workers = 2});
    const auto queue = rt.invoke([] { return start<job_queue>(std::size_t{10}).value(); });
    rt.spawn([queue] { cast(queue, job_queue::put{"paint"}); });
    const std::string job = rt.call(queue, job_queue::take{});
    return static_cast<int>(job.size());
}
// [example end]

// [example blocked]
std::size_t read_by_a_pool_thread(const std::string& path) {
    return blocking([&] {  // runs elsewhere, as this process; others go on meanwhile
        std::FILE* file = std::fopen(path.c_str(), "rb");
        if (file == nullptr) return std::size_t{0};
        char bytes[64];
        const std::size_t n = std::fread(bytes, 1, sizeof bytes, file);
        std::fclose(file);
        return n;
    });
}
// [example end]

TEST(docs_guide, processes_talk) {
    EXPECT_EQ(inside(ping_twice), 3);
    EXPECT_EQ(inside(urgent_first), (std::vector<int>{2, 1}));
}

TEST(docs_guide, ends_are_seen) {
    EXPECT_EQ(inside(why_it_ended), "out of paper");
    EXPECT_EQ(inside(trapped), exit_reason("no_paper"_a));
}

TEST(docs_guide, servers_answer_and_are_restarted) {
    EXPECT_EQ(inside(take_a_job), "paint");
    EXPECT_EQ(inside(jobs_after_a_crash), 0u);
}

TEST(docs_guide, timers_fire_or_are_cancelled) { EXPECT_TRUE(inside(one_of_the_two_happens)); }

TEST(docs_guide, threads_and_files) {
    EXPECT_EQ(from_outside(), 5);
    EXPECT_EQ(inside([] { return read_by_a_pool_thread("/no/such/file"); }), 0u);
    EXPECT_GT(inside([] { return read_by_a_pool_thread("/proc/self/exe"); }), 0u);
}

}  // namespace
