// Supervisors of every kind under random requests of several clients while their children crash, fail to start and are
// killed: whatever the order, what the supervisor says is what is there, and at the end nobody is left.
#include "children.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <heirloom/explore.hpp>

namespace heirloom::test {
namespace {

std::size_t one_of_so_many(std::size_t n) { return detail::random_bits() % n; }

/// Starts most of the time, and lives until it is ended.
class citizen {
public:
    struct who {
        using reply = std::string;
    };
    struct leave {
        exit_reason why;
    };
    explicit citizen(std::string id) : id_(std::move(id)) {
        trap_exit(one_of_so_many(3) == 0);
        if (one_of_so_many(6) == 0) exit("not_today"_a);
        if (one_of_so_many(20) == 0) ignore_start();
        if (one_of_so_many(8) == 0) sleep(std::chrono::milliseconds(one_of_so_many(4)));
    }
    std::string handle_call(who) { return id_; }
    void handle_cast(leave l) { stop(l.why); }
    void handle_info(exit_signal) {}

private:
    std::string id_;
};

std::string some_id() { return std::string(1, static_cast<char>('a' + one_of_so_many(6))); }

// Without a name where ids need not differ.
child_spec some_child(const std::string& id, bool named) {
    auto spec = named ? child<citizen>(server_name<citizen>(atom::intern("citizen." + id)), id)
                      : child<citizen>(id, id);
    spec.id(id).shutdown(5ms).restart(static_cast<restart_type>(one_of_so_many(3)));
    if (one_of_so_many(4) == 0) spec.delay({.initial = 1ms, .maximum = 8ms, .jitter = 0.5});
    if (one_of_so_many(6) == 0) spec.budget({.restarts = 2, .within = 1h});
    if (one_of_so_many(8) == 0) spec.shutdown(brutal_kill);
    return spec;
}

/// One thing that a client, or fate, does.
void something_happens(server<supervisor> sup, bool by_pid) {
    const std::string id = some_id();
    const auto children = which_children(sup);
    const pid somebody = children.empty() ? pid() : children[one_of_so_many(children.size())].pid;
    switch (one_of_so_many(by_pid ? 5 : 7)) {
    case 0:
        (void)start_child(sup, some_child(id, !by_pid));
        break;
    case 1:
        if (somebody) exit(somebody, reason::kill);
        break;
    case 2:
        if (somebody)
            cast(server<citizen>(somebody),
                 citizen::leave{one_of_so_many(2) == 0 ? exit_reason(reason::normal) : "bad"_a});
        break;
    case 3:
        if (by_pid)
            (void)terminate_child(sup, somebody ? somebody : self());
        else
            (void)terminate_child(sup, id);
        break;
    case 4:
        sleep(std::chrono::milliseconds(one_of_so_many(5)));
        break;
    case 5:
        (void)restart_child(sup, id);
        break;
    case 6:
        (void)delete_child(sup, id);
        break;
    }
}

// Waits until nobody is being restarted, and compares what the supervisor says with what is there.
void require_truth(server<supervisor> sup, bool by_pid) {
    std::vector<child_info> children;
    do {
        sleep(20ms);
        children = which_children(sup);
    } while (std::any_of(children.begin(), children.end(),
                         [](auto& c) { return c.status == child_status::restarting; }));
    std::size_t running = 0;
    std::vector<std::string> ids;
    for (const child_info& c : children) {
        ids.push_back(c.id);
        if (c.status == child_status::stopped) {
            require(!c.pid && !by_pid, c.id + " is stopped and has a process");
            continue;
        }
        ++running;
        require_eq(call(c.as<citizen>(), citizen::who{}), c.id);
    }
    std::sort(ids.begin(), ids.end());
    require(by_pid || std::adjacent_find(ids.begin(), ids.end()) == ids.end(),
            "an id is there twice");
    require_same(count_children(sup), children.size(), running, 0, children.size());
    require_eq(processes().size(), 2 + running);  // we and the supervisor
    require_eq(registered().size(), by_pid ? 0 : running);
}

void storm(result<server<supervisor>, start_error> started, bool by_pid) {
    if (!started) return;  // one of the first children did not start: nobody is left, as is checked
    const auto sup = *started;
    std::vector<monitor_ref> clients;
    for (int c = 0; c < 3; ++c)
        clients.push_back(spawn_monitor([=] {
                              for (int i = 0; i < 15; ++i) something_happens(sup, by_pid);
                          }).ref);
    for (const auto& ref : clients) {
        const auto why = down_of(ref);
        require(why == reason::normal, "a client: " + to_string(why));
    }
    require_truth(sup, by_pid);
    const auto ref = monitor(sup);
    exit(sup, reason::shutdown);
    require_eq(down_of(ref), reason::shutdown);
}

void explore_storm(std::string name, bool by_pid,
                   const std::function<result<server<supervisor>, start_error>()>& start) {
    explore_options opts;
    opts.name = std::move(name);
    const auto found = explore(
        [&] {
            trap_exit(true);
            storm(start(), by_pid);
            require_eq(processes().size(), 1u);
            require(registered().empty(), "a name is left");
        },
        test::seeds(), opts);
    EXPECT_TRUE(found) << found.why;
}

constexpr restart_intensity without_end{.restarts = 1'000'000, .within = 1s};

TEST(supervision_storm, leaves_a_supervisor_that_knows_its_children) {
    for (const restart_strategy strategy : {one_for_one, one_for_all, rest_for_one})
        explore_storm("storm_of_strategy_" + std::to_string(static_cast<int>(strategy)), false,
                      [strategy] {
                          return supervisor::start_link([strategy] {
                              return supervisor::init_result{.strategy = strategy,
                                                             .intensity = without_end,
                                                             .children = {some_child("a", true),
                                                                          some_child("b", true),
                                                                          some_child("c", true)}};
                          });
                      });
}

TEST(supervision_storm, leaves_a_dynamic_supervisor_that_knows_its_children) {
    explore_storm("storm_of_dynamic", true, [] {
        return dynamic_supervisor::start_link({.intensity = without_end, .max_children = 5});
    });
}

}  // namespace
}  // namespace heirloom::test
