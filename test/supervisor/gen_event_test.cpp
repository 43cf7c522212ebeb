// Event managers and their handlers.
#include "inside.hpp"

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
    on_all_workers([] {
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
    });
}

TEST(event_manager, takes_out_a_handler_that_throws_and_goes_on) {
    on_all_workers([] {
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
    });
}

}  // namespace
}  // namespace heirloom::test
