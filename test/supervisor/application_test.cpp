// Applications: what starts first, what is refused, and how a program ends.
#include "inside.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

class fragile {
public:
    explicit fragile(int lives) {
        if (lives == 0) exit("no_lives"_a);
    }
};
application app(std::string name, std::vector<std::string> needs = {},
                restart_type type = permanent) {
    return {.name = name,
            .needs = std::move(needs),
            .start =
                [name] {
                    return supervisor::start_link(
                        {.intensity = {.restarts = 0},
                         .children = {child<fragile>(
                             server_name<fragile>(atom::intern(name + ".child")), 1)}});
                },
            .type = type};
}

TEST(application, starts_what_it_needs_first_and_stops_in_reverse) {
    const auto body = [] {
        auto c =
            start(the_applications, std::vector<application>{app("shop", {"store", "log"}),
                                                             app("store", {"log"}), app("log")})
                .value();
        start_application("shop").value();
        require_eq(which_applications(), std::vector<std::string>{"log", "store", "shop"});
        require(stop_application("log").error().kind == application_failure::needed);
        require(start_application("none").error().kind == application_failure::unknown);
        stop_application("shop").value();
        stop_application("store").value();
        require_eq(which_applications(), std::vector<std::string>{"log"});
        stop(c);
        require(!whereis("log.child"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(application, that_cannot_be_started_leaves_nothing_it_needed_running) {
    const auto body = [] {
        for (const bool raises : {false, true}) {
            const application bad{.name = "bad",
                                  .needs = {"store"},
                                  .start = [raises]() -> result<server<supervisor>, start_error> {
                                      if (raises) throw 42;
                                      return supervisor::start_link(
                                          {.children = {child<fragile>("f", 0)}});
                                  }};
            auto c = start(the_applications,
                           std::vector<application>{app("log"), app("store", {"log"}), bad})
                         .value();
            start_application("log").value();
            const auto r = start_application("bad");
            require(!r && r.error().kind == application_failure::start_failed);
            require_eq(r.error().application, "bad");
            require_eq(which_applications(), std::vector<std::string>{"log"});
            require(!whereis("store.child"_a));
            stop(c);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(application, that_cannot_be_right_is_refused_before_anything_starts) {
    const auto body = [] {
        for (auto& bad : {std::vector<application>{app("a", {"b"}), app("b", {"a"})},
                          {app("a", {"none"})},
                          {app("a"), app("a")}}) {
            auto c = start(the_applications, bad);
            require(!c && c.error().reason.is_crash());
            require(!whereis("a.child"_a));
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(application, a_program_ends_with_status_1_when_its_root_gives_up) {
    const auto killer = [](std::string victim) {
        return application{.name = "killer", .needs = {"shop"}, .start = [victim] {
                               return supervisor::start_link([victim]() -> supervisor::init_result {
                                   exit(whereis(atom::intern(victim)), reason::kill);
                                   return {};
                               });
                           }};
    };
    testing::internal::CaptureStderr();
    const int status = run_applications({app("shop"), killer("shop.child")}, {.log = no_log()});
    const std::string report = testing::internal::GetCapturedStderr();
    EXPECT_EQ(status, 1);
    EXPECT_NE(report.find("shop"), std::string::npos) << report;
}

// What a program leaves running when its main process returns is ended by the runtime; that is nobody's crash.
TEST(program, that_ends_with_servers_running_logs_no_crash) {
    class idle {
    public:
        explicit idle(bool trapping) { trap_exit(trapping); }
    };
    for (unsigned workers : {1u, 2u}) {
        log_keeper log;
        {
            runtime rt({.workers = workers, .log = log.sink()});
            rt.run([] {
                (void)supervisor::start_link(
                    {.children = {child<idle>("a", false), child<idle>("b", true)}})
                    .value();
                for (int i = 0; i < 10; ++i) {
                    (void)start<idle>(false).value();
                    (void)start<idle>(true).value();
                    spawn([] { receive<atom>(); });
                    spawn_link([] { receive<atom>(); });
                }
                return 0;
            });
        }
        for (const auto& e : log.events()) ADD_FAILURE() << e.event << ": " << e.text;
    }
}

TEST(application, a_program_that_is_stopped_ends_with_status_0) {
    application stopper{.name = "stopper", .start = [] {
                            spawn([] { stop_applications(); });
                            return supervisor::start_link({});
                        }};
    EXPECT_EQ(run_applications({app("shop"), stopper}, {.log = no_log()}), 0);
}

}  // namespace
}  // namespace heirloom::test
