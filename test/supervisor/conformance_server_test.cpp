// The catalogue's rows about starting (pl-) and servers (gs-), by their ids.
#include "inside.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

using namespace std::chrono_literals;

/// Does what it is told.
class dummy {
public:
    struct get {
        using reply = long;
    };
    struct add {
        using reply = long;
        long n;
    };
    struct set {
        long n;
    };
    struct die {
        using reply = long;
        exit_reason why;
    };
    struct crash {
        using reply = long;
        std::string text;
    };
    struct quit {
        using reply = long;
        exit_reason why;
    };  // answers, then stops
    struct quit_silently {
        using reply = long;
        exit_reason why;
    };
    struct later {
        using reply = long;
    };
    struct answer_all {
        using reply = long;
    };
    struct lose {
        using reply = long;
    };
    struct wait {
        using reply = long;
        duration how_long;
    };
    struct seen {
        using reply = std::vector<std::string>;
    };
    struct note {
        std::string text;
    };
    struct continue_noting {
        using reply = long;
        std::vector<std::string> texts;
    };
    struct idle {
        using reply = long;
        duration limit;
    };
    struct cast_quit {
        exit_reason why;
    };
    struct cast_crash {};
    struct order {
        std::string text;
    };
    using info = handles<note, down, exit_signal, idle_timeout, int>;

    dummy() = default;
    explicit dummy(long n) : n_(n) {}

    long handle_call(get) { return n_; }
    long handle_call(add a) { return n_ += a.n; }
    void handle_cast(set s) { n_ = s.n; }
    long handle_call(die d) { exit(d.why); }
    long handle_call(crash c) { throw std::runtime_error(c.text); }
    long handle_call(quit q) { return stop(q.why), n_; }
    void handle_call(quit_silently q, reply_to<long> client) {
        kept_.push_back(std::move(client));
        stop(q.why);
    }
    void handle_call(later, reply_to<long> client) { kept_.push_back(std::move(client)); }
    long handle_call(answer_all) {
        long count = 0;
        for (auto& client : kept_) reply(std::move(client), ++count);
        kept_.clear();
        return count;
    }
    void handle_call(lose, reply_to<long>) {}
    long handle_call(wait w) { return sleep(w.how_long), n_; }
    std::vector<std::string> handle_call(seen) { return seen_; }
    long handle_call(continue_noting c) {
        for (auto& text : c.texts) continue_with([this, text] { seen_.push_back(text); });
        return 0;
    }
    long handle_call(idle i) {
        set_idle_timeout(i.limit);
        return n_;
    }
    void handle_cast(cast_quit q) { stop(q.why); }
    void handle_cast(cast_crash) { throw std::logic_error("cast"); }
    void handle_cast(order o) { seen_.push_back(o.text); }
    void handle_info(note n) { seen_.push_back(n.text); }
    void handle_info(down d) { seen_.push_back("down " + to_string(d.reason)); }
    void handle_info(exit_signal e) { seen_.push_back("exit " + to_string(e.reason)); }
    void handle_info(idle_timeout) { seen_.push_back("idle"); }
    void handle_info(int n) { n_ = n; }

private:
    long n_ = 0;
    std::vector<reply_to<long>> kept_;
    std::vector<std::string> seen_;
};

inline constexpr server_name<dummy> the_dummy{"dummy"};

/// Tells `boss` when its terminate and its destructor run.
class told {
public:
    struct stop_with {
        using reply = bool;
        exit_reason why;
    };
    struct crash {
        using reply = bool;
    };
    struct stay {
        using reply = bool;
    };
    struct said {
        std::string text;
    };
    told(pid boss, bool trapping, bool bad_terminate = false) : boss_(boss), bad_(bad_terminate) {
        trap_exit(trapping);
    }
    ~told() { try_send(boss_, said{"destroyed"}); }
    bool handle_call(stop_with s) { return stop(s.why), true; }
    bool handle_call(crash) { throw std::runtime_error("crashed"); }
    bool handle_call(stay) { return true; }
    void terminate(const exit_reason& why) {
        try_send(boss_, said{"terminate " + to_string(why)});
        if (bad_) exit("terminate_failed"_a);
    }

private:
    pid boss_;
    bool bad_;
};
std::string next_said() { return receive<told::said>().text; }
bool nothing_queued() {
    return receive(when([](const told::said&) { return true; }, [](told::said) { return false; }),
                   after(0s, [] { return true; }));
}

// Nothing at all is in the caller's mailbox.
void require_clean(std::source_location where = std::source_location::current()) {
    const auto about = process_info(self());
    std::string queued;
    for (auto& m : about->messages) queued += m + " ";
    require(about->message_queue_len == 0, "left in the mailbox: " + queued, where);
    require(about->monitors.empty(), "a monitor is left", where);
}

exit_reason down_of(const monitor_ref& ref) {
    return receive(when(ref, [](const down& d) { return d.reason; }));
}

class fails_to_start {
public:
    struct how {
        enum kind { throws, exits, ignores, stops, kills_itself } what;
    };
    explicit fails_to_start(how h) {
        switch (h.what) {
        case how::throws:
            throw std::runtime_error("no good");
        case how::exits:
            exit("no_good"_a);
        case how::ignores:
            ignore_start();
        case how::stops:
            stop("not_now"_a);
            break;
        case how::kills_itself:
            exit(self(), reason::kill);
            break;
        }
    }
};
using how = fails_to_start::how;
inline constexpr server_name<fails_to_start> a_failing_name{"failing"};

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
    on_all_workers([] {
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
    });
}

TEST(conformance_behaviours, pl_start_crash) {
    on_all_workers([] {
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
            require(thrown.error().reason.exception_type() == "std::runtime_error");
            require_eq(start_it({how::exits}).error().reason, exit_reason("no_good"_a));
            require_eq(start_it({how::kills_itself}).error().reason, reason::killed);
        }
    });
}

TEST(conformance_behaviours, pl_uncaught) {
    on_all_workers([] {
        auto reason_of = [](auto f) {
            auto [p, ref] = spawn_monitor(f);
            return down_of(ref);
        };
        const auto error = reason_of([] { throw std::out_of_range("far"); });
        require(error.is_crash() && error.what() == "far" &&
                error.exception_type() == "std::out_of_range");
        const auto thrown = reason_of([] { throw 7; });
        require(thrown.is_crash() && thrown.exception_type() == "int");
        require_eq(reason_of([] { exit("on_purpose"_a); }), exit_reason("on_purpose"_a));
    });
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
    on_all_workers([] {
        auto s = start_link<dummy>().value();
        require_eq(process_info(s)->parent, self());
        // The parent is known also when it goes by a name.
        register_name("the_parent"_a, self());
        auto t = start_link<told>(self(), true).value();
        require_eq(process_info(t)->parent, whereis("the_parent"_a));
        unregister_name("the_parent"_a);
        stop(t);
        stop(s);
    });
}

TEST(conformance_behaviours, pl_hibernate) {
    on_all_workers([] {
        // An idle server holds no stack: it is always in OTP's hibernation.
        auto s = start<dummy>(1).value();
        require_eq(call(s, dummy::get{}), 1);
        const auto idle = process_info(s);
        require(idle && idle->status == process_status::waiting);
        require_eq(idle->stack_size, 0u);
        require_eq(call(s, dummy::add{2}), 3);
        const auto why = call_failure([&] { call(s, dummy::crash{"awake"}); });
        require(why.is_crash() && why.what() == "awake");
    });
}

TEST(conformance_behaviours, pl_stop) {
    on_all_workers([] {
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
    });
}

TEST(conformance_behaviours, pl_stop_noproc) {
    on_all_workers([] {
        auto s = start<dummy>().value();
        stop(s);
        require_eq(call_failure([&] { stop(s); }), reason::no_process);
        require_eq(call_failure([&] { stop(the_dummy); }), reason::no_process);
        require_clean();
    });
}

TEST(conformance_behaviours, pl_stop_dies) {
    on_all_workers([] {
        auto s = start<told>(self(), false, true).value();
        require_eq(call_failure([&] { stop(s); }), exit_reason("terminate_failed"_a));
    });
}

TEST(conformance_behaviours, pl_stop_bad_timeout) {
    on_all_workers([] {
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
    });
}

TEST(conformance_behaviours, pl_start_monitor_timeout) {
    on_all_workers([] {
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
    });
}

// --- gs: starting ----------------------------------------------------------------------------------------------

class sees_its_name {
public:
    struct knew {
        using reply = bool;
    };
    explicit sees_its_name(server_name<sees_its_name> name)
        : knew_(whereis(name) == self<sees_its_name>()) {}
    bool handle_call(knew) { return knew_; }

private:
    bool knew_;
};

TEST(conformance_behaviours, gs_start_name) {
    on_all_workers([] {
        constexpr server_name<sees_its_name> name{"sees_its_name"};
        auto s = start(name, name).value();
        require(call(name, sees_its_name::knew{}), "the name was not there in the constructor");
        for (bool linked : {false, true}) {
            auto second = linked ? start_link(name, name) : start(name, name);
            require(!second && second.error().kind == start_failure::already_started);
            require_eq(second.error().process, pid(s));
        }
        require(call(s, sees_its_name::knew{}));
        stop(s);
    });
}

TEST(conformance_behaviours, gs_start_ignore) {
    on_all_workers([] {
        auto ignored = start<fails_to_start>(how{how::ignores});
        require(!ignored && ignored.error().kind == start_failure::ignored);
        auto linked = start_link<fails_to_start>(how{how::ignores});
        require(!linked && linked.error().kind == start_failure::ignored);
        yield();  // a link would have struck by now
        trap_exit(true);
        auto trapped = start_link<fails_to_start>(how{how::ignores});
        require(!trapped);
        require_eq(receive<exit_signal>().reason, reason::normal);
    });
}

TEST(conformance_behaviours, gs_start_crash) {
    on_all_workers([] {
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
    });
}

TEST(conformance_behaviours, gs_start_name_released) {
    on_all_workers([] {
        for (int i = 0; i < 100; ++i)
            for (auto what : {how::ignores, how::stops, how::throws, how::exits}) {
                auto s = start(a_failing_name, how{what});
                require(!s && s.error().kind != start_failure::already_started,
                        "the name was still taken");
            }
    });
}

TEST(conformance_behaviours, gs_start_monitor_fail) {
    on_all_workers([] {
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
    });
}

TEST(conformance_behaviours, gs_start_clean) {
    on_all_workers([] {
        auto s = start(the_dummy).value();
        (void)start(the_dummy);
        (void)start_monitor(the_dummy);
        for (auto what : {how::ignores, how::stops, how::throws, how::exits}) {
            (void)start<fails_to_start>(how{what});
            (void)start_monitor<fails_to_start>(how{what});
        }
        stop(s);
        require_clean();
    });
}

class starts_with_more {
public:
    struct log {
        using reply = std::vector<std::string>;
    };
    using info = handles<idle_timeout>;
    explicit starts_with_more(pid boss, bool idle) {
        if (idle)
            set_idle_timeout(1ms);
        else
            continue_with([this, boss] {
                receive<atom>();  // only sent once start has returned
                log_.push_back("continued");
                send(boss, "done"_a);
            });
    }
    void handle_info(idle_timeout) { log_.push_back("idle"); }
    std::vector<std::string> handle_call(log) { return log_; }

private:
    std::vector<std::string> log_;
};

TEST(conformance_behaviours, gs_init_extra) {
    on_all_workers([] {
        auto s = start<starts_with_more>(self(), false).value();
        send(s, "go"_a);
        receive<atom>();
        require_eq(call(s, starts_with_more::log{}), std::vector<std::string>{"continued"});
        auto t = start<starts_with_more>(self(), true).value();
        sleep(20ms);
        require_eq(call(t, starts_with_more::log{}), std::vector<std::string>{"idle"});
    });
}

// --- gs: calls -------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, gs_call) {
    on_all_workers([] {
        auto s = start<dummy>(40).value();
        require_eq(call(s, dummy::add{2}), 42);
        const pid boss = self();
        for (int i = 0; i < 3; ++i) spawn([s, boss] { send(boss, call(s, dummy::later{})); });
        while (call(s, dummy::answer_all{}) == 0) yield();
        long sum = receive<long>();
        while (sum < 3 && call(s, dummy::answer_all{}) >= 0) {
            if (auto more = receive_for<long>(1ms)) sum += *more;
        }
        // By another process than the server.
        struct helped {
            struct ask {
                using reply = long;
            };
            void handle_call(ask, reply_to<long> client) {
                spawn([client = std::move(client)]() mutable { reply(std::move(client), 7); });
            }
        };
        auto h = start<helped>().value();
        require_eq(call(h, helped::ask{}), 7);
    });
}

TEST(conformance_behaviours, gs_call_no_late_reply) {
    on_all_workers([] {
        auto s = start<dummy>().value();
        require_eq(call_failure([&] { call(s, dummy::later{}, 5ms); }), reason::timeout);
        require_eq(call(s, dummy::answer_all{}), 1);
        require_eq(call(s, dummy::get{}), 0);
        require_clean();
    });
}

TEST(conformance_behaviours, gs_call_noproc) {
    on_all_workers([] {
        auto s = start<dummy>().value();
        stop(s);
        require_eq(call_failure([&] { call(s, dummy::get{}); }), reason::no_process);
        require_eq(call_failure([&] { call(the_dummy, dummy::get{}); }), reason::no_process);
        require_eq(call_failure([&] { call(server<dummy>(), dummy::get{}); }), reason::no_process);
    });
}

TEST(conformance_behaviours, gs_call_server_dies) {
    on_all_workers([] {
        for (exit_reason why : {reason::normal, reason::shutdown, exit_reason("shutdown"_a, "x"_a),
                                exit_reason("odd"_a)}) {
            auto s = start<dummy>().value();
            require_eq(call_failure([&] { call(s, dummy::die{why}, 1h); }), why);
            auto t = start<dummy>().value();
            require_eq(call_failure([&] { call(t, dummy::quit_silently{why}, 1h); }), why);
        }
        auto s = start<dummy>().value();
        const auto crash = call_failure([&] { call(s, dummy::crash{"bang"}, 1h); });
        require(crash.is_crash() && crash.what() == "bang");
        auto t = start<dummy>().value();
        const pid boss = self();
        spawn([t, boss] { send(boss, call_failure([&] { call(t, dummy::later{}, 1h); })); });
        while (call(t, dummy::answer_all{}) != 0) {
        }
        spawn([t] { exit(t, reason::kill); });
        const auto why = receive<exit_reason>();
        require(why == reason::killed || why == reason::no_process);
    });
}

TEST(conformance_behaviours, gs_call_catchable) {
    on_all_workers([] {
        auto s = start<dummy>().value();
        try {
            call(s, dummy::die{"odd"_a});
            require(false);
        } catch (const call_failed& e) {
            require_eq(e.reason(), exit_reason("odd"_a));
            require_eq(e.server(), pid(s));
            require(e.request().find("die") != std::string::npos);
        }
        require_clean();
        // Uncaught, it is the reason the caller ends with.
        auto [p, ref] = spawn_monitor([s] { call(s, dummy::get{}); });
        require_eq(down_of(ref), reason::no_process);
    });
}

TEST(conformance_behaviours, gs_call_order) {
    on_all_workers([] {
        auto s = start<dummy>().value();
        for (int i = 0; i < 100; ++i) {
            cast(s, dummy::set{i});
            require_eq(call(s, dummy::get{}), i);
        }
    });
}

TEST(conformance_behaviours, gs_call_huge_queue) {
    on_all_workers([] {
        auto s = start<dummy>().value();
        auto time_of = [&] {
            const auto begin = std::chrono::steady_clock::now();
            for (int i = 0; i < 10'000; ++i) call(s, dummy::get{});
            return std::chrono::steady_clock::now() - begin;
        };
        time_of();
        const auto empty = time_of();
        for (int i = 0; i < 500'000; ++i) send(self(), i);
        const auto full = time_of();
        require(full < 10 * empty, "with 500,000 messages queued a call takes " +
                                       std::to_string(full / empty) + " times as long");
    });
}

TEST(conformance_behaviours, gs_cast) {
    on_all_workers([] {
        auto s = start<dummy>().value();
        cast(s, dummy::set{9});
        require_eq(call(s, dummy::get{}), 9);
        const auto ref = monitor(s);
        cast(s, dummy::cast_quit{"enough"_a});
        require_eq(down_of(ref), exit_reason("enough"_a));
    });
}

TEST(conformance_behaviours, gs_cast_nobody) {
    on_all_workers([] {
        auto s = start<dummy>().value();
        stop(s);
        cast(s, dummy::set{1});
        cast(the_dummy, dummy::set{1});
        cast(server<dummy>(), dummy::set{1});
        require_clean();
    });
}

class watches {
public:
    struct watch {
        using reply = bool;
        pid whom;
        bool link;
    };
    struct seen {
        using reply = std::vector<std::string>;
    };
    using info = handles<std::string, down, exit_signal>;
    watches() { trap_exit(true); }
    bool handle_call(watch w) {
        if (w.link)
            link(w.whom);
        else
            monitor(w.whom);
        return true;
    }
    std::vector<std::string> handle_call(seen) { return seen_; }
    void handle_info(std::string s) { seen_.push_back(s); }
    void handle_info(down d) { seen_.push_back("down " + to_string(d.reason)); }
    void handle_info(exit_signal e) { seen_.push_back("exit " + to_string(e.reason)); }

private:
    std::vector<std::string> seen_;
};

TEST(conformance_behaviours, gs_info) {
    on_all_workers([] {
        auto s = start<watches>().value();
        send(s, std::string("hello"));
        for (bool linked : {false, true}) {
            pid other = spawn([] {
                receive<atom>();
                exit("gone"_a);
            });
            call(s, watches::watch{other, linked});
            send(other, "go"_a);
            const std::size_t wanted = linked ? 3 : 2;
            while (call(s, watches::seen{}).size() < wanted) yield();
        }
        require_eq(call(s, watches::seen{}),
                   std::vector<std::string>{"hello", "down gone", "exit gone"});
        send(s, 3.14);  // nobody's: logged and dropped
        require_eq(call(s, watches::seen{}).size(), 3u);
    });
}

// --- gs: idle timeout, continue ----------------------------------------------------------------------------------

TEST(conformance_behaviours, gs_idle_timeout) {
    on_all_workers([] {
        auto s = start<dummy>().value();
        call(s, dummy::idle{50ms});
        sleep(10ms);
        call(s, dummy::get{});  // cancels it
        sleep(100ms);
        require(call(s, dummy::seen{}).empty(), "a message did not cancel it");
        call(s, dummy::idle{20ms});
        sleep(100ms);
        require_eq(call(s, dummy::seen{}), std::vector<std::string>{"idle"});
        sleep(50ms);
        require_eq(call(s, dummy::seen{}).size(), 1u);  // not asked for again
    });
}

// Asks for it while a note is in its mailbox.
struct zero {
    struct go {
        using reply = bool;
    };
    struct seen {
        using reply = std::vector<std::string>;
    };
    using info = handles<dummy::note, idle_timeout>;
    bool handle_call(go) {
        send(heirloom::self(), dummy::note{"queued"});
        set_idle_timeout(0s);
        return true;
    }
    std::vector<std::string> handle_call(seen) { return log; }
    void handle_info(dummy::note n) { log.push_back(n.text); }
    void handle_info(idle_timeout) { log.push_back("idle"); }
    std::vector<std::string> log;
};

TEST(conformance_behaviours, gs_idle_timeout_zero) {
    on_all_workers([] {
        auto s = start<dummy>().value();
        // With something queued it does not fire.
        auto z = start<zero>().value();
        call(z, zero::go{});
        require_eq(call(z, zero::seen{}), std::vector<std::string>{"queued"});
        call(s, dummy::idle{0s});
        while (call(s, dummy::seen{}).empty()) call(s, dummy::idle{0s});
        require_eq(call(s, dummy::seen{}).front(), "idle");
    });
}

class continues {
public:
    struct from_call {
        using reply = int;
    };
    struct from_late_call {
        using reply = int;
    };
    struct from_cast {};
    struct chain {
        using reply = int;
    };
    struct chain_stop {
        using reply = int;
    };
    struct seen {
        using reply = std::vector<std::string>;
    };
    struct info_message {};
    using info = handles<info_message, dummy::note>;
    continues() { go("init"); }
    int handle_call(from_call) { return go("call"), 1; }
    void handle_call(from_late_call, reply_to<int> client) {
        reply(std::move(client), 2);
        go("late");
    }
    void handle_cast(from_cast) { go("cast"); }
    void handle_info(info_message) { go("info"); }
    void handle_info(dummy::note n) { log_.push_back(n.text); }
    int handle_call(chain) {
        send(self(), dummy::note{"queued"});
        continue_with([this] {
            log_.push_back("one");
            continue_with([this] { log_.push_back("two"); });
        });
        return 3;
    }
    int handle_call(chain_stop) {
        continue_with([] { continue_with([] { stop("chained"_a); }); });
        return 4;
    }
    std::vector<std::string> handle_call(seen) { return std::exchange(log_, {}); }

private:
    void go(std::string where) {
        send(self(), dummy::note{"queued before " + where});
        continue_with([this, where] { log_.push_back(where); });
    }
    std::vector<std::string> log_;
};

TEST(conformance_behaviours, gs_continue) {
    on_all_workers([] {
        using list = std::vector<std::string>;
        auto s = start<continues>().value();
        require_eq(call(s, continues::seen{}), list{"init", "queued before init"});
        call(s, continues::from_call{});
        require_eq(call(s, continues::seen{}), list{"call", "queued before call"});
        call(s, continues::from_late_call{});
        require_eq(call(s, continues::seen{}), list{"late", "queued before late"});
        // The note is queued when the callback runs, which may be after our next question.
        auto two_seen = [&] {
            list all;
            while (all.size() < 2)
                for (auto& text : call(s, continues::seen{})) all.push_back(text);
            return all;
        };
        cast(s, continues::from_cast{});
        require_eq(two_seen(), list{"cast", "queued before cast"});
        send(s, continues::info_message{});
        require_eq(two_seen(), list{"info", "queued before info"});
    });
}

TEST(conformance_behaviours, gs_continue_chain) {
    on_all_workers([] {
        auto s = start<continues>().value();
        (void)call(s, continues::seen{});
        require_eq(call(s, continues::chain{}), 3);
        require_eq(call(s, continues::seen{}), std::vector<std::string>{"one", "two", "queued"});
        const auto ref = monitor(s);
        require_eq(call(s, continues::chain_stop{}), 4);
        require_eq(down_of(ref), exit_reason("chained"_a));
    });
}

TEST(conformance_behaviours, gs_throw_is_return) {
    on_all_workers([] {
        // Here a throw is a crash, whatever is thrown: a C++ handler returns by returning. See DESIGN.md.
        struct thrower {
            struct ask {
                using reply = int;
            };
            int handle_call(ask) { throw 7; }
        };
        auto s = start<thrower>().value();
        require(call_failure([&] { call(s, thrower::ask{}); }).is_crash());
    });
}

TEST(conformance_behaviours, gs_hibernate_after) {
    on_all_workers([] {
        // At once, not after a time: between two messages a server has no stack. See DESIGN.md.
        auto s = start<dummy>().value();
        for (int i = 0; i < 3; ++i) {
            call(s, dummy::get{});
            require_eq(process_info(s)->stack_size, 0u);
        }
    });
}

// --- gs: the end ------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, gs_stop_return) {
    on_all_workers([] {
        auto s = start<told>(self(), false).value();
        const auto ref = monitor(s);
        require(call(s, told::stop_with{"done"_a}));  // what the callback returns is still answered
        require_eq(next_said(), "terminate done");
        require_eq(next_said(), "destroyed");
        require_eq(down_of(ref), exit_reason("done"_a));
        require(nothing_queued(), "terminate ran twice");
        auto t = start<dummy>().value();
        require_eq(call_failure([&] { call(t, dummy::quit_silently{"quiet"_a}); }),
                   exit_reason("quiet"_a));
    });
}

TEST(conformance_behaviours, gs_terminate_on_crash) {
    on_all_workers([] {
        auto s = start<told>(self(), false).value();
        const auto why = call_failure([&] { call(s, told::crash{}); });
        require(why.is_crash() && why.what() == "crashed");
        require_eq(next_said(), "terminate " + to_string(why));
        require_eq(next_said(), "destroyed");
    });
}

TEST(conformance_behaviours, gs_terminate_crash) {
    on_all_workers([] {
        auto s = start_monitor<told>(self(), false, true).value();
        call(s.server, told::stop_with{"stopped"_a});
        require_eq(down_of(s.ref), exit_reason("terminate_failed"_a));
    });
}

TEST(conformance_behaviours, gs_terminate_optional) {
    on_all_workers([] {
        auto s = start_monitor<dummy>().value();
        call(s.server, dummy::quit{"plain"_a});
        require_eq(down_of(s.ref), exit_reason("plain"_a));
    });
}

TEST(conformance_behaviours, gs_parent_exit) {
    on_all_workers([] {
        const pid boss = self();
        for (exit_reason why : {reason::normal, reason::shutdown, exit_reason("odd"_a)}) {
            auto [parent, ref] = spawn_monitor([boss, why] {
                auto s = start_link<told>(boss, true).value();
                send(boss, s);
                receive<atom>();
                exit(why);
            });
            auto s = receive<server<told>>();
            const auto watch = monitor(s);
            send(parent, "go"_a);
            require_eq(next_said(), "terminate " + to_string(why));
            require_eq(next_said(), "destroyed");
            require_eq(down_of(watch), why);
            down_of(ref);
        }
        // From anyone else it is handle_info: this one has none, so it logs it and lives.
        auto s = start<told>(self(), true).value();
        exit(s, "stranger"_a);
        require(call(s, told::stay{}));
        stop(s);
    });
}

TEST(conformance_behaviours, gs_parent_exit_nontrapping) {
    on_all_workers([] {
        auto s = start_monitor<told>(self(), false).value();
        exit(s.server, "odd"_a);
        require_eq(down_of(s.ref), exit_reason("odd"_a));
        require_eq(next_said(), "destroyed");  // no terminate before it
        auto t = start_monitor<told>(self(), true).value();
        exit(t.server, reason::kill);
        require_eq(down_of(t.ref), reason::killed);
        require_eq(next_said(), "destroyed");
    });
}

TEST(conformance_behaviours, gs_no_report_reasons) {
    for (unsigned workers : {1u, 2u, 4u}) {
        log_keeper log;
        {
            runtime rt({.workers = workers, .log = log.sink()});
            rt.invoke([] {
                for (exit_reason why :
                     {reason::normal, reason::shutdown, exit_reason("shutdown"_a, "x"_a)})
                    call(start<dummy>().value(), dummy::quit{why});
                call(start<dummy>().value(), dummy::quit{"bad"_a});
            });
            EXPECT_TRUE(log.wait_for("crash", "bad"));
        }
        EXPECT_EQ(log.count("server_terminated"), 1u);
        EXPECT_EQ(log.count("crash"), 1u);
        for (const auto& e : log.events())
            if (e.event == "server_terminated") {
                EXPECT_NE(e.text.find("quit"), std::string::npos)
                    << "does not name the last message: " << e.text;
                EXPECT_NE(e.text.find("dummy"), std::string::npos) << e.text;
            }
    }
}

TEST(conformance_behaviours, gs_stop) {
    on_all_workers([] {
        auto s = start<told>(self(), false).value();
        stop(s, "odd"_a, 5s);
        require_eq(next_said(), "terminate odd");
        require_eq(next_said(), "destroyed");
        auto named = start(the_dummy).value();
        stop(the_dummy, reason::shutdown, 5s);
        require(!is_alive(named));
    });
}

}  // namespace
}  // namespace heirloom::test
