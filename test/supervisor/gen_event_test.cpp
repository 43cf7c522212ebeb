// Event managers and their handlers.
#include "servers.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

class summing {
public:
    struct sum {
        using reply = int;
    };
    explicit summing(int first) : sum_(first) {}
    void handle_event(const int& n) {
        if (n < 0) throw std::runtime_error("negative");
        sum_ += n;
    }
    int handle_call(sum) { return sum_; }

private:
    int sum_;
};

TEST(event_manager, hands_every_event_to_every_handler) {
    const auto body = [] {
        auto m = start<event_manager<int>>().value();
        require(add_handler<summing>(m, "one"_a, 0));
        require(add_handler<summing>(m, "two"_a, 100));
        require(!add_handler<summing>(m, "two"_a, 100), "an id was taken twice");
        notify(m, 5);
        sync_notify(m, 6);
        require_eq(ask_handler<summing>(m, "one"_a, summing::sum{}).value(), 11);
        require_eq(ask_handler<summing>(m, "two"_a, summing::sum{}).value(), 111);
        require(delete_handler<summing>(m, "one"_a));
        require(!delete_handler<summing>(m, "one"_a));
        require_eq(ask_handler<summing>(m, "one"_a, summing::sum{}).error().reason,
                   exit_reason("bad_handler"_a));
        require_eq(which_handlers(m).size(), 1u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// Does as the event says.
class obedient {
public:
    enum order { stay, leave, throw_error, throw_number, do_exit };
    struct fail {
        using reply = int;
    };
    explicit obedient(order at_once) { obey(at_once); }
    bool handle_event(order o) { return obey(o); }
    int handle_call(fail) { throw 42; }

private:
    static bool obey(order o) {
        if (o == throw_error) throw std::runtime_error("told to");
        if (o == throw_number) throw 42;
        if (o == do_exit) exit("told_to"_a);
        return o != leave;
    }
};
using manager = event_manager<obedient::order>;

TEST(event_manager, survives_whatever_a_handler_throws) {
    const auto body = [] {
        auto m = start<manager>().value();
        for (const auto how :
             {obedient::leave, obedient::throw_error, obedient::throw_number, obedient::do_exit}) {
            require(add_linked_handler<obedient>(m, "one"_a, obedient::stay));
            require(add_handler<obedient>(m, "two"_a, obedient::stay));
            sync_notify(m, obedient::stay);
            require_eq(which_handlers(m).size(), 2u);
            sync_notify(m, how);
            require(which_handlers(m).empty());
            const auto gone = receive<handler_gone>();
            require_eq(gone.manager, pid(m));
            require_eq(gone.id, "one"_a);
            require(gone.reason == (how == obedient::leave     ? reason::normal
                                    : how == obedient::do_exit ? exit_reason("told_to"_a)
                                                               : gone.reason) &&
                    gone.reason.is_crash() ==
                        (how == obedient::throw_error || how == obedient::throw_number));
        }
        require(add_handler<obedient>(m, "one"_a, obedient::stay));
        require(ask_handler<obedient>(m, "one"_a, obedient::fail{}).error().reason.is_crash());
        require(which_handlers(m).empty());
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(event_manager, survives_a_handler_that_cannot_be_made) {
    const auto body = [] {
        auto m = start<manager>().value();
        const auto why =
            call_failure([&] { add_handler<obedient>(m, "one"_a, obedient::throw_number); });
        require(why.is_crash());
        require_eq(call_failure([&] { add_handler<obedient>(m, "one"_a, obedient::do_exit); }),
                   exit_reason("told_to"_a));
        require(which_handlers(m).empty());
        require(add_handler<obedient>(m, "one"_a, obedient::stay));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(event_manager, swaps_a_handler_in_its_place) {
    const auto body = [] {
        auto m = start<event_manager<int>>().value();
        require(add_linked_handler<summing>(m, "one"_a, 0));
        require(add_handler<summing>(m, "two"_a, 0));
        require((swap_handler<summing, summing>(m, "one"_a, "three"_a, 40)));
        require_eq(receive<handler_gone>().reason.tag(), "swapped"_a);
        sync_notify(m, 2);
        require_eq(ask_handler<summing>(m, "three"_a, summing::sum{}).value(), 42);
        require_eq(which_handlers(m).size(), 2u);
        require(which_handlers(m)[0].ends_with("three"));
        require((!swap_handler<summing, summing>(m, "three"_a, "two"_a, 0)), "two were alike");
        require((swap_handler<summing, summing>(m, "none"_a, "four"_a, 0)));
        require_eq(which_handlers(m).size(), 3u);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(event_manager, tells_the_owners_of_its_handlers_when_it_ends) {
    const auto body = [] {
        auto m = start<event_manager<int>>().value();
        require(add_linked_handler<summing>(m, "one"_a, 0));
        require(add_linked_handler<summing>(m, "two"_a, 0));
        require(delete_handler<summing>(m, "one"_a));
        require_eq(receive<handler_gone>().reason, reason::normal);
        stop(m, reason::shutdown);
        require_eq(receive<handler_gone>().reason, reason::shutdown);
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

class says_goodbye {
public:
    explicit says_goodbye(pid boss) : boss_(boss) {}
    void handle_event(int) {}
    void terminate(const exit_reason& why) { try_send(boss_, "goodbye " + to_string(why)); }

private:
    pid boss_;
};

// OTP: it traps exits, so that whoever stops it, its parent too, lets the handlers terminate.
TEST(event_manager, lets_its_handlers_go_when_its_parent_ends_it_and_does_not_mind_strangers) {
    const auto body = [] {
        auto sup =
            supervisor::start_link({.children = {child<event_manager<int>>("events")}}).value();
        const auto m = find_child<event_manager<int>>(sup);
        require(add_linked_handler<says_goodbye>(m, "one"_a, self()));
        auto [stranger, ref] = spawn_monitor([m] { exit(m, "stranger"_a); });
        down_of(ref);
        require_eq(which_handlers(m).size(), 1u);
        stop(sup);
        require_eq(receive<std::string>(), "goodbye shutdown");
        require_eq(receive<handler_gone>().reason, reason::shutdown);
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(event_manager, takes_out_a_handler_that_throws_and_goes_on) {
    const auto body = [] {
        auto m = start<event_manager<int>>().value();
        require(add_handler<summing>(m, "one"_a, 0));
        sync_notify(m, -1);
        require(which_handlers(m).empty());
        const pid owner = spawn([m, boss = self()] {
            add_linked_handler<summing>(m, "mine"_a, 0);
            send(boss, "in"_a);
            receive<atom>();
        });
        receive<atom>();
        require_eq(which_handlers(m).size(), 1u);
        exit(owner, reason::kill);
        while (!which_handlers(m).empty()) yield();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
