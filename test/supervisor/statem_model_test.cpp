// Random machines against a model of gen_statem's event queue, as OTP 25 documents it (transition_option): what is handled
// next after state changes, postponed and inserted events and timeouts of 0 in any mixture.
#include "inside.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace heirloom::test {
namespace {

constexpr int state_timeout_id = 1000, event_timeout_id = 1001, first_named_id = 1002;
constexpr int named_timers = 2;
constexpr int last_acting_step = 120;

/// What the callback of an event does: a function of the seed, the step, the event and the state, so that the machine and the
/// model do the same as long as they agree.
struct actions {
    bool postpone, set_state_timer, set_event_timer, take_back;
    int insert;                // how many events
    std::optional<int> next;   // state
    std::optional<int> named;  // timer to set, or to take back
};
actions decide(std::uint64_t seed, int step, int event, int state) {
    std::uint64_t h = seed * 0x9E3779B97F4A7C15ull + static_cast<std::uint64_t>(step) * 1'000'003 +
                      static_cast<std::uint64_t>(event) * 101 + static_cast<std::uint64_t>(state);
    const auto one_in = [&h](std::uint64_t n) {
        h ^= h >> 33;
        h *= 0xFF51AFD7ED558CCDull;
        h ^= h >> 29;
        return h % n == 0;
    };
    actions a{};
    if (step >= last_acting_step) return a;
    a.postpone = one_in(3);
    if (one_in(3)) a.next = static_cast<int>((h >> 7) % 3);
    a.insert = one_in(4) ? 1 + static_cast<int>((h >> 9) % 2) : 0;
    a.set_state_timer = one_in(5);
    a.set_event_timer = one_in(5);
    a.take_back = one_in(2);
    if (one_in(3)) a.named = static_cast<int>((h >> 11) % named_timers);
    return a;
}
std::string line(int event, int state) {
    return std::to_string(event) + "@" + std::to_string(state);
}

/// The reference: queues and timers as plain lists of numbers.
std::vector<std::string> model(std::uint64_t seed, int external) {
    std::deque<int> mailbox, waiting, postponed;
    for (int e = 0; e < external; ++e) mailbox.push_back(e);
    std::vector<int> due;  // timeouts of 0, in the order set
    std::vector<std::string> log;
    int state = 0, inserted_so_far = external;
    const auto take_back = [&](int timer) { std::erase(due, timer); };
    for (int step = 0;; ++step) {
        int event;
        if (!waiting.empty()) {
            event = waiting.front();
            waiting.pop_front();
        } else if (!due.empty()) {
            event = due.front();
            due.erase(due.begin());
        } else if (!mailbox.empty()) {
            event = mailbox.front();
            mailbox.pop_front();
        } else {
            return log;
        }
        take_back(event_timeout_id);
        log.push_back(line(event, state));
        const actions a = decide(seed, step, event, state);
        const auto set = [&](int timer) {
            take_back(timer);
            due.push_back(timer);
        };
        if (a.set_state_timer) set(state_timeout_id);
        if (a.set_event_timer) set(event_timeout_id);
        if (a.named) {
            take_back(first_named_id + *a.named);
            if (!a.take_back) due.push_back(first_named_id + *a.named);
        }
        if (a.postpone) postponed.push_back(event);
        if (a.next && *a.next != state) {
            state = *a.next;
            if (!a.set_state_timer) take_back(state_timeout_id);
            waiting.insert(waiting.begin(), postponed.begin(), postponed.end());
            postponed.clear();
        }
        std::deque<int> inserted;
        for (int i = 0; i < a.insert; ++i) inserted.push_back(inserted_so_far++);
        waiting.insert(waiting.begin(), inserted.begin(), inserted.end());
    }
}

class random_machine {
public:
    struct zero {};
    struct one {};
    struct two {};
    using states = one_of<zero, one, two>;
    struct number {
        int n;
    };
    struct seen {
        using reply = std::vector<std::string>;
    };
    random_machine(std::uint64_t seed, int external) : seed_(seed), next_(external) {}

    template <class S>
    void handle_event(S&, number e) {
        act<S>(e.n);
    }
    template <class S>
    void handle_event(S&, state_timeout) {
        act<S>(state_timeout_id);
    }
    template <class S>
    void handle_event(S&, event_timeout) {
        act<S>(event_timeout_id);
    }
    template <class S>
    void handle_event(S&, named_timeout t) {
        act<S>(first_named_id + (t.name == "b"_a));
    }
    template <class S>
    std::vector<std::string> handle_event(S&, seen) {
        return log_;
    }

private:
    template <class S>
    void act(int event) {
        constexpr int state = std::is_same_v<S, zero> ? 0 : std::is_same_v<S, one> ? 1 : 2;
        log_.push_back(line(event, state));
        const actions a = decide(seed_, step_++, event, state);
        if (a.set_state_timer) set_state_timeout(duration::zero());
        if (a.set_event_timer) set_event_timeout(duration::zero());
        if (a.named)
            set_timeout(*a.named == 0 ? "a"_a : "b"_a, a.take_back ? forever : duration::zero());
        if (a.postpone) postpone();
        if (a.next == 0) next_state<zero>();
        if (a.next == 1) next_state<one>();
        if (a.next == 2) next_state<two>();
        for (int i = 0; i < a.insert; ++i) next_event(this, number{next_++});
    }
    std::uint64_t seed_;
    int step_ = 0, next_;
    std::vector<std::string> log_;
};

TEST(statem_model, handles_events_in_the_order_that_otp_documents) {
    const auto body = [] {
        std::size_t steps = 0;
        for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
            const int external = static_cast<int>(1 + seed % 12);
            auto m = start<random_machine>(seed, external).value();
            sys::suspend(m);
            for (int e = 0; e < external; ++e) cast(m, random_machine::number{e});
            sys::resume(m);
            const auto wanted = model(seed, external);
            const auto got = call(m, random_machine::seen{});
            std::string both = "seed " + std::to_string(seed) + ":";
            for (std::size_t i = 0; i < std::max(got.size(), wanted.size()); ++i)
                both += " " + (i < got.size() ? got[i] : "-") + "/" +
                        (i < wanted.size() ? wanted[i] : "-");
            require(got == wanted, both);
            steps += got.size();
            stop(m);
        }
        require(steps > 50'000, "the machines did too little: " + std::to_string(steps));
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

}  // namespace
}  // namespace heirloom::test
