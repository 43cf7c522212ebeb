// The catalogue's rows about starting: pl-, and those of gs- that say how a server comes up.
#include "servers.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

// --- pl ---------------------------------------------------------------------------------------------------------

class slow_to_start {
public:
    explicit slow_to_start(pid boss) {
        send(boss, std::string("starting"));
        receive<atom>();
        send(boss, std::string("started"));
    }
};

TEST(conformance_behaviours, pl_start_sync) {
    const auto body = [] {
        const pid boss = self();
        for (bool linked : {false, true}) {
            spawn([boss, linked] {
                auto s = linked ? start_link<slow_to_start>(boss) : start<slow_to_start>(boss);
                send(boss, pid(s.value()));
                receive<atom>();
            });
            require_eq(receive<std::string>(), "starting");
            // The starter has nothing to say yet, and will not before the go-ahead.
            require(!receive_for<pid>(50ms), "start returned too early");
            pid starting;
            for (pid p : processes())
                if (process_info(p)->entry.find("slow_to_start") != std::string::npos &&
                    process_info(p)->status == process_status::waiting && p != boss)
                    starting = p;
            require(bool(starting));
            send(starting, "go"_a);
            require_eq(receive<std::string>(), "started");
            const pid started = receive<pid>();
            require_eq(started, starting);
            exit(started, reason::kill);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, pl_start_crash) {
    const auto body = [] {
        trap_exit(true);
        const start_options options{.mailbox_bound = 10};
        for (int variant = 0; variant < 3; ++variant) {
            auto start_it = [&](how h) {
                if (variant == 0) return start<fails_to_start>(h);
                if (variant == 1) return start_link<fails_to_start>(h);
                return start_link<fails_to_start>(options, h);
            };
            auto thrown = start_it({how::throws});
            require(!thrown && thrown.error().kind == start_failure::failed);
            require(thrown.error().reason.is_crash());
            require_eq(thrown.error().reason.what(), "no good");
            require(!thrown.error().reason.stack().empty(), "no stack");
            require(thrown.error().reason.exception_type() == "std::runtime_error");
            require_eq(start_it({how::exits}).error().reason, exit_reason("no_good"_a));
            require_eq(start_it({how::kills_itself}).error().reason, reason::killed);
        }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, pl_uncaught) {
    const auto body = [] {
        auto reason_of = [](auto f) {
            auto [p, ref] = spawn_monitor(f);
            return down_of(ref);
        };
        const auto error = reason_of([] { throw std::out_of_range("far"); });
        require(error.is_crash() && error.what() == "far" &&
                error.exception_type() == "std::out_of_range");
        require(!error.stack().empty(), "no stack");
        const auto thrown = reason_of([] { throw 7; });
        require(thrown.is_crash() && thrown.exception_type() == "int" && !thrown.stack().empty());
        require_eq(reason_of([] { exit("on_purpose"_a); }), exit_reason("on_purpose"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, pl_crash_report) {
    for (unsigned workers : {1u, 2u, 4u}) {
        log_keeper log;
        {
            runtime rt({.workers = workers, .log = log.sink()});
            rt.invoke([] {
                for (exit_reason orderly :
                     {reason::normal, reason::shutdown, exit_reason("shutdown"_a, "because"_a)}) {
                    auto s = start<dummy>().value();
                    (void)try_call(s, dummy::die{orderly});
                }
                auto s = start<dummy>().value();
                (void)try_call(s, dummy::die{"no_order"_a});
                auto [p, ref] = spawn_monitor([] { throw std::runtime_error("reported"); });
                down_of(ref);
            });
            EXPECT_TRUE(log.wait_for("crash", "no_order"));
            EXPECT_TRUE(log.wait_for("crash", "reported"));
        }
        EXPECT_EQ(log.count("crash"), 2u);
        EXPECT_EQ(log.count("server_terminated"), 1u);
    }
}

TEST(conformance_behaviours, pl_ancestors) {
    const auto body = [] {
        auto s = start_link<dummy>().value();
        require_eq(process_info(s)->parent, self());
        // The parent is known also when it goes by a name.
        register_name("the_parent"_a, self());
        auto t = start_link<told>(self(), true).value();
        require_eq(process_info(t)->parent, whereis("the_parent"_a));
        unregister_name("the_parent"_a);
        stop(t);
        stop(s);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, pl_hibernate) {
    const auto body = [] {
        // An idle server holds no stack: it is always in OTP's hibernation.
        auto s = start<dummy>(1).value();
        require_eq(call(s, dummy::get{}), 1);
        const auto idle = process_info(s);
        require(idle && idle->status == process_status::waiting);
        require_eq(idle->stack_size, 0u);
        require_eq(call(s, dummy::add{2}), 3);
        const auto why = call_failure([&] { call(s, dummy::crash{"awake"}); });
        require(why.is_crash() && why.what() == "awake");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, pl_stop) {
    const auto body = [] {
        auto s = start<dummy>().value();
        stop(s);
        require(!is_alive(s));
        auto named = start(the_dummy).value();
        stop(the_dummy);
        require(!is_alive(named));
        require(!whereis(the_dummy));
        auto again = start(the_dummy).value();
        stop(again);
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, pl_stop_noproc) {
    const auto body = [] {
        auto s = start<dummy>().value();
        stop(s);
        require_eq(call_failure([&] { stop(s); }), reason::no_process);
        require_eq(call_failure([&] { stop(the_dummy); }), reason::no_process);
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, pl_stop_dies) {
    const auto body = [] {
        auto s = start<told>(self(), false, true).value();
        require_eq(call_failure([&] { stop(s); }), exit_reason("terminate_failed"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, pl_stop_bad_timeout) {
    const auto body = [] {
        auto s = start<dummy>(5).value();
        thrown_by<bad_argument>([&] { stop(s, reason::normal, -1s); });
        require_eq(call(s, dummy::get{}), 5);
        require_eq(call_failure([&] {
                       cast(s, dummy::order{"x"});
                       spawn([s] { (void)try_call(s, dummy::wait{1h}, 1h); });
                       while (process_info(s)->status != process_status::waiting ||
                              process_info(s)->stack_size == 0)
                           yield();
                       stop(s, reason::normal, 10ms);
                   }),
                   reason::timeout);
        require(is_alive(s));
        exit(s, reason::kill);
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, pl_start_monitor_timeout) {
    const auto body = [] {
        trap_exit(true);
        const auto late = start_monitor<slow_to_start>(start_options{.limit = 5ms}, self());
        require(!late && late.error().kind == start_failure::timed_out);
        require_eq(late.error().reason, reason::timeout);
        require(!is_alive(late.error().process));
        require_eq(receive<std::string>(), "starting");
        const auto linked = start_link<slow_to_start>(start_options{.limit = 5ms}, self());
        require(!linked && linked.error().kind == start_failure::timed_out);
        require_eq(receive<std::string>(), "starting");
        require_clean();  // no EXIT, and no DOWN: the process is gone when start returns
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// --- gs: starting ----------------------------------------------------------------------------------------------

std::atomic<int> constructed{0};
class sees_its_name {
public:
    struct knew {
        using reply = bool;
    };
    explicit sees_its_name(server_name<sees_its_name> name)
        : knew_(whereis(name) == self<sees_its_name>()) {
        ++constructed;
    }
    bool handle_call(knew) { return knew_; }

private:
    bool knew_;
};

TEST(conformance_behaviours, gs_start_name) {
    const auto body = [] {
        constexpr server_name<sees_its_name> name{"sees_its_name"};
        const int before = constructed;
        auto s = start(name, name).value();
        require(call(name, sees_its_name::knew{}), "the name was not there in the constructor");
        for (bool linked : {false, true}) {
            auto second = linked ? start_link(name, name) : start(name, name);
            require(!second && second.error().kind == start_failure::already_started);
            require_eq(second.error().process, pid(s));
        }
        require(call(s, sees_its_name::knew{}));
        require_eq(constructed - before, 1);  // init of the second did not run
        stop(s);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_start_ignore) {
    const auto body = [] {
        auto ignored = start<fails_to_start>(how{how::ignores});
        require(!ignored && ignored.error().kind == start_failure::ignored);
        auto linked = start_link<fails_to_start>(how{how::ignores});
        require(!linked && linked.error().kind == start_failure::ignored);
        yield();  // a link would have struck by now
        trap_exit(true);
        auto trapped = start_link<fails_to_start>(how{how::ignores});
        require(!trapped);
        require_eq(receive<exit_signal>().reason, reason::normal);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_start_crash) {
    const auto body = [] {
        trap_exit(true);
        auto s = start_link<fails_to_start>(how{how::throws});
        require(!s && s.error().reason.is_crash());
        require_eq(receive<exit_signal>().reason, s.error().reason);
        auto t = start_link<fails_to_start>(how{how::exits});
        require_eq(t.error().reason, exit_reason("no_good"_a));
        require_eq(receive<exit_signal>().reason, exit_reason("no_good"_a));
        auto u = start_link<fails_to_start>(how{how::stops});
        require_eq(u.error().reason, exit_reason("not_now"_a));
        require_eq(receive<exit_signal>().reason, exit_reason("not_now"_a));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_start_name_released) {
    const auto body = [] {
        for (int i = 0; i < 100; ++i)
            for (auto what : {how::ignores, how::stops, how::throws, how::exits}) {
                auto s = start(a_failing_name, how{what});
                require(!s && s.error().kind != start_failure::already_started,
                        "the name was still taken");
            }
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_start_monitor_fail) {
    const auto body = [] {
        for (auto what : {how::ignores, how::stops, how::throws, how::exits}) {
            auto s = start_monitor<fails_to_start>(how{what});
            require(!s);
            require(!is_alive(s.error().process), "it is still there");
            require_clean();
        }
        auto good = start_monitor<dummy>(3).value();
        require_eq(call(good.server, dummy::get{}), 3);
        stop(good.server);
        require_eq(down_of(good.ref), reason::normal);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_start_clean) {
    const auto body = [] {
        auto s = start(the_dummy).value();
        (void)start(the_dummy);
        (void)start_monitor(the_dummy);
        for (auto what : {how::ignores, how::stops, how::throws, how::exits}) {
            (void)start<fails_to_start>(how{what});
            (void)start_monitor<fails_to_start>(how{what});
        }
        stop(s);
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

class starts_with_more {
public:
    struct log {
        using reply = std::vector<std::string>;
    };
    using info = handles<idle_timeout>;
    explicit starts_with_more(pid boss, bool idle) : boss_(boss) {
        if (idle)
            set_idle_timeout(1ms);
        else
            continue_with([this, boss] {
                receive<atom>();  // only sent once start has returned
                log_.push_back("continued");
                send(boss, "done"_a);
            });
    }
    void handle_info(idle_timeout) {
        log_.push_back("idle");
        send(boss_, "done"_a);
    }
    std::vector<std::string> handle_call(log) { return log_; }

private:
    pid boss_;
    std::vector<std::string> log_;
};

TEST(conformance_behaviours, gs_init_extra) {
    const auto body = [] {
        auto s = start<starts_with_more>(self(), false).value();
        send(s, "go"_a);
        receive<atom>();
        require_eq(call(s, starts_with_more::log{}), std::vector<std::string>{"continued"});
        auto t = start<starts_with_more>(self(), true).value();
        receive<atom>();
        require_eq(call(t, starts_with_more::log{}), std::vector<std::string>{"idle"});
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
