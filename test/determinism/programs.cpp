#include "determinism/programs.hpp"

#include "support/busy_body.hpp"

#include <map>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include <heirloom/heirloom.hpp>
#include <heirloom/test_kit.hpp>

namespace heirloom::test {
namespace {

using namespace std::chrono_literals;

template <class T>
struct parcel {
    T inside;
};

/// Names, links, monitors, timers, limits and exits; types of every kind, also those that compilers spell differently.
void talkers() {
    busy_body();
    struct local {
        std::string text;
    };
    send(self(), std::string("text"));
    send(self(), std::vector<std::string>{"a", "b"});
    send(self(), std::map<unsigned long, std::vector<long>>{{1, {2, 3}}});
    send(self(), parcel<std::variant<int, std::string>>{7});
    send(self(), parcel<local>{{"inside"}});
    send(self(), 0.1);
    send(self(), 'c');
    for (int i = 0; i < 7; ++i)
        receive([](const std::string&) {}, [](const std::vector<std::string>&) {},
                [](const std::map<unsigned long, std::vector<long>>&) {},
                [](const parcel<std::variant<int, std::string>>&) {}, [](const parcel<local>&) {},
                [](double) {}, [](char) {});
}

/// Three that wait for what nobody sends.
void stuck() {
    const pid first = spawn({.name = "first"}, [] {
        const pid second = receive<pid>();
        send(second, ping{self(), 1});
        receive<parcel<int>>();
    });
    const pid second = spawn({.name = "second"}, [] {
        receive<ping>();
        receive<parcel<std::string>>();
    });
    send(first, second);
    receive<pong>();
}

using storage = ets::set<atom, long>;

class counter {
public:
    struct increment {
        using reply = long;
    };
    struct fail {};
    explicit counter(storage table) : table_(table), count_(table_.at("counter"_a)) {}
    long handle_call(increment) {
        table_.insert("counter"_a, ++count_);
        return count_;
    }
    void handle_cast(fail) { throw std::out_of_range("asked to fail"); }

private:
    storage table_;
    long count_;
};
inline constexpr server_name<counter> the_counter{"traced.counter"};

supervisor::init_result init_counter() {
    auto table = storage::claim_or_create(
        {.name = "traced.storage", .access = ets::access::public_, .keep = true});
    table.insert_new("counter"_a, 0);
    return {.strategy = one_for_one,
            .intensity = {.restarts = 100'000},
            .children = {child<counter>(the_counter, table)}};
}

/// A supervised server with a table, that crashes, is killed, and is called all the while.
void counters() {
    trap_exit(true);
    auto sup = supervisor::start_link(init_counter);
    while (!sup) sup = supervisor::start_link(init_counter);
    long last = 0;
    for (int i = 0; i < 10; ++i) {
        const auto n = try_call(the_counter, counter::increment{}, 100ms);
        if (n) last = *n;
        if (i == 3) cast(the_counter, counter::fail{});
        if (i == 6)
            if (const pid now = whereis(the_counter)) exit(now, reason::kill);
        if (!n) sleep(1ms);
    }
    require(last >= 1, "that calls were answered");
    stop(*sup);
}

class door {
public:
    struct push {
        using reply = bool;
    };
    struct open {};
    struct closed {};
    using states = one_of<closed, open>;
    bool handle_event(closed, push) {
        next_state<open>();
        set_state_timeout(1ms);
        return true;
    }
    bool handle_event(open, push) { return false; }
    void handle_event(open, state_timeout) { next_state<closed>(); }
};

/// A state machine whose timeouts race against its clients, a task, and a machine that gets what it cannot handle.
void doors() {
    const auto front = start_link<door>().value();
    int opened = 0;
    for (int i = 0; i < 6; ++i) {
        opened += call(front, door::push{});
        sleep(600us);
    }
    auto sum = async([opened] { return opened * 2; });
    require(await(std::move(sum)) >= 4, "that it opened again");
    stop(front);
}

constexpr traced_program all[] = {
    {"talkers", &talkers},
    {"stuck", &stuck},
    {"counters", &counters},
    {"counters_under_faults",
     &counters,
     {.kill = 2'000, .fail_allocation = 500, .delay_worker = 2'000, .crash_init = 20'000}},
    {"doors", &doors},
};

}  // namespace

std::span<const traced_program> traced_programs() { return all; }

}  // namespace heirloom::test
