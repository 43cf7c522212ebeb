#include "fiber_contender.hpp"

#include <atomic>
#include <memory>

namespace contender {
namespace {

using boost::fibers::fiber;
using boost::fibers::unbuffered_channel;

outcome ping_pong(const request& r) {
    fiber_source fibers;
    unbuffered_channel<std::uint64_t> ping;
    unbuffered_channel<std::uint64_t> pong;
    fiber echo = fibers.start([&] {
        std::uint64_t x = 0;
        while (ping.pop(x) == boost::fibers::channel_op_status::success) pong.push(x);
    });
    std::uint64_t pongs = 0;
    const double took = timed([&] {
        for (std::uint64_t i = 0; i < r.n; ++i) {
            ping.push(i);
            pongs += pong.value_pop() == i ? 1 : 0;
        }
    });
    ping.close();
    echo.join();
    return {took, r.n, "round trip", pongs == r.n};
}

outcome ring(const request& r) {
    constexpr std::size_t size = 1000;
    fiber_source fibers;
    std::vector<std::unique_ptr<mailbox<std::uint64_t>>> links;
    for (std::size_t i = 0; i < size; ++i)
        links.push_back(std::make_unique<mailbox<std::uint64_t>>(2));
    std::vector<fiber> members;
    std::uint64_t left = 1;
    for (std::size_t i = 0; i < size; ++i)
        members.push_back(fibers.start([&, i] {
            auto& out = *links[(i + 1) % size];
            std::uint64_t hops = 0;
            while (links[i]->pop(hops) == boost::fibers::channel_op_status::success) {
                if (hops == 0) {
                    left = 0;
                    for (auto& link : links) link->close();
                    return;
                }
                out.push(hops - 1);
            }
        }));
    const double took = timed([&] {
        links[0]->push(r.n);
        for (fiber& member : members) member.join();
    });
    return {took, r.n, "hop", left == 0};
}

outcome spawn_exit(const request& r) {
    fiber_source fibers;
    const std::uint64_t batches = std::max<std::uint64_t>(1, r.n / 100);
    std::atomic<std::uint64_t> ended{0};
    mailbox<int> full(2);
    const double took = timed([&] {
        for (std::uint64_t batch = 0; batch < batches; ++batch) {
            for (int i = 0; i < 100; ++i)
                fibers.start_detached([&] {
                    if ((ended.fetch_add(1) + 1) % 100 == 0) full.push(1);
                });
            full.value_pop();
        }
    });
    return {took, batches * 100, "process", ended.load() == batches * 100};
}

outcome fan_in(const request& r) {
    fiber_source fibers;
    const std::uint64_t count = r.parameter("senders", 4);
    const std::uint64_t each = r.n / count;
    mailbox<std::uint64_t> box(1024);
    std::uint64_t sum = 0;
    const double took = timed([&] {
        std::vector<fiber> senders;
        for (std::uint64_t s = 0; s < count; ++s)
            senders.push_back(fibers.start([&] {
                for (std::uint64_t i = 1; i <= each; ++i) box.push(i);
            }));
        for (std::uint64_t i = 0; i < count * each; ++i) sum += box.value_pop();
        for (fiber& sender : senders) sender.join();
    });
    return {took, count * each, "message", sum == count * (each * (each + 1) / 2)};
}

// 64 independent pairs; a pinger's channel is its own.
outcome pairs(const request& r) {
    constexpr std::size_t count = 64;
    struct pair {
        unbuffered_channel<std::uint64_t> ping;
        unbuffered_channel<std::uint64_t> pong;
        std::uint64_t pongs = 0;
    };
    const std::uint64_t each = r.n / count;
    fiber_source fibers;
    std::vector<std::unique_ptr<pair>> all;
    std::vector<fiber> echoes;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(std::make_unique<pair>());
        echoes.push_back(fibers.start([&p = *all.back()] {
            std::uint64_t x = 0;
            while (p.ping.pop(x) == boost::fibers::channel_op_status::success) p.pong.push(x);
        }));
    }
    const double took = timed([&] {
        std::vector<fiber> pingers;
        for (const auto& p : all)
            pingers.push_back(fibers.start([&p = *p, each] {
                for (std::uint64_t i = 0; i < each; ++i) {
                    p.ping.push(i);
                    p.pongs += p.pong.value_pop() == i ? 1 : 0;
                }
            }));
        for (fiber& pinger : pingers) pinger.join();
    });
    std::uint64_t pongs = 0;
    for (std::size_t i = 0; i < count; ++i) {
        all[i]->ping.close();
        echoes[i].join();
        pongs += all[i]->pongs;
    }
    return {took, count * each, "round trip", pongs == count * each};
}

// Eight fibers that do nothing else.
outcome yield(const request& r) {
    constexpr std::uint64_t count = 8;
    const std::uint64_t each = r.n / count;
    fiber_source fibers;
    std::atomic<std::uint64_t> done{0};
    const double took = timed([&] {
        std::vector<fiber> all;
        for (std::uint64_t f = 0; f < count; ++f)
            all.push_back(fibers.start([&] {
                for (std::uint64_t i = 0; i < each; ++i) boost::this_fiber::yield();
                done.fetch_add(each, std::memory_order_relaxed);
            }));
        for (fiber& f : all) f.join();
    });
    return {took, count * each, "yield", done.load() == count * each};
}

// One of `count` waiting fibers after another is asked and answers. Of a million the stacks alone would take 16 GB of
// addresses and as many pages as there is memory: not of this size.
outcome asked_among(const request& r) {
    const std::uint64_t count = r.parameter("count", 1);
    if (count > 100'000) return {};
    fiber_source fibers;
    std::vector<std::unique_ptr<unbuffered_channel<std::uint64_t>>> questions;
    unbuffered_channel<std::uint64_t> answers;
    std::vector<fiber> all;
    for (std::uint64_t i = 0; i < count; ++i) {
        questions.push_back(std::make_unique<unbuffered_channel<std::uint64_t>>());
        all.push_back(fibers.start([&answers, &mine = *questions.back()] {
            std::uint64_t j = 0;
            while (mine.pop(j) == boost::fibers::channel_op_status::success) answers.push(j);
        }));
    }
    std::uint64_t right = 0;
    const double took = timed([&] {
        for (std::uint64_t j = 0; j < r.n; ++j) {
            questions[j * 7919 % count]->push(j);
            right += answers.value_pop() == j ? 1 : 0;
        }
    });
    for (auto& question : questions) question->close();
    for (fiber& f : all) f.join();
    return {took, r.n, "question", right == r.n};
}

struct skynet_sum {
    std::uint64_t sum = 0;
    std::uint64_t processes = 0;
};
// Children write into their parent's frame, which waits for them: no channel needed. Both
// schedulers are first in, first out, so most of a million stacks are alive at once.
template <class Leaf>
skynet_sum skynet_node(fiber_source& fibers, Leaf leaf, std::uint64_t number, std::uint64_t size) {
    if (size == 1) return {leaf(number), 1};
    const std::uint64_t part = std::max<std::uint64_t>(1, size / 10);
    skynet_sum results[10];
    fiber children[10];
    std::size_t count = 0;
    // The last part takes what ten does not divide, so that every size has an answer.
    for (std::uint64_t left = size; left > 0; ++count) {
        const std::uint64_t mine = count == 9 ? left : std::min(part, left);
        children[count] =
            fibers.start_first([&fibers, &result = results[count], leaf, number, mine] {
                result = skynet_node(fibers, leaf, number, mine);
            });
        number += mine;
        left -= mine;
    }
    skynet_sum total{0, 1};
    for (std::size_t i = 0; i < count; ++i) {
        children[i].join();
        total.sum += results[i].sum;
        total.processes += results[i].processes;
    }
    return total;
}
template <class Leaf>
outcome tree(const request& r, Leaf leaf, std::uint64_t expected) {
    fiber_source fibers;
    skynet_sum total;
    const double took =
        timed([&] { fibers.start([&] { total = skynet_node(fibers, leaf, 0, r.n); }).join(); });
    return {took, total.processes, "process", total.sum == expected};
}
outcome skynet(const request& r) {
    return tree(
        r, [](std::uint64_t number) { return number; }, r.n * (r.n - 1) / 2);
}
outcome fork_join(const request& r) {
    std::uint64_t expected = 0;
    for (std::uint64_t number = 0; number < r.n; ++number) expected += computed(number);
    return tree(r, computed, expected);
}

// The reply is written into the caller's frame; a channel brings only the request.
outcome call(const request& r) {
    struct question {
        mailbox<std::uint64_t>* reply;
    };
    fiber_source fibers;
    unbuffered_channel<question> requests;
    fiber server = fibers.start([&] {
        std::uint64_t count = 0;
        question q{};
        while (requests.pop(q) == boost::fibers::channel_op_status::success) q.reply->push(++count);
    });
    mailbox<std::uint64_t> reply(2);
    std::uint64_t last = 0;
    const double took = timed([&] {
        for (std::uint64_t i = 0; i < r.n; ++i) {
            requests.push({&reply});
            last = reply.value_pop();
        }
    });
    requests.close();
    server.join();
    return {took, r.n, "call", last == r.n};
}

}  // namespace

std::map<std::string, scenario> runtime_scenarios() {
    return {{"runtime/ping_pong", ping_pong},   {"runtime/ring", ring},
            {"runtime/spawn_exit", spawn_exit}, {"runtime/fan_in", fan_in},
            {"runtime/pairs", pairs},           {"runtime/yield", yield},
            {"runtime/skynet", skynet},         {"runtime/fork_join", fork_join},
            {"supervisor/call", call},          {"growth/processes", asked_among}};
}

}  // namespace contender
