// Names kept elsewhere than in the runtime: by a registry, or by anything that derives from name_keeper.
#include "servers.hpp"

#include <atomic>
#include <map>
#include <mutex>

namespace heirloom::test {
namespace {

using rooms = registry<std::string, int>;
inline constexpr server_name<rooms> the_rooms{"rooms"};

via<dummy> hall() { return {the_rooms, "hall", 7}; }

/// A keeper of the test's own: a table and a mutex.
class kept_in_a_map final : public name_keeper {
public:
    explicit kept_in_a_map(std::string name) : name_(std::move(name)) {}
    pid find() const override {
        std::lock_guard lock(mutex);
        const auto found = names.find(name_);
        return found == names.end() ? pid() : found->second;
    }
    pid take(pid who) const override {
        std::lock_guard lock(mutex);
        return names.emplace(name_, who).first->second;
    }
    void release(pid who) const noexcept override {
        std::lock_guard lock(mutex);
        if (const auto found = names.find(name_); found != names.end() && found->second == who)
            names.erase(found);
    }

private:
    inline static std::mutex mutex;
    inline static std::map<std::string, pid> names;
    std::string name_;
};

// What holds for every name, whoever keeps it.
void behaves_as_a_name(const via<dummy>& name, const via<fails_to_start>& failing) {
    require(!whereis(name));
    require_eq(call_failure([&] { call(name, dummy::get{}); }), reason::no_process);
    require_eq(try_call(name, dummy::get{}).error().reason, reason::no_process);
    cast(name, dummy::set{1});
    require_eq(receive_response(send_request(name, dummy::get{})).error().reason,
               reason::no_process);
    auto s = start_link(name, 5L).value();
    require(whereis(name) == s);
    require_eq(call(name, dummy::get{}), 5);
    cast(name, dummy::set{6});
    require_eq(try_call(name, dummy::get{}).value(), 6);
    require_eq(receive_response(send_request(name, dummy::get{})).value(), 6);
    // Neither a second start's constructor nor its end does anything to the first.
    auto second = start_link(name, 8L);
    require(!second && second.error().kind == start_failure::already_started);
    require_eq(second.error().process, pid(s));
    require(start(name).error().kind == start_failure::already_started);
    require_eq(call(name, dummy::get{}), 6);
    stop(name);
    require(!whereis(name), "the name was not free after stop");
    require_eq(call_failure([&] { stop(name); }), reason::no_process);
    // Free at once after a start that failed, and after any other end.
    for (how::kind what : {how::throws, how::exits, how::ignores, how::stops, how::kills_itself})
        for (int i = 0; i < 20; ++i)
            require(start(failing, how{what}).error().kind != start_failure::already_started);
    for (int i = 0; i < 20; ++i) {
        auto [next, watch] = start_monitor(name).value();
        exit(next, i % 2 == 0 ? exit_reason(reason::kill) : exit_reason("odd"_a));
        down_of(watch);
        require(!whereis(name), "the name was not free after an end");
    }
    require(start_options{}.limit == forever);
    auto last = start(start_options{.limit = 5s}, name, 9L).value();
    require_eq(call(name, dummy::get{}), 9);
    stop(last);
    require_clean();
}

}  // namespace

TEST(conformance_behaviours, gs_via) {
    const auto body = [] {
        behaves_as_a_name(via<dummy>(std::make_shared<kept_in_a_map>("hall")),
                          via<fails_to_start>(std::make_shared<kept_in_a_map>("failing")));
        // The keeper is not there: a cast is dropped, a request says so.
        cast(hall(), dummy::set{1});
        thrown_by<bad_argument>([] { send_request(hall(), dummy::get{}); });
        require_eq(call_failure([] { call(hall(), dummy::get{}); }), reason::no_process);
        require(start(hall()).error().kind == start_failure::failed);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, el_reg_via) {
    const auto body = [] {
        auto r = start_link(the_rooms, registry_keys::unique).value();
        behaves_as_a_name(hall(), via<fails_to_start>(the_rooms, "failing"));
        require_eq(count_entries(the_rooms), 0u);
        auto s = start(hall()).value();
        require_eq(lookup(the_rooms, "hall").at(0).first, pid(s));
        require_eq(lookup(the_rooms, "hall").at(0).second, 7);
        stop(s);
        stop(r);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(via, names_a_child_that_finds_its_name_free_at_every_restart) {
    const auto body = [] {
        auto sup = supervisor::start_link({.strategy = rest_for_one,
                                           .intensity = {.restarts = 1000},
                                           .children = {child<rooms>(the_rooms),
                                                        child<dummy>("hall", 3L).name(hall())}})
                       .value();
        for (int i = 0; i < 30; ++i) {
            const auto old = whereis(hall());
            require_eq(call(old, dummy::add{1}), 4);
            const auto watch = monitor(old);
            exit(old, reason::kill);
            down_of(watch);
            while (!whereis(hall())) yield();
            require(whereis(hall()) != old);
            require_eq(call(hall(), dummy::get{}), 3);
        }
        require_eq(which_children(sup).at(1).restarts, 30u);
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace heirloom::test
