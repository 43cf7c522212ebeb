// What OTP's application documents beyond starting and stopping: the types, the environment, what is called when one is down.
#include "children.hpp"

#include <map>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

struct heard {
    std::string what;
};
std::string next_heard() { return receive<heard>().what; }

application app(const std::string& name, pid boss, restart_type type = permanent,
                std::vector<std::string> needs = {}) {
    return {.name = name,
            .needs = std::move(needs),
            .start =
                [name, boss] {
                    try_send(boss, heard{"start " + name});
                    return supervisor::start_link(supervisor_name(atom::intern(name)), {});
                },
            .type = type,
            .stopped = [name, boss] { try_send(boss, heard{"stopped " + name}); }};
}
supervisor_name root(const std::string& name) { return supervisor_name(atom::intern(name)); }

TEST(application_types, decide_whether_the_others_stop_too) {
    struct row {
        restart_type type;
        exit_reason why;
        bool takes_all_along;
    };
    const auto body = [] {
        const row table[] = {
            {permanent, reason::normal, true},   {permanent, reason::shutdown, true},
            {permanent, "bad"_a, true},          {transient, reason::normal, false},
            {transient, reason::shutdown, true}, {transient, "bad"_a, true},
            {temporary, reason::normal, false},  {temporary, "bad"_a, false},
        };
        for (const row& r : table) {
            const pid me = self();
            auto c =
                start(the_applications,
                      std::vector<application>{app("base", me), app("top", me, r.type, {"base"})})
                    .value();
            start_application("top").value();
            require_eq(next_heard(), "start base");
            require_eq(next_heard(), "start top");
            const auto watch = monitor(c);
            stop(root("top"), r.why);
            require_eq(next_heard(), "stopped top");
            if (r.takes_all_along) {
                require_eq(next_heard(), "stopped base");
                const auto why = down_of(watch);
                require(why.is("application_ended"_a), to_string(why));
            } else {
                require_eq(which_applications(), std::vector<std::string>{"base"});
                start_application("top").value();  // it may be started again
                require_eq(next_heard(), "start top");
                stop(c);
                require_eq(next_heard(), "stopped top");
                require_eq(next_heard(), "stopped base");
                down_of(watch);
            }
            require(!whereis(root("base")) && !whereis(root("top")));
        }
        // One that is stopped by request takes nobody along, whatever its type.
        auto c =
            start(the_applications, std::vector<application>{app("a", self()), app("b", self())})
                .value();
        start_application("a").value();
        start_application("b").value();
        stop_application("a").value();
        require_eq(which_applications(), std::vector<std::string>{"b"});
        require(stop_application("a").error().kind == application_failure::not_started);
        stop(c);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(application_environment, is_there_before_anything_starts_and_outlives_a_stop) {
    const auto body = [] {
        require(!get_env("shop", "port"));  // nobody knows of it yet
        require_throws<bad_argument>([] { set_env("shop", "port", 1); });
        application shop = app("shop", self());
        shop.environment = {{"port", 80}, {"host", std::string("here")}};
        const auto inner = shop.start;
        shop.start = [inner, boss = self()] {
            try_send(boss, heard{"port " + std::to_string(get_env<int>("shop", "port").value())});
            return inner();
        };
        auto c = start(the_applications, std::vector<application>{shop}).value();
        start_application("shop").value();
        require_eq(next_heard(), "port 80");
        require_eq(get_env("shop", "host").value(), "here");
        require(!get_env("shop", "none") && !get_env("sho", "pport"));
        require_throws<bad_argument>([] { (void)get_env<long>("shop", "port"); });
        set_env("shop", "port", 8080);
        set_env("shop", "host", "there");
        stop_application("shop").value();
        start_application("shop").value();
        require_eq(next_heard(), "start shop");
        require_eq(next_heard(), "stopped shop");
        require_eq(next_heard(), "port 8080");
        require_eq(get_env("shop", "host").value(), "there");
        stop(c);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(application_stopped, that_fails_is_reported_and_the_others_still_stop) {
    log_keeper log;
    runtime rt({.workers = 2, .log = log.sink()});
    const auto body = [] {
        application bad = app("bad", self(), permanent, {"base"});
        bad.stopped = [] { throw 42; };
        auto c =
            start(the_applications, std::vector<application>{app("base", self()), bad}).value();
        start_application("bad").value();
        stop(c);
        require(!whereis(root("base")));
    };
    EXPECT_TRUE(holds_inside(rt, body));
    EXPECT_TRUE(log.wait_for("application_stopped_failed", "bad"));
}

}  // namespace
}  // namespace heirloom::test
