// Savina's classics (Imam and Sarkar, AGERE 2014) around servers that answer: banking, concurrent
// dictionary. Sizes as in bench/peers/README.md.

#include "support/scenario.hpp"

#include <unordered_map>
#include <vector>

#include <heirloom/heirloom.hpp>

namespace heirloom::bench {
namespace {

struct total {
    std::uint64_t value;
};
struct credit {
    pid from;
};
struct credited {};
struct debit {
    pid to;
    pid teller;
};
struct transferred {};
struct balance_for {
    pid who;
};

constexpr std::uint64_t accounts = 1000;
constexpr std::uint64_t opening = 1'000'000;

// Waits inside a debit for the other account alone; what else arrives stays in the mailbox.
void account() {
    std::uint64_t balance = opening;
    for (;;)
        receive(
            [&](credit c) {
                ++balance;
                send(c.from, credited{});
            },
            [&](debit d) {
                send(d.to, credit{self()});
                receive<credited>();
                --balance;
                send(d.teller, transferred{});
            },
            [&](balance_for b) { send(b.who, total{balance}); });
}
outcome banking(std::uint64_t n) {
    std::vector<pid> all;
    for (std::uint64_t i = 0; i < accounts; ++i) all.push_back(spawn(account));
    std::uint64_t done = 0;
    const double took = timed([&] {
        // From the lower to the higher account: a circle of waiting accounts cannot come about.
        std::uint64_t random = 7919;
        for (std::uint64_t i = 0; i < n; ++i) {
            const std::uint64_t r1 = next_random(random);
            random = next_random(r1);
            const std::uint64_t from = (r1 / 65536) % (accounts - 1);
            const std::uint64_t to = from + 1 + (random / 65536) % (accounts - 1 - from);
            send(all[from], debit{all[to], self()});
        }
        for (; done < n; ++done) receive<transferred>();
    });
    std::uint64_t sum = 0;
    for (const pid p : all) {
        send(p, balance_for{self()});
        sum += receive<total>().value;
        exit(p, reason::kill);
    }
    return {took, n, done == n && sum == accounts * opening};
}

class dictionary {
public:
    struct read {
        using reply = std::uint64_t;
        std::uint64_t key;
    };
    struct write {
        using reply = std::uint64_t;
        std::uint64_t key;
        std::uint64_t value;
    };
    std::uint64_t handle_call(read r) {
        const auto found = words_.find(r.key);
        return found == words_.end() ? 0 : found->second;
    }
    std::uint64_t handle_call(write w) { return words_[w.key] = w.value; }

private:
    std::unordered_map<std::uint64_t, std::uint64_t> words_;
};
void asker(server<dictionary> words, pid main, std::uint64_t random, std::uint64_t each) {
    std::uint64_t answers = 0;
    for (std::uint64_t left = each; left > 0; --left) {
        random = next_random(random);
        const std::uint64_t key = (random / 65536) % 512;
        if (left % 10 == 0) {
            call(words, dictionary::write{key, left});
        } else {
            call(words, dictionary::read{key});
        }
        ++answers;
    }
    send(main, total{answers});
}
outcome concurrent_dictionary(std::uint64_t n) {
    constexpr std::uint64_t workers = 20;
    const std::uint64_t each = n / workers;
    const auto words = start_link<dictionary>().value();
    std::uint64_t answers = 0;
    const double took = timed([&] {
        for (std::uint64_t w = 1; w <= workers; ++w) spawn(asker, words, self(), w, each);
        for (std::uint64_t w = 0; w < workers; ++w) answers += receive<total>().value;
    });
    stop(words);
    return {took, each * workers, answers == each * workers};
}

[[maybe_unused]] const bool registered =
    measure_on_workers("savina/banking", 50'000, banking) &&
    measure_on_workers("savina/concurrent_dictionary", 100'000, concurrent_dictionary);

}  // namespace
}  // namespace heirloom::bench
