// Agents, registries, partitions and tasks: what Elixir documents beyond the catalogue's rows.
#include "servers.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <heirloom/explore.hpp>

namespace heirloom::test {
namespace {

// --- Agents -------------------------------------------------------------------------------------------------------

inline constexpr agent_name<long> the_total{"total"};

TEST(agent, by_name_is_whoever_has_the_name_now) {
    const auto body = [] {
        auto sup =
            supervisor::start_link({.children = {agent<long>::child(the_total, [] { return 5L; })}})
                .value();
        the_total.update([](long& n) { n += 2; });
        the_total.update([](long n) { return n * 10; });
        require_eq(the_total.get([](const long& n) { return n; }), 70);
        require_eq(the_total.get_and_update([](long& n) { return n++; }), 70);
        the_total.cast([](long& n) { n = 1; });
        require_eq(the_total.get([](const long& n) { return n; }), 1);
        const agent<long> first(the_total);
        require(call_failure([] {
                    the_total.update([](long&) { throw std::runtime_error("bad"); });
                }).is_crash());
        // The next one is found by the same name; the handle was the first one's.
        while (!whereis(the_total.target())) yield();
        require_eq(the_total.get([](const long& n) { return n; }), 5);
        require_eq(call_failure([&] { first.get([](const long& n) { return n; }); }),
                   reason::no_process);
        stop(sup);
        require_eq(call_failure([] { the_total.get([](const long& n) { return n; }); }),
                   reason::no_process);
        the_total.cast([](long& n) { ++n; });  // nobody
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(agent, every_verb_keeps_its_limit_and_a_late_answer_never_comes) {
    const auto body = [] {
        auto total = agent<long>::start(the_total, [] { return 0L; }).value();
        const auto slow = [](long& n) {
            sleep(10s);
            return n += 1;
        };
        require_eq(call_failure([&] { total.update(slow, 10ms); }), reason::timeout);
        require_eq(call_failure([&] { total.get([](long n) { return n; }, 10ms); }),
                   reason::timeout);
        require_eq(call_failure([&] { total.get_and_update(slow, 10ms); }), reason::timeout);
        require_eq(call_failure([&] { total.stop(reason::normal, 10ms); }), reason::timeout);
        const auto ref = monitor(total);
        require_eq(down_of(ref), reason::normal);  // it was done all the same, and then it stopped
        require_clean();
        auto taken = agent<long>::start(the_total, [] { return 0L; }).value();
        auto again = agent<long>::start_link(the_total, [] { return 0L; });
        require(!again && again.error().process == pid(taken));
        require(!agent<long>::start([]() -> long { throw 1; }));
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

// --- Event handlers -----------------------------------------------------------------------------------------------

struct told_why {
    std::string text;
};
/// Counts, and says why it goes.
class counting {
public:
    struct count {
        using reply = int;
    };
    explicit counting(pid boss) : boss_(boss) {}
    bool handle_event(int n) {
        if (n == 13) throw std::runtime_error("unlucky");
        return ++count_, n != 0;
    }
    int handle_call(count) { return count_; }
    void terminate(const exit_reason& why) {
        try_send(boss_, told_why{why.is_crash() ? "crash" : to_string(why)});
        throw 42;  // nobody's business
    }

private:
    friend class counting_on;
    pid boss_;
    int count_ = 0;
};
/// Goes on from where another one was.
class counting_on : public counting {
public:
    explicit counting_on(pid boss) : counting(boss) {}
    counting_on(pid boss, counting&& old) : counting(boss) { count_ = old.count_ + 100; }
};

TEST(event_handler, is_told_why_it_goes_and_gives_its_successor_what_it_knew) {
    const auto body = [] {
        auto m = start<event_manager<int>>().value();
        const auto next = [] { return receive<told_why>().text; };
        const auto add = [&](const char* id) {
            add_handler<counting>(m, atom::intern(id), self());
        };
        add("leaves");
        sync_notify(m, 0);
        require_eq(next(), "normal");
        add("fails");
        sync_notify(m, 13);
        require_eq(next(), "crash");
        add("deleted");
        require(delete_handler<counting>(m, "deleted"_a));
        require_eq(next(), "normal");
        auto [owner, watch] = spawn_monitor([m, boss = self()] {
            add_linked_handler<counting>(m, "owned"_a, boss);
            exit("owner"_a);
        });
        down_of(watch);
        require_eq(next(), "owner");
        add("old");
        for (int n : {1, 2, 3}) notify(m, n);
        require(swap_handler<counting, counting_on>(m, "old"_a, "new"_a, self()));
        require(next().starts_with("{swapped"));
        require_eq(ask_handler<counting_on>(m, "new"_a, counting::count{}).value(), 103);
        // There is none whose place it could take.
        require(swap_linked_handler<counting, counting_on>(m, "none"_a, "other"_a, self()));
        require_eq(ask_handler<counting_on>(m, "other"_a, counting::count{}).value(), 0);
        stop(m, "closing"_a);
        require_eq(next(), "closing");
        require_eq(next(), "closing");
        require_eq(receive<handler_gone>().reason, exit_reason("closing"_a));
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// --- Registries ---------------------------------------------------------------------------------------------------

using users = registry<std::string, int>;
inline constexpr server_name<users> the_users{"users"};

TEST(registry, finds_entries_by_value_by_process_and_all_over) {
    const auto body = [] {
        auto r = start_link(the_users, registry_keys::duplicate).value();
        for (int n : {1, 2, 3}) register_key(the_users, "a", n).value();
        register_key(the_users, "b", 4).value();
        auto [other, watch] = spawn_monitor([boss = self()] {
            register_key(the_users, "a", 10).value();
            send(boss, "in"_a);
            receive<atom>();
        });
        receive<atom>();
        const auto odd = [](int n) { return n % 2 == 1; };
        require_eq(match(the_users, "a", odd).size(), 2u);
        require_eq(count_match(the_users, "a", [](int n) { return n > 2; }), 2u);
        require_eq(count_match(the_users, "none", odd), 0u);
        require_eq(values_of(the_users, "a", self()), std::vector<int>{1, 2, 3});
        require_eq(values_of(the_users, "a", other), std::vector<int>{10});
        require(values_of(the_users, "b", other).empty());
        using found = std::pair<std::string, int>;
        const auto all =
            select_entries(the_users, [me = self()](const std::string& key, pid who, int n) {
                return who == me && n != 2 ? std::optional(found(key, n)) : std::nullopt;
            });
        require_eq(all, std::vector<found>{{"a", 1}, {"a", 3}, {"b", 4}});
        require_eq(
            count_select(the_users, [&](const std::string&, pid who, int) { return who == other; }),
            1u);
        // A function that fails is its giver's failure.
        require(call_failure([] {
                    count_select(the_users, [](auto&, pid, int) -> bool { throw 1; });
                }).is_crash());
        require_eq(count_entries(the_users), 5u);
        exit(other, reason::kill);
        down_of(watch);
        while (count_entries(the_users) != 4) yield();
        stop(r);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(registry, keeps_values_of_its_own_of_any_type) {
    const auto body = [] {
        auto r = start_link(the_users).value();
        put_meta(the_users, "limit", 7);
        put_meta(the_users, "title", "the users");
        put_meta(the_users, "limit", 8);
        require_eq(get_meta<int>(the_users, "limit").value(), 8);
        require_eq(get_meta(the_users, "title").value(), "the users");
        require_throws<bad_argument>([] { (void)get_meta<long>(the_users, "limit"); });
        delete_meta(the_users, "limit");
        delete_meta(the_users, "limit");
        require(!get_meta<int>(the_users, "limit"));
        stop(r);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// --- Partitions ---------------------------------------------------------------------------------------------------

class part {
public:
    struct who {
        using reply = std::string;
    };
    part(const std::string& prefix, std::size_t index) : name_(prefix + std::to_string(index)) {}
    std::string handle_call(who) { return name_; }

private:
    std::string name_;
};

TEST(partitions, get_arguments_of_their_own_and_again_after_a_restart) {
    const auto body = [] {
        const partitions<part> parts("parts", 3);
        auto init =
            parts.with_arguments([](std::size_t i) { return std::tuple(std::string("part "), i); });
        init.intensity = {.restarts = 10};
        auto sup = supervisor::start_link(init).value();
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const std::string name = "part " + std::to_string(i);
            require_eq(call(parts.at(i), part::who{}), name);
            const pid old = whereis(parts.at(i));
            exit(old, reason::kill);
            while (pid(whereis(parts.at(i))) == old || !whereis(parts.at(i))) yield();
            require_eq(call(parts.at(i), part::who{}), name);
        }
        require_eq(count_children(sup).active, 3u);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(partitions, may_be_supervisors) {
    const auto body = [] {
        const partitions<supervisor> sups("sups", 2);
        auto top = supervisor::start_link(sups.supervised(dynamic_children{})).value();
        for (int key = 0; key < 20; ++key)
            start_child(sups.of(key), child<dummy>("d", long(key))).value();
        require_eq(count_children(sups.at(0)).active + count_children(sups.at(1)).active, 20u);
        require(count_children(sups.at(0)).active > 0 && count_children(sups.at(1)).active > 0);
        stop(top);
        require(!whereis(sups.at(0)));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// --- Tasks --------------------------------------------------------------------------------------------------------

TEST(task, ignored_goes_on_alone) {
    const auto body = [] {
        auto [owner, watch] = spawn_monitor([boss = self()] {
            auto t = async([boss] {
                receive<atom>();
                send(boss, std::string("done"));
                exit("too late"_a);
                return 1;
            });
            const pid process = t.pid();
            require(!ignore(std::move(t)));
            require(process_info(self())->links.empty());
            send(boss, process);
        });
        const pid process = receive<pid>();
        require_eq(down_of(watch), reason::normal);
        send(process, "go"_a);
        require_eq(receive<std::string>(), "done");
        // One that has ended already says how.
        auto done = async([] { return 3; });
        down_of(monitor(done.pid()));
        require_eq(ignore(std::move(done))->value(), 3);
        auto failed = async_nolink([]() -> int { exit("bad"_a); });
        down_of(monitor(failed.pid()));
        require_eq(ignore(std::move(failed))->error().reason, exit_reason("bad"_a));
        require_throws<bad_argument>([] { ignore(task<int>()); });
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

std::vector<int> numbers(int n) {
    std::vector<int> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    return all;
}

TEST(task, a_stream_gives_results_in_order_or_as_they_come) {
    const auto body = [] {
        const auto late_first = [](int n) {
            sleep(std::chrono::milliseconds(10 * (4 - n)));
            return n;
        };
        for (const bool ordered : {true, false}) {
            std::vector<int> got;
            for (auto& r :
                 async_stream(numbers(4), late_first, {.max_concurrency = 4, .ordered = ordered}))
                got.push_back(r.value());
            require_eq(got, ordered ? std::vector<int>{0, 1, 2, 3} : std::vector<int>{3, 2, 1, 0});
        }
        require_clean();
        for (auto& r : async_stream(std::vector<int>(), late_first))
            require(false, "none: " + std::to_string(r.value()));
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(task, a_stream_says_which_failed_and_leaves_no_message) {
    const auto body = [] {
        const auto third_fails = [](int n) -> int {
            if (n == 2) exit("third"_a);
            if (n == 3) sleep(forever);
            return n;
        };
        trap_exit(true);
        for (const bool linked : {true, false})
            for (const bool ordered : {true, false}) {
                std::string told;
                for (auto& r : async_stream(numbers(6), third_fails,
                                            {.max_concurrency = 2,
                                            .ordered = ordered,
                                            .limit = 1s,
                                            .on_timeout = on_task_timeout::kill_task,
                                            .linked = linked}))
                    told += r ? std::to_string(*r) : to_string(r.error().reason);
                if (ordered)
                    require_eq(told, "01thirdtimeout45");
                else
                    require_eq(told.size(), std::string("01thirdtimeout45").size());
                require_clean();
            }
        trap_exit(false);
        // Not linked, nobody has to trap.
        int failed = 0;
        for (auto& r : async_stream(numbers(3), third_fails, {.linked = false})) failed += !r;
        require_eq(failed, 1);
        // Linked, its crash is the caller's; and a limit that passes ends the caller, with those that run.
        auto [crashes, w1] = spawn_monitor([third_fails] {
            for ([[maybe_unused]] auto& r : async_stream(numbers(3), third_fails)) {
            }
        });
        require_eq(down_of(w1), exit_reason("third"_a));
        auto [waits, w2] = spawn_monitor([boss = self()] {
            const auto hang = [boss](int) {
                send(boss, self());
                sleep(forever);
            };
            for ([[maybe_unused]] auto& r :
                 async_stream(numbers(2), hang, {.max_concurrency = 2, .limit = 1s})) {
            }
        });
        require_eq(down_of(w2), reason::timeout);
        for (int i = 0; i < 2; ++i) {
            const pid hung = receive<pid>();
            down_of(monitor(hung));
        }
        require_clean();
    };
    EXPECT_TRUE(holds_in_virtual_time(body));
}

TEST(task, yield_and_shutdown_race_with_the_end_and_never_lose_it) {
    // Whatever the schedule: a task that ends about when it is asked or stopped says its value, or that it was stopped.
    explore_options opts;
    opts.name = "task_end_race";
    const auto found = explore(
        [] {
            auto t = async([] {
                yield();
                return 5;
            });
            yield();
            if (auto end = heirloom::yield(t, 0s)) {
                require_eq(end->value(), 5);
            } else {
                const pid process = t.pid();
                if (auto last = shutdown(std::move(t))) require_eq(last->value(), 5);
                require(!is_alive(process));
            }
            require_clean();
        },
        {200}, opts);
    EXPECT_TRUE(found) << found.why;
}

}  // namespace
}  // namespace heirloom::test
