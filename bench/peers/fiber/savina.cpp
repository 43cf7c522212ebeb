// Savina's classics (Imam and Sarkar, AGERE 2014), with the sizes in bench/peers/README.md; those
// that channels express without contortion.

#include "fiber_contender.hpp"

#include <array>
#include <memory>
#include <unordered_map>

namespace contender {
namespace {

using boost::fibers::channel_op_status;
using boost::fibers::fiber;

void join_all(std::vector<fiber>& fibers) {
    for (fiber& f : fibers) f.join();
}

outcome thread_ring(const request& r) {
    constexpr std::size_t size = 100;
    fiber_source fibers;
    std::vector<std::unique_ptr<mailbox<std::uint64_t>>> links;
    for (std::size_t i = 0; i < size; ++i)
        links.push_back(std::make_unique<mailbox<std::uint64_t>>(2));
    std::uint64_t holder = size;
    std::vector<fiber> members;
    for (std::size_t i = 0; i < size; ++i)
        members.push_back(fibers.start([&, i] {
            std::uint64_t left = 0;
            while (links[i]->pop(left) == channel_op_status::success) {
                if (left == 0) {
                    holder = i;
                    for (auto& link : links) link->close();
                    return;
                }
                links[(i + 1) % size]->push(left - 1);
            }
        }));
    const double took = timed([&] {
        links[0]->push(r.n);
        join_all(members);
    });
    return {took, r.n, "hop", holder == r.n % size};
}

outcome counting(const request& r) {
    fiber_source fibers;
    mailbox<std::uint64_t> box(1024);
    std::uint64_t count = 0;
    const double took = timed([&] {
        fiber counter = fibers.start([&] {
            std::uint64_t x = 0;
            while (box.pop(x) == channel_op_status::success) count += x;
        });
        fiber producer = fibers.start([&] {
            for (std::uint64_t i = 0; i < r.n; ++i) box.push(1);
            box.close();
        });
        producer.join();
        counter.join();
    });
    return {took, r.n, "message", count == r.n};
}

outcome fork_join_throughput(const request& r) {
    constexpr std::size_t actors = 60;
    const std::uint64_t each = r.n / actors;
    fiber_source fibers;
    std::vector<std::unique_ptr<mailbox<std::uint64_t>>> boxes;
    std::array<std::uint64_t, actors> handled{};
    std::vector<fiber> all;
    for (std::size_t i = 0; i < actors; ++i) {
        boxes.push_back(std::make_unique<mailbox<std::uint64_t>>(1024));
        all.push_back(fibers.start([&, i] {
            for (std::uint64_t m = 0; m < each; ++m) handled[i] += boxes[i]->value_pop();
        }));
    }
    const double took = timed([&] {
        for (std::uint64_t round = 0; round < each; ++round)
            for (auto& box : boxes) box->push(1);
        join_all(all);
    });
    std::uint64_t total = 0;
    for (const std::uint64_t h : handled) total += h;
    return {took, each * actors, "message", total == each * actors};
}

// Batches keep the number of live stacks bounded; a million mailboxes at once is no fiber's case.
outcome fork_join_create(const request& r) {
    constexpr std::uint64_t batch = 1000;
    fiber_source fibers;
    mailbox<std::uint64_t> done(1024);
    std::uint64_t total = 0;
    const double took = timed([&] {
        for (std::uint64_t made = 0; made < r.n;) {
            const std::uint64_t now = std::min(batch, r.n - made);
            for (std::uint64_t i = 0; i < now; ++i) {
                auto box = std::make_shared<mailbox<std::uint64_t>>(2);
                fibers.start_detached([&done, box] { done.push(box->value_pop()); });
                box->push(1);
            }
            for (std::uint64_t i = 0; i < now; ++i) total += done.value_pop();
            made += now;
        }
    });
    return {took, r.n, "actor", total == r.n};
}

// Mailboxes hold every message that can be under way, so that nobody waits for room in a circle.
outcome big(const request& r) {
    constexpr std::uint64_t actors = 120;
    constexpr std::uint64_t pong = actors;
    constexpr std::uint64_t stop = actors + 1;
    const std::uint64_t each = r.n / actors;
    fiber_source fibers;
    std::vector<std::unique_ptr<mailbox<std::uint64_t>>> boxes;
    for (std::uint64_t i = 0; i < actors; ++i)
        boxes.push_back(std::make_unique<mailbox<std::uint64_t>>(256));
    mailbox<std::uint64_t> counts(256);
    std::uint64_t total = 0;
    std::vector<fiber> all;
    const double took = timed([&] {
        for (std::uint64_t id = 0; id < actors; ++id)
            all.push_back(fibers.start([&, id] {
                std::uint64_t random = id + 1;
                std::uint64_t pongs = 0;
                while (pongs < each) {
                    random = next_random(random);
                    boxes[random % actors]->push(id);
                    for (std::uint64_t from; (from = boxes[id]->value_pop()) != pong;)
                        boxes[from]->push(pong);
                    ++pongs;
                }
                counts.push(pongs);
                for (std::uint64_t from; (from = boxes[id]->value_pop()) != stop;)
                    boxes[from]->push(pong);
            }));
        for (std::uint64_t i = 0; i < actors; ++i) total += counts.value_pop();
    });
    for (auto& box : boxes) box->push(stop);
    join_all(all);
    return {took, each * actors, "ping", total == each * actors};
}

outcome chameneos(const request& r) {
    constexpr int creatures = 100;
    constexpr int closed = -1;
    struct visit {
        int colour;
        mailbox<int>* answer;
    };
    fiber_source fibers;
    mailbox<visit> mall(128);
    std::array<std::uint64_t, creatures> meetings{};
    std::vector<fiber> all;
    const double took = timed([&] {
        all.push_back(fibers.start([&] {
            for (std::uint64_t left = r.n; left > 0; --left) {
                const visit first = mall.value_pop();
                const visit second = mall.value_pop();
                first.answer->push(second.colour);
                second.answer->push(first.colour);
            }
            for (int i = 0; i < creatures; ++i) mall.value_pop().answer->push(closed);
        }));
        for (int i = 0; i < creatures; ++i)
            all.push_back(fibers.start([&, i] {
                mailbox<int> answer(2);
                int colour = i % 3;
                for (;;) {
                    mall.push({colour, &answer});
                    const int other = answer.value_pop();
                    if (other == closed) return;
                    if (other != colour) colour = 3 - colour - other;
                    ++meetings[static_cast<std::size_t>(i)];
                }
            }));
        join_all(all);
    });
    std::uint64_t met = 0;
    for (const std::uint64_t m : meetings) met += m;
    return {took, r.n, "meeting", met == 2 * r.n};
}

outcome concurrent_dictionary(const request& r) {
    constexpr std::uint64_t workers = 20;
    const std::uint64_t each = r.n / workers;
    struct question {
        bool write;
        std::uint64_t key;
        std::uint64_t value;
        mailbox<std::uint64_t>* reply;
    };
    fiber_source fibers;
    mailbox<question> requests(32);
    fiber dictionary = fibers.start([&] {
        std::unordered_map<std::uint64_t, std::uint64_t> words;
        question q{};
        while (requests.pop(q) == channel_op_status::success) {
            if (q.write) words[q.key] = q.value;
            const auto found = words.find(q.key);
            q.reply->push(found == words.end() ? 0 : found->second);
        }
    });
    std::array<std::uint64_t, workers> answers{};
    const double took = timed([&] {
        std::vector<fiber> all;
        for (std::uint64_t w = 0; w < workers; ++w)
            all.push_back(fibers.start([&, w] {
                mailbox<std::uint64_t> reply(2);
                std::uint64_t random = w + 1;
                for (std::uint64_t left = each; left > 0; --left) {
                    random = next_random(random);
                    requests.push({left % 10 == 0, (random / 65536) % 512, left, &reply});
                    reply.value_pop();
                    ++answers[w];
                }
            }));
        join_all(all);
    });
    requests.close();
    dictionary.join();
    std::uint64_t total = 0;
    for (const std::uint64_t a : answers) total += a;
    return {took, each * workers, "operation", total == each * workers};
}

outcome dining_philosophers(const request& r) {
    constexpr std::uint64_t seats = 20;
    const std::uint64_t each = r.n / seats;
    struct request_at_table {
        std::uint64_t seat;
        mailbox<bool>* answer;  // null: has eaten
    };
    fiber_source fibers;
    mailbox<request_at_table> table(64);
    fiber arbitrator = fibers.start([&] {
        std::array<bool, seats> taken{};
        request_at_table q{};
        while (table.pop(q) == channel_op_status::success) {
            bool& left = taken[q.seat];
            bool& right = taken[(q.seat + 1) % seats];
            if (q.answer == nullptr) {
                left = right = false;
                continue;
            }
            const bool free = !left && !right;
            if (free) left = right = true;
            q.answer->push(free);
        }
    });
    std::array<std::uint64_t, seats> meals{};
    const double took = timed([&] {
        std::vector<fiber> all;
        for (std::uint64_t seat = 0; seat < seats; ++seat)
            all.push_back(fibers.start([&, seat] {
                mailbox<bool> answer(2);
                while (meals[seat] < each) {
                    table.push({seat, &answer});
                    if (!answer.value_pop()) continue;
                    table.push({seat, nullptr});
                    ++meals[seat];
                }
            }));
        join_all(all);
    });
    table.close();
    arbitrator.join();
    std::uint64_t total = 0;
    for (const std::uint64_t m : meals) total += m;
    return {took, each * seats, "meal", total == each * seats};
}

std::uint64_t sieve_filter(fiber_source& fibers, std::uint64_t prime, mailbox<std::uint64_t>& in) {
    constexpr std::size_t capacity = 1000;
    std::vector<std::uint64_t> primes;
    primes.reserve(capacity);
    primes.push_back(prime);
    const auto divided = [&](std::uint64_t x) {
        for (const std::uint64_t p : primes) {
            if (p * p > x) return false;
            if (x % p == 0) return true;
        }
        return false;
    };
    mailbox<std::uint64_t> out(1024);
    std::uint64_t behind = 0;
    fiber next;
    std::uint64_t x = 0;
    while (in.pop(x) == channel_op_status::success) {
        if (divided(x)) continue;
        if (primes.size() < capacity)
            primes.push_back(x);
        else if (next.joinable())
            out.push(x);
        else
            next = fibers.start([&, x] { behind = sieve_filter(fibers, x, out); });
    }
    out.close();
    if (next.joinable()) next.join();
    return primes.size() + behind;
}
outcome sieve(const request& r) {
    fiber_source fibers;
    std::uint64_t primes = 0;
    const double took = timed([&] {
        mailbox<std::uint64_t> first(1024);
        fiber filter = fibers.start([&] { primes = sieve_filter(fibers, 2, first); });
        for (std::uint64_t x = 3; x <= r.n; x += 2) first.push(x);
        first.close();
        filter.join();
    });
    return {took, (r.n - 1) / 2, "candidate", primes == prime_count(r.n)};
}

}  // namespace

std::map<std::string, scenario> savina_scenarios() {
    return {{"savina/thread_ring", thread_ring},
            {"savina/counting", counting},
            {"savina/fork_join_throughput", fork_join_throughput},
            {"savina/fork_join_create", fork_join_create},
            {"savina/big", big},
            {"savina/chameneos", chameneos},
            {"savina/concurrent_dictionary", concurrent_dictionary},
            {"savina/dining_philosophers", dining_philosophers},
            {"savina/sieve", sieve}};
}

}  // namespace contender
