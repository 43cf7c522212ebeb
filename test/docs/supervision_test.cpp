// The examples of docs/supervision.md.
#include "inside.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/supervision_kit.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

class mailer {};
class store {};

// [example tree]
supervisor::init_result init_shop() {
    return {
        .strategy = rest_for_one,  // the mailer uses the store: it goes down with it
        .intensity = {.restarts = 10, .within = 1min},
        .children = {child<store>("store"),
                     child<mailer>("mailer")
                         .restart(transient)
                         .shutdown(2s)
                         .delay({.initial = 100ms, .maximum = 10s, .jitter = 0.2})
                         .budget({.restarts = 5, .within = 1min})},
    };
}
// [example end]

// [example poison]
struct account_state {
    long balance = 0;
    int attempts = 0;  // incarnations that began with it and have not yet served one request
};
using vault = ets::set<atom, account_state>;

class account {
public:
    struct deposit {
        using reply = long;
        long amount;
    };
    explicit account(vault table) : table_(table) {
        continue_with([this] { take_up(); });  // a crash there is a restart, not a failed start
    }
    long handle_call(deposit d) {
        balance_ += d.amount;
        table_.insert("state"_a, {balance_, 0});  // it serves: the state is good
        return balance_;
    }

private:
    void take_up() {
        // Counted first: whoever crashes on the state has said so already.
        if (table_.update_counter("state"_a, &account_state::attempts, 1) > 3) {
            table_.insert("poisoned"_a, table_.at("state"_a));  // for whoever looks into it
            table_.insert("state"_a, account_state{});
        }
        balance_ = table_.at("state"_a).balance;
        if (balance_ < 0) throw std::domain_error("a balance below zero");
    }
    vault table_;
    long balance_ = 0;
};
// [example end]
inline constexpr server_name<account> the_account{"docs.account"};

TEST(docs_supervision, state_that_kills_three_incarnations_is_set_aside) {
    const auto [balance, kept] = inside([] {
        vault table{{.access = ets::access::public_}};
        table.insert("state"_a, {-5, 0});
        const auto sup = supervisor::start_link({.intensity = {.restarts = 10},
                                                 .children = {child<account>(the_account, table)}})
                             .value();
        std::optional<long> answer;
        while (!answer)
            if (const auto r = try_call(the_account, account::deposit{7}, 1s)) answer = *r;
        stop(sup);
        return std::make_pair(*answer, table.at("poisoned"_a).balance);
    });
    EXPECT_EQ(balance, 7);
    EXPECT_EQ(kept, -5);
}

// [example room]
class room {
public:
    struct title {
        using reply = std::string;
    };
    explicit room(std::string name) : title_(std::move(name)) {}
    std::string handle_call(title) { return title_; }

private:
    std::string title_;
};
using rooms = registry<std::string>;
inline constexpr server_name<rooms> the_rooms{"docs.rooms"};
inline constexpr supervisor_name the_hotel{"docs.hotel"};

std::string in_the_hall() {
    const auto sup =
        supervisor::start_link({.strategy = rest_for_one,
                                .children = {child<rooms>(the_rooms),
                                             child<supervisor>(the_hotel, dynamic_children{})}})
            .value();
    const via<room> hall(the_rooms, "hall");
    start_child(the_hotel, child<room>("hall", "the hall").name(hall)).value();
    std::string title = call(hall, room::title{});
    stop(sup);
    return title;
}
// [example end]

// [example durable]
using bookings = ets::set<std::string, std::string>;  // who is to run: a name, a title
inline constexpr supervisor_name the_inn{"docs.inn"};

class desk {
public:
    struct open {
        using reply = pid;
        std::string name, title;
    };
    explicit desk(bookings table) : table_(table) {
        continue_with([this] {  // the inn is empty: it has been started just before
            const auto all = [](const std::string&, const std::string&) { return true; };
            const auto name = [](const std::string& n, const std::string&) { return n; };
            for (const auto& n : table_.select(all, name)) start(n);
        });
    }
    pid handle_call(const open& o) {
        table_.insert(o.name, o.title);  // first: what is in the table comes back
        return start(o.name);
    }

private:
    pid start(const std::string& name) {
        return start_child(the_inn,
                           child<room>(name, table_.at(name)).name(via<room>(the_rooms, name)))
            .value();
    }
    bookings table_;
};
inline constexpr server_name<desk> the_desk{"docs.desk"};

supervisor::init_result init_house() {
    auto table = bookings::claim_or_create(
        {.name = "docs.bookings", .access = ets::access::public_, .keep = true});
    return {.strategy = one_for_all,  // a desk that comes back finds an empty inn
            .intensity = {.restarts = 10},
            .children = {child<rooms>(the_rooms), child<supervisor>(the_inn, dynamic_children{}),
                         child<desk>(the_desk, table)}};
}
// [example end]

TEST(docs_supervision, children_in_a_table_come_back_whoever_dies) {
    const bool all = inside([] {
        const auto sup = supervisor::start_link(init_house).value();
        const via<room> hall(the_rooms, "hall");
        call(the_desk, desk::open{"hall", "the hall"});
        for (const atom who : {the_inn.name(), the_desk.name(), the_rooms.name()}) {
            const pid old = whereis(hall);
            exit(whereis(who), reason::kill);
            for (;;) {  // until there is another one
                const auto now = try_call(hall, room::title{}, 1s);
                if (now && pid(whereis(hall)) != old) break;
                yield();
            }
            if (call(hall, room::title{}) != "the hall") return false;
        }
        stop(sup);
        return true;
    });
    EXPECT_TRUE(all);
}

// [example tasks]
int sum_of_squares() {
    int sum = 0;
    for (auto& square : async_stream(std::vector{1, 2, 3}, [](int x) { return x * x; }))
        sum += square.value();
    auto risky = async_nolink([]() -> int { throw std::runtime_error("no luck"); });
    if (const auto end = yield(risky, 1s); end && !*end) sum += 100;  // its reason: end->error()
    return sum;
}
// [example end]

// [example agent]
long total() {
    const auto sum = agent<long>::start_link([] { return 0L; }).value();
    sum.update([](long& n) { n += 5; });
    const long now = sum.get([](const long& n) { return n; });
    sum.stop();
    return now;
}
// [example end]

// [example observed]
class thermostat {
public:
    struct set {
        int degrees;
    };
    void handle_cast(set s) { degrees_ = s.degrees; }
    int state() const { return degrees_; }               // for sys::get_state
    void set_state(int degrees) { degrees_ = degrees; }  // for sys::replace_state

private:
    int degrees_ = 20;
};

int looked_into() {
    const auto t = start_link<thermostat>().value();
    sys::log(t, 10);  // keep its last ten events
    cast(t, thermostat::set{23});
    const int seen = sys::get_state(t);  // served after the cast
    sys::replace_state(t, [](int degrees) { return degrees + 1; });
    const auto events = sys::get_log(t);
    stop(t);
    return seen + static_cast<int>(events.size());  // 23, and: in, handled
}
// [example end]

// [example sink]
std::vector<std::string> events_of_a_crash() {
    std::mutex lock;
    std::vector<std::string> seen;
    {
        runtime rt({.log = [&](const log_event& e) {
            const std::lock_guard guard(lock);
            seen.push_back(std::string(e.event) + ": " + e.text);
        }});
        rt.run([] {
            const auto crash = spawn_monitor({.name = "printer"},
                                             [] { throw std::runtime_error("out of paper"); });
            receive(when(crash.ref, [](const down&) {}));
        });
    }
    return seen;
}
// [example end]

TEST(docs_supervision, a_tree_starts) {
    EXPECT_EQ(inside([] { return draw(tree_of(supervisor::start_link(init_shop).value())); }),
              "store\nmailer\n");
}

TEST(docs_supervision, what_is_made_of_servers) {
    EXPECT_EQ(inside(in_the_hall), "the hall");
    EXPECT_EQ(inside(sum_of_squares), 114);
    EXPECT_EQ(inside(total), 5);
    EXPECT_EQ(inside(looked_into), 25);
}

TEST(docs_supervision, the_sink_hears_of_a_crash) {
    const auto seen = events_of_a_crash();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].rfind("crash: ", 0), 0u) << seen[0];
    EXPECT_NE(seen[0].find("printer"), std::string::npos) << seen[0];
    EXPECT_NE(seen[0].find("out of paper"), std::string::npos) << seen[0];
}

}  // namespace
