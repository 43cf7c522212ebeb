// The catalogue's rows about supervisors (sv-), by their ids.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "inside.hpp"
#include "support/effort.hpp"

namespace heirloom::test {
namespace {

using namespace std::chrono_literals;

/// Says what happens to it, and ends as told.
class worker {
public:
    struct said {
        std::string id;
        std::string what;
        pid who;
    };
    struct end { exit_reason why; };
    struct id_of { using reply = std::string; };
    using info = handles<int>;

    worker(pid boss, std::string id, bool trapping = false, duration stubborn = {})
        : boss_(boss), id_(std::move(id)), stubborn_(stubborn) {
        trap_exit(trapping);
        try_send(boss_, said{id_, "up", self()});
    }
    void handle_cast(end e) {
        if (e.why.is_crash()) throw std::runtime_error("told to");
        stop(e.why);
    }
    std::string handle_call(id_of) { return id_; }
    void handle_info(int) {}
    void terminate(const exit_reason& why) { try_send(boss_, said{id_, "down " + to_string(why), self()}); }

private:
    pid boss_;
    std::string id_;
    duration stubborn_;
};

// Ignores the request to end.
class stubborn {
public:
    using info = handles<exit_signal>;
    explicit stubborn(pid boss) {
        trap_exit(true);
        continue_with([boss] {
            send(boss, worker::said{"stubborn", "up", self()});
            for (;;) receive([](exit_signal) {});
        });
    }
    void handle_info(exit_signal) {}
};

pid pid_of(supervisor_ref sup, const std::string& id) {
    for (auto& c : which_children(sup))
        if (c.id == id) return c.pid;
    return {};
}
child_status status_of(supervisor_ref sup, const std::string& id) {
    for (auto& c : which_children(sup))
        if (c.id == id) return c.status;
    require(false, "no child " + id);
    return {};
}
std::vector<std::string> ids_of(supervisor_ref sup) {
    std::vector<std::string> ids;
    for (auto& c : which_children(sup)) ids.push_back(c.id);
    return ids;
}
exit_reason down_of(const monitor_ref& ref) {
    return receive(when(ref, [](const down& d) { return d.reason; }));
}
std::string next_said() {
    auto s = receive<worker::said>();
    return s.id + " " + s.what;
}
std::vector<std::string> said_so_far() {
    std::vector<std::string> all;
    while (auto s = receive_for<worker::said>(0s)) all.push_back(s->id + " " + s->what);
    return all;
}
void require_same(const child_counts& got, std::size_t specs, std::size_t active, std::size_t supervisors,
                  std::size_t workers, std::source_location where = std::source_location::current()) {
    const auto text = [](const child_counts& c) {
        return std::to_string(c.specs) + "," + std::to_string(c.active) + "," + std::to_string(c.supervisors) + "," +
               std::to_string(c.workers);
    };
    const child_counts wanted{specs, active, supervisors, workers};
    require(got == wanted, "counts are " + text(got) + ", wanted " + text(wanted), where);
}
// Ends a process and waits until it is gone.
void end_process(pid p, exit_reason why = reason::kill) {
    const auto ref = monitor(p);
    exit(p, std::move(why));
    down_of(ref);
}
// Waits until the child runs as another process than `old`.
pid wait_for_new(supervisor_ref sup, const std::string& id, pid old) {
    for (;;) {
        const pid now = pid_of(sup, id);
        if (now && now != old) return now;
        yield();
    }
}
supervisor::init_result three(pid boss, restart_strategy strategy = one_for_one, restart_type when = permanent,
                              int restarts = 100) {
    return {.strategy = strategy,
            .intensity = {.restarts = restarts},
            .children = {child<worker>("a", boss, "a").restart(when), child<worker>("b", boss, "b").restart(when),
                         child<worker>("c", boss, "c").restart(when)}};
}
exit_reason crash_reason() { return exit_reason::crash("x", "y"); }

// --- Starting ---------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, sv_start) {
    on_all_workers([] {
        const pid boss = self();
        auto sup = supervisor::start_link([boss] { return three(boss); }).value();
        require_eq(said_so_far(), std::vector<std::string>{"a up", "b up", "c up"});
        require_eq(ids_of(sup), std::vector<std::string>{"a", "b", "c"});
        require(process_info(sup)->trap_exit);
        stop(sup);
    });
}

TEST(conformance_behaviours, sv_start_ignore) {
    on_all_workers([] {
        trap_exit(true);
        auto sup = supervisor::start_link([]() -> supervisor::init_result { ignore_start(); });
        require(!sup && sup.error().kind == start_failure::ignored);
        require_eq(receive<exit_signal>().reason, reason::normal);
    });
}

TEST(conformance_behaviours, sv_start_bad) {
    on_all_workers([] {
        trap_exit(true);
        auto sup = supervisor::start_link([]() -> supervisor::init_result { exit("bad_init"_a); });
        require_eq(sup.error().reason, exit_reason("bad_init"_a));
        require_eq(receive<exit_signal>().reason, exit_reason("bad_init"_a));
        auto crashed = supervisor::start_link([]() -> supervisor::init_result { throw std::runtime_error("in init"); });
        require(crashed.error().reason.is_crash() && crashed.error().reason.what() == "in init");
        require_eq(receive<exit_signal>().reason, crashed.error().reason);
    });
}

class never_starts {
public:
    explicit never_starts(std::string how) {
        if (how == "throws") throw std::runtime_error("never");
        if (how == "ignores") ignore_start();
        exit(atom::intern(how));
    }
};

TEST(conformance_behaviours, sv_start_child_fails) {
    on_all_workers([] {
        trap_exit(true);
        const pid boss = self();
        auto sup = supervisor::start_link(
            {.children = {child<worker>("a", boss, "a", true), child<worker>("b", boss, "b", true),
                          child<never_starts>("bad", "odd"), child<worker>("d", boss, "d", true)}});
        require(!sup);
        const exit_reason why = sup.error().reason;
        require(why.is("shutdown"_a) && why.detail()->is("failed_to_start_child"_a));
        const failed_child* which = as_failed_child(why);
        require(which != nullptr && which->id == "bad");
        require_eq(which->reason, exit_reason("odd"_a));
        require_eq(receive<exit_signal>().reason, why);
        require_eq(said_so_far(), std::vector<std::string>{"a up", "b up", "b down shutdown", "a down shutdown"});
    });
}

TEST(conformance_behaviours, sv_start_app_error) {
    on_all_workers([] {
        trap_exit(true);
        auto outer = supervisor::start_link({.children = {
            child<supervisor>("inner", supervisor::init_result{.children = {child<never_starts>("bad", "throws")}})}});
        const failed_child* inner = as_failed_child(outer.error().reason);
        require(inner != nullptr && inner->id == "inner");
        const failed_child* bad = as_failed_child(inner->reason);
        require(bad != nullptr && bad->id == "bad");
        require(bad->reason.is_crash() && bad->reason.what() == "never");
    });
}

TEST(conformance_behaviours, sv_start_child_forms) {
    on_all_workers([] {
        auto sup = supervisor::start_link({}).value();
        const pid boss = self();
        auto plain = start_child(sup, child_function("pid", [boss] { return start_link<worker>(boss, "w"); }));
        require(plain && is_alive(plain->pid));
        auto with_info = start_child(sup, child_function("info", [boss]() -> started_child {
            return {start_link<worker>(boss, "w").value(), std::string("extra")};
        }));
        require_eq(std::any_cast<std::string>(with_info->info), "extra");
        auto ignored = start_child(sup, child_function("ignored", [] { return start_link<never_starts>("ignores"); }));
        require(ignored && !ignored->pid);
        auto error = start_child(sup, child_function("error", [] { return start_link<never_starts>("odd"); }));
        require(!error && error.error().kind == child_failure::start_failed);
        require_eq(error.error().reason, exit_reason("odd"_a));
        auto nothing = start_child(sup, child_function("nothing", [] { return pid(); }));
        require(!nothing && nothing.error().kind == child_failure::start_failed);
        auto raised = start_child(sup, child_function("raised", []() -> pid { throw std::runtime_error("raised"); }));
        require(raised.error().reason.is_crash() && raised.error().reason.what() == "raised");
        auto exited = start_child(sup, child_function("exited", []() -> pid { exit("exited"_a); }));
        require_eq(exited.error().reason, exit_reason("exited"_a));
        require_eq(ids_of(sup), std::vector<std::string>{"pid", "info", "ignored"});
        stop(sup);
    });
}

TEST(conformance_behaviours, sv_start_ignored_child) {
    on_all_workers([] {
        auto sup = supervisor::start_link({.children = {child<worker>("a", self(), "a"),
                                                        child<never_starts>("ignored", "ignores")}}).value();
        require_eq(ids_of(sup), std::vector<std::string>{"a", "ignored"});
        require(!pid_of(sup, "ignored"));
        require_same(count_children(sup), 2, 1, 0, 2);
        auto more = start_child(sup, child<never_starts>("more", "ignores"));
        require(more && !more->pid);
        auto forgotten = start_child(sup, child<never_starts>("temporary", "ignores").restart(temporary));
        require(forgotten && !forgotten->pid);
        require_same(count_children(sup), 3, 1, 0, 3);
        stop(sup);
    });
}

std::string text_of(const exit_reason& why) { return to_string(why); }

TEST(conformance_behaviours, sv_flags_bad) {
    on_all_workers([] {
        trap_exit(true);
        const pid boss = self();
        auto refused = [&](supervisor::init_result what, std::string field) {
            what.children = {child<worker>("a", boss, "a")};
            auto sup = supervisor::start_link(std::move(what));
            require(!sup, field + " was accepted");
            require(sup.error().reason.is("supervisor_data"_a));
            require(text_of(sup.error().reason).find(field) != std::string::npos, text_of(sup.error().reason));
        };
        refused({.strategy = static_cast<restart_strategy>(17)}, "strategy");
        refused({.intensity = {.restarts = -1}}, "intensity.restarts");
        refused({.intensity = {.within = 0s}}, "intensity.within");
        refused({.intensity = {.within = -1s}}, "intensity.within");
        refused({.auto_shutdown = static_cast<auto_shutdown_mode>(17)}, "auto_shutdown");
        require(said_so_far().empty(), "a child was started");
    });
}

TEST(conformance_behaviours, sv_spec_defaults) {
    on_all_workers([] {
        auto sup = supervisor::start_link({.children = {
            child<worker>("w", self(), "w"), child<supervisor>("s", supervisor::init_result{})}}).value();
        const child_spec w = get_childspec(sup, "w").value();
        require(w.restart() == permanent && w.shutdown() == 5s && w.type() == child_type::worker && !w.significant());
        const child_spec s = get_childspec(sup, "s").value();
        require(s.restart() == permanent && s.shutdown() == forever && s.type() == child_type::supervisor);
        require(get_childspec(sup, "none").error().kind == child_failure::not_found);
        stop(sup);
        auto simple = supervisor::start_link({.strategy = simple_one_for_one,
                                              .children = {child<worker>("w", self(), "w").shutdown(1s)}}).value();
        const pid one = start_child(simple).value();
        require(get_childspec(simple, one).value().shutdown() == 1s);
        stop(simple);
    });
}

TEST(conformance_behaviours, sv_spec_bad) {
    on_all_workers([] {
        trap_exit(true);
        const pid boss = self();
        auto sup = supervisor::start_link({}).value();
        auto refused = [&](child_spec bad, std::string field) {
            auto direct = start_child(sup, bad);
            require(!direct && direct.error().kind == child_failure::bad_spec);
            require(direct.error().text.find(field) != std::string::npos, direct.error().text);
            require(direct.error().text.find("bad") != std::string::npos, "does not name the child");
            auto checked = check_childspecs({bad});
            require(!checked && checked.error().text == direct.error().text);
            auto started = supervisor::start_link({.children = {child<worker>("a", boss, "a"), bad}});
            require(!started && started.error().reason.is("start_spec"_a));
            require(text_of(started.error().reason).find(field) != std::string::npos);
        };
        auto spec = [&] { return child<worker>("bad", boss, "bad"); };
        refused(spec().shutdown(-10ms), "shutdown");
        refused(spec().restart(static_cast<restart_type>(9)), "restart");
        refused(spec().type(static_cast<child_type>(9)), "type");
        refused(spec().significant(), "significant");
        refused(spec().budget({.restarts = -1}), "budget.restarts");
        refused(spec().budget({.within = 0s}), "budget.within");
        refused(spec().delay({.initial = 1s, .factor = 0.5}), "delay.factor");
        require(said_so_far().empty(), "a child was started");
        require(bool(check_childspecs({spec().shutdown(0s)})));
        stop(sup);
    });
}

TEST(conformance_behaviours, sv_spec_duplicate) {
    on_all_workers([] {
        trap_exit(true);
        const pid boss = self();
        auto sup = supervisor::start_link({.children = {child<worker>("same", boss, "a"), child<worker>("same", boss, "b")}});
        require(!sup && sup.error().reason.is("start_spec"_a));
        require(text_of(sup.error().reason).find("same") != std::string::npos);
        require(said_so_far().empty(), "a child was started");
        require(!check_childspecs({child<worker>("same", boss, "a"), child<worker>("same", boss, "b")}));
    });
}

TEST(conformance_behaviours, sv_simple_one_spec) {
    on_all_workers([] {
        trap_exit(true);
        auto none = supervisor::start_link({.strategy = simple_one_for_one});
        require(!none && none.error().reason.is("bad_start_spec"_a));
        auto two = supervisor::start_link({.strategy = simple_one_for_one,
                                           .children = {child<worker>("a", self(), "a"), child<worker>("b", self(), "b")}});
        require(!two && two.error().reason.is("bad_start_spec"_a));
    });
}

// --- Requests ---------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, sv_terminate_child) {
    on_all_workers([] {
        auto sup = supervisor::start_link({.children = {child<worker>("a", self(), "a", true)}}).value();
        const pid a = pid_of(sup, "a");
        require(bool(terminate_child(sup, "a")));
        require(!is_alive(a));
        require_eq(said_so_far(), std::vector<std::string>{"a up", "a down shutdown"});
        require_same(count_children(sup), 1, 0, 0, 1);
        require(bool(terminate_child(sup, "a")));
        require(terminate_child(sup, "none").error().kind == child_failure::not_found);
        require(terminate_child(sup, self()).error().kind == child_failure::not_found);
        require(status_of(sup, "a") == child_status::stopped);
        stop(sup);
    });
}

TEST(conformance_behaviours, sv_terminate_child_temporary) {
    on_all_workers([] {
        auto sup = supervisor::start_link({.children = {child<worker>("a", self(), "a").restart(temporary)}}).value();
        require(bool(terminate_child(sup, "a")));
        require_same(count_children(sup), 0, 0, 0, 0);
        require(bool(start_child(sup, child<worker>("a", self(), "a").restart(temporary))));
        stop(sup);
    });
}

supervisor::init_result simple(pid boss, restart_type when = permanent, int restarts = 100) {
    return {.strategy = simple_one_for_one,
            .intensity = {.restarts = restarts},
            .children = {child_template<worker, std::string>("worker", boss).restart(when)}};
}

TEST(conformance_behaviours, sv_terminate_child_simple) {
    on_all_workers([] {
        auto sup = supervisor::start_link(simple(self())).value();
        const pid one = start_child(sup, "one").value();
        const pid two = start_child(sup, "two").value();
        require(bool(terminate_child(sup, one)));
        require(!is_alive(one) && is_alive(two));
        require(bool(terminate_child(sup, one)), "a dead one is ok");
        const pid other = spawn([] { receive<atom>(); });
        require(terminate_child(sup, other).error().kind == child_failure::not_found);
        require(is_alive(other));
        require(terminate_child(sup, "worker").error().kind == child_failure::simple_one_for_one);
        require(start_child(sup, 17).error().kind == child_failure::bad_spec, "arguments of other types");
        require(start_child(sup).error().kind == child_failure::bad_spec, "no arguments");
        stop(sup);
        exit(other, reason::kill);
    });
}

/// Starts or not, as a table says: the way a child's start goes wrong later.
class moody {
public:
    using storage = ets::set<atom, long>;
    explicit moody(storage table, atom key = "fail"_a) {
        table.insert_new("starts"_a, 0);
        table.update_counter("starts"_a, +1);
        if (table.lookup(key).value_or(0) != 0) exit("moody"_a);
    }
};
moody::storage mood() {
    moody::storage t{{.access = ets::access::public_}};
    t.insert("fail"_a, 0);
    return t;
}

TEST(conformance_behaviours, sv_restart_child) {
    on_all_workers([] {
        auto table = mood();
        auto sup = supervisor::start_link({.intensity = {.restarts = 0}, .children = {child<moody>("m", table)}}).value();
        require(restart_child(sup, "m").error().kind == child_failure::running);
        require(restart_child(sup, "none").error().kind == child_failure::not_found);
        for (int i = 0; i < 5; ++i) {  // no restart for the intensity of 0
            require(bool(terminate_child(sup, "m")));
            auto again = restart_child(sup, "m");
            require(again && is_alive(again->pid) && again->pid == pid_of(sup, "m"));
        }
        require(bool(terminate_child(sup, "m")));
        table.insert("fail"_a, 1);
        auto failed = restart_child(sup, "m");
        require(!failed && failed.error().kind == child_failure::start_failed);
        require_eq(failed.error().reason, exit_reason("moody"_a));
        require(status_of(sup, "m") == child_status::stopped);
        stop(sup);
        auto many = supervisor::start_link(simple(self())).value();
        require(restart_child(many, "worker").error().kind == child_failure::simple_one_for_one);
        stop(many);
    });
}

TEST(conformance_behaviours, sv_delete_child) {
    on_all_workers([] {
        auto sup = supervisor::start_link(three(self())).value();
        require(delete_child(sup, "b").error().kind == child_failure::running);
        require(delete_child(sup, "none").error().kind == child_failure::not_found);
        require(bool(terminate_child(sup, "b")));
        require(bool(delete_child(sup, "b")));
        require_eq(ids_of(sup), std::vector<std::string>{"a", "c"});
        require(bool(start_child(sup, child<worker>("b", self(), "b"))));
        require_eq(ids_of(sup), std::vector<std::string>{"a", "c", "b"});
        stop(sup);
    });
}

TEST(conformance_behaviours, sv_count_children) {
    on_all_workers([] {
        auto sup = supervisor::start_link({.children = {
            child<worker>("a", self(), "a"), child<supervisor>("s", supervisor::init_result{}),
            child<worker>("t", self(), "t").restart(temporary)}}).value();
        require_same(count_children(sup), 3, 3, 1, 2);
        require(bool(terminate_child(sup, "s")));
        require_same(count_children(sup), 3, 2, 1, 2);
        stop(sup);
        const std::size_t many = scaled(2000);
        auto simple_sup = supervisor::start_link(simple(self(), temporary)).value();
        std::vector<pid> all;
        for (std::size_t i = 0; i < many; ++i) all.push_back(start_child(simple_sup, "x").value());
        require_same(count_children(simple_sup), 1, many, 0, many);
        for (pid p : all) end_process(p);
        require_same(count_children(simple_sup), 1, 0, 0, 0);
        stop(simple_sup);
    });
}

TEST(conformance_behaviours, sv_count_restarting) {
    on_all_workers([] {
        auto table = mood();
        auto sup = supervisor::start_link({.strategy = simple_one_for_one, .intensity = {.restarts = 1'000'000'000},
                                           .children = {child<moody>("m", table)}}).value();
        std::vector<pid> all;
        for (int i = 0; i < 3; ++i) all.push_back(start_child(sup).value());
        require_same(count_children(sup), 1, 3, 0, 3);
        table.insert("fail"_a, 1);
        end_process(all[0]);
        end_process(all[1]);
        require_same(count_children(sup), 1, 1, 0, 3);
        table.insert("fail"_a, 0);
        while (count_children(sup).active < 3) yield();
        require_same(count_children(sup), 1, 3, 0, 3);
        for (auto& c : which_children(sup)) require(bool(terminate_child(sup, c.pid)));
        require_same(count_children(sup), 1, 0, 0, 0);
        stop(sup);
    });
}

class calls_its_supervisor {
public:
    calls_its_supervisor(supervisor_name sup, pid boss) {
        try {
            which_children(sup);
        } catch (const call_failed& e) {
            send(boss, e.reason());
            throw;
        }
    }
};

TEST(conformance_behaviours, sv_requests_serialized) {
    on_all_workers([] {
        constexpr supervisor_name name{"asked_too_early"};
        auto sup = supervisor::start_link(name, {}).value();
        const auto before = runtime_clock::now();
        auto deadlocked = start_child(sup, child<calls_its_supervisor>("c", name, self()));
        require(runtime_clock::now() - before < 2s, "it waited for the call's limit");
        require(!deadlocked && deadlocked.error().reason.is("would_deadlock"_a), text_of(deadlocked.error().reason));
        require(receive<exit_reason>().is("would_deadlock"_a));
        require_same(count_children(sup), 0, 0, 0, 0);
        // Requests of others wait until the child is up.
        stop(sup);
    });
}

// --- Stopping ---------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, sv_stop_reverse) {
    on_all_workers([] {
        const pid boss = self();
        auto sup = supervisor::start_link({.children = {child<worker>("a", boss, "a", true),
                                                        child<worker>("b", boss, "b", true),
                                                        child<worker>("c", boss, "c", true)}}).value();
        stop(sup);
        require_eq(said_so_far(), std::vector<std::string>{"a up", "b up", "c up", "c down shutdown", "b down shutdown",
                                                           "a down shutdown"});
    });
}

TEST(conformance_behaviours, sv_stop_timeout) {
    on_all_workers([] {
        trap_exit(true);
        for (bool dynamic : {false, true}) {
            const pid boss = self();
            auto sup = dynamic ? dynamic_supervisor::start_link().value() : supervisor::start_link({}).value();
            const pid bad = start_child(sup, child<stubborn>("bad", boss).shutdown(20ms)).value();
            const pid good = start_child(sup, child<worker>("good", boss, "good", true).shutdown(1h)).value();
            receive(when([&](const worker::said& s) { return s.who == bad; }, [](worker::said) {}));
            const auto bad_ref = monitor(bad), good_ref = monitor(good), sup_ref = monitor(sup);
            exit(sup, reason::shutdown);
            require_eq(down_of(good_ref), reason::shutdown);
            require_eq(down_of(bad_ref), reason::killed);
            require_eq(down_of(sup_ref), reason::shutdown);
            require_eq(receive<exit_signal>().reason, reason::shutdown);
            said_so_far();
        }
    });
}

TEST(conformance_behaviours, sv_stop_brutal) {
    on_all_workers([] {
        for (bool dynamic : {false, true}) {
            auto sup = dynamic ? dynamic_supervisor::start_link().value() : supervisor::start_link({}).value();
            const pid a = start_child(sup, child<worker>("a", self(), "a", true).shutdown(brutal_kill)).value();
            const auto ref = monitor(a);
            stop(sup);
            require_eq(down_of(ref), reason::killed);
            require_eq(said_so_far(), std::vector<std::string>{"a up"});   // terminate did not run
        }
    });
}

// Ends with a reason of its own when it is told to stop.
class odd_end {
public:
    odd_end(exit_reason why) : why_(why) { trap_exit(true); }
    void terminate(const exit_reason&) { exit(why_); }

private:
    exit_reason why_;
};

TEST(conformance_behaviours, sv_stop_odd_reasons) {
    on_all_workers([] {
        trap_exit(true);
        for (bool dynamic : {false, true})
            for (restart_type when : {permanent, transient, temporary})
                for (exit_reason why : {reason::normal, reason::shutdown, exit_reason("shutdown"_a, "x"_a), exit_reason("odd"_a)}) {
                    auto sup = dynamic ? dynamic_supervisor::start_link().value() : supervisor::start_link({}).value();
                    const pid odd = start_child(sup, child<odd_end>("odd", why).restart(when)).value();
                    const auto ref = monitor(odd), sup_ref = monitor(sup);
                    exit(sup, reason::shutdown);
                    require_eq(down_of(ref), why);
                    require_eq(down_of(sup_ref), reason::shutdown);
                    receive<exit_signal>();
                }
    });
}

class unlinks_itself {
public:
    struct linked { using reply = bool; };
    unlinks_itself() { continue_with([] { unlink(parent()); }); }
    bool handle_call(linked) { return !process_info(self())->links.empty(); }
};

TEST(conformance_behaviours, sv_stop_unlinked_child) {
    on_all_workers([] {
        auto sup = supervisor::start_link({.children = {child<unlinks_itself>("u")}}).value();
        server<unlinks_itself> u = find_child<unlinks_itself>(sup);
        require(!call(u, unlinks_itself::linked{}));
        const auto ref = monitor(u);
        require(bool(terminate_child(sup, "u")));
        require_eq(down_of(ref), reason::shutdown);
        send(sup, std::string("stray"));   // logged and dropped
        require_same(count_children(sup), 1, 0, 0, 1);
        stop(sup);
    });
}

TEST(conformance_behaviours, sv_exit_parent) {
    on_all_workers([] {
        trap_exit(true);
        constexpr supervisor_name name{"ended_by_its_parent"};
        auto sup = supervisor::start_link(name, three(self())).value();
        const pid a = pid_of(sup, "a");
        exit(sup, reason::shutdown);
        require_eq(receive<exit_signal>().reason, reason::shutdown);
        require(!is_alive(a));
        require(!whereis(name));
        require(bool(supervisor::start_link(name, {})));
    });
}

TEST(conformance_behaviours, sv_exit_stranger) {
    on_all_workers([] {
        const pid boss = self();
        auto sup = supervisor::start_link(three(boss)).value();
        const auto before = which_children(sup);
        auto [p, ref] = spawn_monitor([sup] { exit(sup, "stranger"_a); });
        down_of(ref);
        const auto after_it = which_children(sup);
        for (std::size_t i = 0; i < 3; ++i) require_eq(before[i].pid, after_it[i].pid);
        stop(sup);
    });
}

TEST(conformance_behaviours, sv_killed) {
    on_all_workers([] {
        const pid boss = self();
        auto top = supervisor::start_link({.children = {child<supervisor>("inner", [boss]() -> supervisor::init_result {
            return {.children = {child<worker>("plain", boss, "plain"), child<worker>("trapping", boss, "trapping", true)}};
        })}}).value();
        server<supervisor> inner(pid_of(top, "inner"));
        const pid plain = pid_of(inner, "plain"), trapping = pid_of(inner, "trapping");
        const auto plain_ref = monitor(plain), trapping_ref = monitor(trapping);
        exit(inner, reason::kill);
        require_eq(down_of(plain_ref), reason::killed);
        require_eq(down_of(trapping_ref), reason::killed);
        server<supervisor> again(wait_for_new(top, "inner", inner));
        require(pid_of(again, "plain") != plain && is_alive(pid_of(again, "plain")));
        auto all = said_so_far();
        require(std::find(all.begin(), all.end(), "trapping down killed") != all.end(), "terminate did not run");
        stop(top);
    });
}

TEST(conformance_behaviours, sv_unexpected_msg) {
    log_keeper log;
    {
        runtime rt({.workers = 2, .log = log.sink()});
        rt.invoke([] {
            auto sup = supervisor::start_link(three(self())).value();
            send(sup, std::string("stray"));
            require_same(count_children(sup), 3, 3, 0, 3);
            stop(sup);
        });
        EXPECT_TRUE(log.wait_for("unexpected_message", "string"));
    }
}

// --- When is what restarted ---------------------------------------------------------------------------------------

struct ending {
    exit_reason why;
    bool by_signal;
};
std::vector<ending> endings() {
    return {{reason::normal, false}, {reason::shutdown, false}, {exit_reason("shutdown"_a, "x"_a), false},
            {exit_reason("odd"_a), false}, {crash_reason(), false}, {reason::killed, true}};
}
void end_child_by(pid p, const ending& how) {
    const auto ref = monitor(p);
    if (how.by_signal)
        exit(p, reason::kill);
    else
        cast(server<worker>(p), worker::end{how.why});
    down_of(ref);
}

TEST(conformance_behaviours, sv_permanent) {
    on_all_workers([] {
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one}) {
            auto sup = supervisor::start_link(three(self(), s)).value();
            for (const ending& how : endings()) {
                const pid b = pid_of(sup, "b");
                end_child_by(b, how);
                wait_for_new(sup, "b", b);
                require_eq(ids_of(sup), std::vector<std::string>{"a", "b", "c"});
            }
            stop(sup);
        }
        auto sup = supervisor::start_link(simple(self())).value();
        (void)start_child(sup, "x").value();
        for (const ending& how : endings()) {
            const pid x = which_children(sup).at(0).pid;
            end_child_by(x, how);
            wait_for_new(sup, "worker", x);
        }
        stop(sup);
    });
}

TEST(conformance_behaviours, sv_transient) {
    on_all_workers([] {
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one})
            for (const ending& how : endings()) {
                auto sup = supervisor::start_link(three(self(), s, transient)).value();
                const pid b = pid_of(sup, "b"), a = pid_of(sup, "a");
                end_child_by(b, how);
                if (how.why.is_orderly()) {
                    require(status_of(sup, "b") == child_status::stopped);
                    require_eq(pid_of(sup, "a"), a);
                    require_same(count_children(sup), 3, 2, 0, 3);
                    require(bool(restart_child(sup, "b")));
                } else {
                    wait_for_new(sup, "b", b);
                }
                stop(sup);
            }
    });
}

TEST(conformance_behaviours, sv_temporary) {
    on_all_workers([] {
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one})
            for (const ending& how : endings()) {
                auto sup = supervisor::start_link({.strategy = s, .intensity = {.restarts = 0},
                    .children = {child<worker>("a", self(), "a").restart(temporary)}}).value();
                end_child_by(pid_of(sup, "a"), how);
                require(which_children(sup).empty());
                require_same(count_children(sup), 0, 0, 0, 0);
                stop(sup);
            }
    });
}

TEST(conformance_behaviours, sv_spec_after_exit) {
    on_all_workers([] {
        const pid boss = self();
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one}) {
            auto sup = supervisor::start_link({.strategy = s, .intensity = {.restarts = 100}, .children = {
                child<worker>("permanent", boss, "p"), child<worker>("transient", boss, "t").restart(transient),
                child<worker>("stopped", boss, "s"), child<worker>("temporary", boss, "x").restart(temporary)}}).value();
            auto again = [&](std::string id) { return start_child(sup, child<worker>(id, boss, id)); };
            end_child_by(pid_of(sup, "temporary"), {reason::normal, false});
            end_child_by(pid_of(sup, "transient"), {reason::normal, false});
            require(bool(terminate_child(sup, "stopped")));
            require(again("transient").error().kind == child_failure::already_present);
            require(again("stopped").error().kind == child_failure::already_present);
            require(bool(again("temporary")));
            const pid p = pid_of(sup, "permanent");
            end_child_by(p, {reason::killed, true});
            const pid now = wait_for_new(sup, "permanent", p);
            auto running = again("permanent");
            require(running.error().kind == child_failure::already_started && running.error().process == now);
            stop(sup);
        }
    });
}

TEST(conformance_behaviours, sv_one_for_one) {
    on_all_workers([] {
        auto sup = supervisor::start_link(three(self())).value();
        const pid a = pid_of(sup, "a"), b = pid_of(sup, "b"), c = pid_of(sup, "c");
        end_process(b);
        wait_for_new(sup, "b", b);
        require_eq(pid_of(sup, "a"), a);
        require_eq(pid_of(sup, "c"), c);
        stop(sup);
    });
}

supervisor::init_result three_trapping(pid boss, restart_strategy s) {
    return {.strategy = s, .intensity = {.restarts = 100},
            .children = {child<worker>("a", boss, "a", true), child<worker>("b", boss, "b", true),
                         child<worker>("c", boss, "c", true), child<worker>("d", boss, "d", true)}};
}

TEST(conformance_behaviours, sv_one_for_all) {
    on_all_workers([] {
        auto sup = supervisor::start_link(three_trapping(self(), one_for_all)).value();
        said_so_far();
        const pid b = pid_of(sup, "b"), a = pid_of(sup, "a"), d = pid_of(sup, "d");
        end_process(b);
        wait_for_new(sup, "d", d);
        require_eq(said_so_far(), std::vector<std::string>{"d down shutdown", "c down shutdown", "a down shutdown",
                                                           "a up", "b up", "c up", "d up"});
        require(pid_of(sup, "a") != a);
        require_eq(which_children(sup)[0].recent_restarts, 1u);
        stop(sup);
    });
}

TEST(conformance_behaviours, sv_rest_for_one) {
    on_all_workers([] {
        auto sup = supervisor::start_link(three_trapping(self(), rest_for_one)).value();
        said_so_far();
        const pid a = pid_of(sup, "a"), b = pid_of(sup, "b"), d = pid_of(sup, "d");
        end_process(b);
        wait_for_new(sup, "d", d);
        require_eq(said_so_far(), std::vector<std::string>{"d down shutdown", "c down shutdown", "b up", "c up", "d up"});
        require_eq(pid_of(sup, "a"), a);
        require_eq(which_children(sup)[0].recent_restarts, 1u);
        stop(sup);
    });
}

TEST(conformance_behaviours, sv_dynamic_lost) {
    on_all_workers([] {
        const pid boss = self();
        auto top = supervisor::start_link({.children = {child<supervisor>("inner", [boss] { return three(boss); })}}).value();
        server<supervisor> inner(pid_of(top, "inner"));
        require(bool(start_child(inner, child<worker>("added", boss, "added"))));
        end_process(inner);
        server<supervisor> again(wait_for_new(top, "inner", inner));
        require_eq(ids_of(again), std::vector<std::string>{"a", "b", "c"});
        stop(top);
    });
}

// Ends by itself, badly, when it is told to stop.
class crashes_when_stopped {
public:
    crashes_when_stopped() { trap_exit(true); }
    void terminate(const exit_reason&) { exit("on_its_own"_a); }
};

TEST(conformance_behaviours, sv_group_one_count) {
    on_all_workers([] {
        auto sup = supervisor::start_link({.strategy = one_for_all, .intensity = {.restarts = 1, .within = 1h},
            .children = {child<worker>("a", self(), "a"), child<crashes_when_stopped>("b"), child<crashes_when_stopped>("c")}}).value();
        const pid a = pid_of(sup, "a"), c = pid_of(sup, "c");
        end_process(a);
        wait_for_new(sup, "c", c);
        require_eq(which_children(sup)[0].recent_restarts, 1u);
        require(is_alive(sup));
        stop(sup);
    });
}

// --- Intensity ----------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, sv_intensity) {
    on_all_workers([] {
        trap_exit(true);
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one, simple_one_for_one}) {
            const bool many = s == simple_one_for_one;
            auto sup = supervisor::start_link(many ? simple(self(), permanent, 2) : three(self(), s, permanent, 2)).value();
            if (many) (void)start_child(sup, "x").value();
            const std::string id = many ? "worker" : "a";
            for (int i = 0; i < 2; ++i) {
                const pid old = pid_of(sup, id);
                end_process(old);
                wait_for_new(sup, id, old);
            }
            std::vector<pid> all;
            for (auto& c : which_children(sup)) all.push_back(c.pid);
            said_so_far();
            end_process(pid_of(sup, id));
            require_eq(receive<exit_signal>().reason, reason::shutdown);
            for (pid p : all) require(!is_alive(p));
            for (auto& s2 : said_so_far()) require(s2.find(" up") == std::string::npos, "restarted once too often");
        }
    });
}

// In virtual time, so that seconds cost nothing.
template <class F>
void in_virtual_time(F body) {
    runtime rt({.workers = 1, .deterministic = {.seed = 1}, .log = no_log()});
    try {
        rt.invoke(body);
    } catch (const std::exception& e) {
        ADD_FAILURE() << e.what();
    }
}

TEST(conformance_behaviours, sv_intensity_window) {
    in_virtual_time([] {
        auto init = three(self(), one_for_one, permanent, 1);
        init.intensity.within = 1s;
        trap_exit(true);
        auto sup = supervisor::start_link(init).value();
        for (int i = 0; i < 4; ++i) {
            const pid a = pid_of(sup, "a");
            end_process(a);
            wait_for_new(sup, "a", a);
            sleep(2100ms);
        }
        require(is_alive(sup));
        const pid a = pid_of(sup, "a");
        end_process(a);
        wait_for_new(sup, "a", a);
        sleep(900ms);
        end_process(pid_of(sup, "a"));
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    });
}

TEST(conformance_behaviours, sv_intensity_zero) {
    on_all_workers([] {
        trap_exit(true);
        auto sup = supervisor::start_link({.intensity = {.restarts = 0}, .children = {
            child<worker>("t", self(), "t").restart(transient), child<worker>("x", self(), "x").restart(temporary),
            child<worker>("p", self(), "p")}}).value();
        end_child_by(pid_of(sup, "t"), {reason::normal, false});
        end_process(pid_of(sup, "x"));
        require_same(count_children(sup), 2, 1, 0, 2);
        end_process(pid_of(sup, "p"));
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    });
}

TEST(conformance_behaviours, sv_intensity_all_children) {
    on_all_workers([] {
        trap_exit(true);
        auto sup = supervisor::start_link(three(self(), one_for_one, permanent, 2)).value();
        for (const char* id : {"a", "b"}) {
            const pid old = pid_of(sup, id);
            end_process(old);
            wait_for_new(sup, id, old);
        }
        end_process(pid_of(sup, "c"));
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    });
}

TEST(conformance_behaviours, sv_intensity_escalates) {
    on_all_workers([] {
        auto table = mood();
        for (restart_strategy s : {one_for_one, one_for_all, rest_for_one}) {
            for (restart_type when : {permanent, transient}) {
                table.insert("fail"_a, 0);
                auto top = supervisor::start_link({.intensity = {.restarts = 100}, .children = {child<supervisor>("inner",
                    supervisor::init_result{.strategy = s, .intensity = {.restarts = 4}, .children = {
                        child<worker>("a", self(), "a"), child<moody>("m", table)}}).restart(when)}}).value();
                server<supervisor> inner(pid_of(top, "inner"));
                const auto ref = monitor(inner);
                const pid m = pid_of(inner, "m");
                table.insert("fail"_a, 1);
                end_process(m);
                require_eq(down_of(ref), reason::shutdown);
                if (when == transient) {
                    require(status_of(top, "inner") == child_status::stopped);
                } else {
                    table.insert("fail"_a, 0);
                    wait_for_new(top, "inner", inner);
                }
                stop(top);
            }
        }
    });
}

TEST(conformance_behaviours, sv_retry_counts) {
    on_all_workers([] {
        trap_exit(true);
        auto table = mood();
        auto sup = supervisor::start_link({.intensity = {.restarts = 4}, .children = {child<moody>("m", table)}}).value();
        table.insert("fail"_a, 1);
        const long before = table.at("starts"_a);
        end_process(pid_of(sup, "m"));
        require_eq(receive<exit_signal>().reason, reason::shutdown);
        require_eq(table.at("starts"_a) - before, 4);   // each failed attempt counted
    });
}

struct restarting_tree {
    moody::storage table = mood();
    server<supervisor> sup;
    pid old;
    explicit restarting_tree(restart_strategy s = one_for_one) {
        sup = supervisor::start_link({.strategy = s, .intensity = {.restarts = 1'000'000'000}, .children = {
            child<worker>("a", self(), "a"), child<moody>("m", table), child<worker>("c", self(), "c")}}).value();
        old = pid_of(sup, "m");
        table.insert("fail"_a, 1);
        end_process(old);
        while (status_of(sup, "m") != child_status::restarting) yield();
    }
};

TEST(conformance_behaviours, sv_retry_responsive) {
    on_all_workers([] {
        restarting_tree t;
        require(status_of(t.sup, "m") == child_status::restarting);
        require_same(count_children(t.sup), 3, 2, 0, 3);
        require(start_child(t.sup, child<moody>("m", t.table)).error().kind == child_failure::already_present);
        require(restart_child(t.sup, "m").error().kind == child_failure::restarting);
        require(delete_child(t.sup, "m").error().kind == child_failure::restarting);
        t.table.insert("fail"_a, 0);
        wait_for_new(t.sup, "m", t.old);
        stop(t.sup);
    });
}

TEST(conformance_behaviours, sv_retry_terminate) {
    on_all_workers([] {
        restarting_tree t;
        require(bool(terminate_child(t.sup, "m")));
        require(status_of(t.sup, "m") == child_status::stopped);
        const long starts = t.table.at("starts"_a);
        for (int i = 0; i < 20; ++i) (void)count_children(t.sup);
        require_eq(t.table.at("starts"_a), starts);   // the attempts have ended
        t.table.insert("fail"_a, 0);
        require(bool(restart_child(t.sup, "m")));
        stop(t.sup);

        auto table = mood();
        auto many = supervisor::start_link({.strategy = simple_one_for_one, .intensity = {.restarts = 1'000'000'000},
                                            .children = {child<moody>("m", table)}}).value();
        const pid one = start_child(many).value();
        table.insert("fail"_a, 1);
        end_process(one);
        while (count_children(many).active != 0) yield();
        require_same(count_children(many), 1, 0, 0, 1);
        require(bool(terminate_child(many, one)), "by the old pid");
        require_same(count_children(many), 1, 0, 0, 0);
        stop(many);
    });
}

TEST(conformance_behaviours, sv_retry_shutdown) {
    on_all_workers([] {
        trap_exit(true);
        for (restart_strategy s : {one_for_one, rest_for_one, one_for_all}) {
            restarting_tree t(s);
            exit(t.sup, reason::shutdown);
            require_eq(receive<exit_signal>().reason, reason::shutdown);
        }
    });
}

TEST(conformance_behaviours, sv_retry_rest_for_one) {
    on_all_workers([] {
        restarting_tree t(rest_for_one);
        require(status_of(t.sup, "a") == child_status::running);
        require(status_of(t.sup, "m") == child_status::restarting);
        require(status_of(t.sup, "c") == child_status::stopped);
        require_same(count_children(t.sup), 3, 1, 0, 3);
        require(bool(terminate_child(t.sup, "m")));
        require_eq(ids_of(t.sup), std::vector<std::string>{"a", "m", "c"});
        stop(t.sup);
    });
}

TEST(conformance_behaviours, sv_retry_rest_other) {
    on_all_workers([] {
        auto table = mood();
        auto sup = supervisor::start_link({.strategy = rest_for_one, .intensity = {.restarts = 1'000'000'000}, .children = {
            child<worker>("a", self(), "a"), child<worker>("b", self(), "b"), child<moody>("m", table)}}).value();
        const pid b = pid_of(sup, "b"), m = pid_of(sup, "m");
        table.insert("fail"_a, 1);
        end_process(b);
        while (status_of(sup, "m") != child_status::restarting) yield();
        const pid b2 = pid_of(sup, "b");
        require(b2 && b2 != b);
        table.insert("fail"_a, 0);
        wait_for_new(sup, "m", m);
        require_eq(pid_of(sup, "b"), b2);
        stop(sup);
    });
}

// --- Significant children -----------------------------------------------------------------------------------------

supervisor::init_result significant(pid boss, auto_shutdown_mode mode, restart_type when) {
    return {.auto_shutdown = mode, .children = {child<worker>("s1", boss, "s1").restart(when).significant(),
                                                child<worker>("plain", boss, "plain").restart(when),
                                                child<worker>("s2", boss, "s2").restart(when).significant()}};
}

TEST(conformance_behaviours, sv_sig_validation) {
    on_all_workers([] {
        trap_exit(true);
        auto never = supervisor::start_link(significant(self(), auto_shutdown_mode::never, temporary));
        require(!never && text_of(never.error().reason).find("significant") != std::string::npos);
        auto permanent_one = supervisor::start_link(significant(self(), any_significant, permanent));
        require(!permanent_one && text_of(permanent_one.error().reason).find("significant") != std::string::npos);
        auto sup = supervisor::start_link({}).value();
        require(start_child(sup, child<worker>("s", self(), "s").restart(temporary).significant()).error().kind ==
                child_failure::bad_spec);
        stop(sup);
    });
}

TEST(conformance_behaviours, sv_sig_none) {
    on_all_workers([] {
        for (auto mode : {any_significant, all_significant})
            for (restart_type when : {transient, temporary}) {
                auto init = significant(self(), mode, when);
                auto sup = supervisor::start_link(init).value();
                end_child_by(pid_of(sup, "plain"), {reason::normal, false});
                require_eq(count_children(sup).active, 2u);
                stop(sup);
            }
    });
}

TEST(conformance_behaviours, sv_sig_any_temporary) {
    on_all_workers([] {
        trap_exit(true);
        for (const ending& how : endings()) {
            auto sup = supervisor::start_link(significant(self(), any_significant, temporary)).value();
            const pid plain = pid_of(sup, "plain");
            end_child_by(pid_of(sup, "s1"), how);
            require_eq(receive<exit_signal>().reason, reason::shutdown);
            require(!is_alive(plain));
        }
    });
}

TEST(conformance_behaviours, sv_sig_any_transient) {
    on_all_workers([] {
        trap_exit(true);
        for (const ending& how : endings()) {
            auto sup = supervisor::start_link(significant(self(), any_significant, transient)).value();
            const pid s1 = pid_of(sup, "s1");
            end_child_by(s1, how);
            if (how.why.is_orderly()) {
                require_eq(receive<exit_signal>().reason, reason::shutdown);
            } else {
                wait_for_new(sup, "s1", s1);
                stop(sup);
                receive<exit_signal>();
            }
        }
    });
}

TEST(conformance_behaviours, sv_sig_all) {
    on_all_workers([] {
        trap_exit(true);
        for (restart_type when : {transient, temporary}) {
            auto sup = supervisor::start_link(significant(self(), all_significant, when)).value();
            end_child_by(pid_of(sup, "s1"), {reason::normal, false});
            require_eq(count_children(sup).active, 2u);
            end_child_by(pid_of(sup, "s2"), {reason::normal, false});
            require_eq(receive<exit_signal>().reason, reason::shutdown);
        }
    });
}

TEST(conformance_behaviours, sv_sig_by_request) {
    on_all_workers([] {
        for (auto mode : {any_significant, all_significant})
            for (restart_type when : {transient, temporary}) {
                auto sup = supervisor::start_link(significant(self(), mode, when)).value();
                require(bool(terminate_child(sup, "s1")));
                require(bool(terminate_child(sup, "s2")));
                require_eq(count_children(sup).active, 1u);
                stop(sup);
            }
    });
}

TEST(conformance_behaviours, sv_sig_escalation) {
    on_all_workers([] {
        trap_exit(true);
        for (bool matters : {true, false}) {
            const pid boss = self();
            auto inner = significant(boss, any_significant, temporary);
            auto top = supervisor::start_link({.auto_shutdown = any_significant, .children = {
                child<supervisor>("inner", inner).restart(transient).significant(matters),
                child<worker>("w", boss, "w").restart(transient)}}).value();
            server<supervisor> in(pid_of(top, "inner"));
            const auto ref = monitor(in);
            end_child_by(pid_of(in, "s1"), {reason::normal, false});
            require_eq(down_of(ref), reason::shutdown);
            if (matters) {
                require_eq(receive<exit_signal>().reason, reason::shutdown);
            } else {
                require_eq(count_children(top).active, 1u);
                stop(top);
                receive<exit_signal>();
            }
        }
    });
}

// --- Reports, scale -----------------------------------------------------------------------------------------------

TEST(conformance_behaviours, sv_reports) {
    log_keeper log;
    {
        runtime rt({.workers = 2, .log = log.sink()});
        rt.invoke([] {
            trap_exit(true);
            constexpr supervisor_name name{"reporting"};
            auto table = mood();
            auto sup = supervisor::start_link(name, {.intensity = {.restarts = 2, .within = 5s}, .children = {
                child<moody>("m", table), child<odd_end>("odd", exit_reason("odd"_a))}, .report_progress = true}).value();
            const pid m = pid_of(sup, "m");
            end_process(m);
            wait_for_new(sup, "m", m);
            table.insert("fail"_a, 1);
            end_process(pid_of(sup, "m"));
            require_eq(receive<exit_signal>().reason, reason::shutdown);
        });
        EXPECT_TRUE(log.wait_for("progress", "reporting: started child m"));
        EXPECT_TRUE(log.wait_for("child_terminated", "reporting: child m"));
        EXPECT_TRUE(log.wait_for("child_terminated", "killed; restart 1 of 2 in 5 s"));
        EXPECT_TRUE(log.wait_for("start_error", "moody"));
        EXPECT_TRUE(log.wait_for("shutdown", "reached_max_restart_intensity"));
        EXPECT_TRUE(log.wait_for("shutdown_error", "odd"));
    }
    for (const auto& e : log.events()) EXPECT_EQ(e.text.find('\n'), std::string::npos) << "not one line: " << e.text;
}

TEST(conformance_behaviours, sv_scale) {
    on_all_workers([] {
        auto time_of = [](auto f) {
            const auto begin = std::chrono::steady_clock::now();
            f();
            return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        };
        auto start_and_stop = [&](std::size_t count) {
            auto sup = supervisor::start_link({}).value();
            return time_of([&] {
                for (std::size_t i = 0; i < count; ++i)
                    start_child(sup, child<never_starts>(std::to_string(i), "ignores")).value();
                for (std::size_t i = 0; i < count; ++i) {
                    terminate_child(sup, std::to_string(i)).value();
                    delete_child(sup, std::to_string(i)).value();
                }
                stop(sup);
            });
        };
        start_and_stop(1000);
        const std::size_t many = scaled(100'000);
        const double small = start_and_stop(1000);
        const double large = start_and_stop(many);
        require(large < small * static_cast<double>(many) / 1000 * 10, "starting by id does not scale");

        auto dynamic = [&](std::size_t count) {
            auto sup = supervisor::start_link(simple(self(), temporary)).value();
            std::vector<pid> all;
            for (std::size_t i = 0; i < count; ++i) all.push_back(start_child(sup, "x").value());
            return time_of([&] {
                for (pid p : all) terminate_child(sup, p).value();
                stop(sup);
            });
        };
        const std::size_t more = scaled(10'000);
        dynamic(more / 10);
        const double few = dynamic(more / 10);
        require(dynamic(more) < few * 50, "stopping by pid does not scale");
    });
}

TEST(conformance_behaviours, sv_callback_module) {
    on_all_workers([] {
        auto sup = supervisor::start_link({}).value();
        require(process_info(sup)->entry.find("supervisor") != std::string::npos);
        stop(sup);
    });
}

// --- Elixir's -----------------------------------------------------------------------------------------------------

TEST(conformance_behaviours, el_child_spec) {
    on_all_workers([] {
        const child_spec plain = child<worker>("w", self(), "w");
        require(plain.id() == "w" && plain.restart() == permanent && plain.shutdown() == 5s);
        constexpr server_name<worker> name{"named"};
        child_spec changed = child<worker>(name, self(), "w").restart(transient).shutdown(1s).id("other");
        require(changed.id() == "other" && changed.restart() == transient && changed.shutdown() == 1s);
        child_spec copy = changed;
        copy.shutdown(2s);
        require(changed.shutdown() == 1s, "a change to a copy reached the original");
    });
}

TEST(conformance_behaviours, el_dyn_start) {
    on_all_workers([] {
        auto sup = dynamic_supervisor::start_link().value();
        require_same(count_children(sup), 0, 0, 0, 0);
        const child_spec same = child<worker>("same", self(), "x");
        const pid one = start_child(sup, same).value(), two = start_child(sup, same).value();
        require(one != two);
        require_same(count_children(sup), 2, 2, 0, 2);
        auto ignored = start_child(sup, child<never_starts>("i", "ignores"));
        require(ignored && !ignored->pid);
        require(start_child(sup, child<never_starts>("f", "odd")).error().kind == child_failure::start_failed);
        require_same(count_children(sup), 2, 2, 0, 2);
        stop(sup);
    });
}

TEST(conformance_behaviours, el_dyn_max) {
    on_all_workers([] {
        auto sup = dynamic_supervisor::start_link({.max_children = 2}).value();
        const child_spec w = child<worker>("w", self(), "w").restart(temporary);
        const pid one = start_child(sup, w).value();
        require(start_child(sup, child<never_starts>("f", "odd")).error().kind == child_failure::start_failed);
        (void)start_child(sup, w).value();
        require(start_child(sup, w).error().kind == child_failure::max_children);
        end_process(one);
        require(bool(start_child(sup, w)));
        stop(sup);
    });
}

TEST(conformance_behaviours, el_dyn_terminate) {
    on_all_workers([] {
        auto sup = dynamic_supervisor::start_link().value();
        const pid one = start_child(sup, child<worker>("w", self(), "w")).value();
        require(bool(terminate_child(sup, one)));
        require(!is_alive(one));
        require(terminate_child(sup, one).error().kind == child_failure::not_found);
        require(terminate_child(sup, self()).error().kind == child_failure::not_found);
        stop(sup);
    });
}

TEST(conformance_behaviours, el_dyn_restart) {
    on_all_workers([] {
        trap_exit(true);
        auto table = mood();
        auto sup = dynamic_supervisor::start_link({.intensity = {.restarts = 3}}).value();
        const pid one = start_child(sup, child<moody>("m", table)).value();
        const pid other = start_child(sup, child<worker>("w", self(), "w").restart(transient)).value();
        end_process(one);
        while (count_children(sup).active < 2) yield();
        require(is_alive(other));
        end_child_by(other, {reason::normal, false});
        require_same(count_children(sup), 1, 1, 0, 1);
        table.insert("fail"_a, 1);
        end_process(which_children(sup)[0].pid);
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    });
}

TEST(conformance_behaviours, el_dyn_shutdown) {
    on_all_workers([] {
        trap_exit(true);
        auto sup = dynamic_supervisor::start_link().value();
        // One after the other they would take 20 times as long.
        const int count = 20;
        std::vector<monitor_ref> refs;
        for (int i = 0; i < count; ++i)
            refs.push_back(monitor(start_child(sup, child<stubborn>("s", self()).shutdown(100ms)).value()));
        for (int i = 0; i < count; ++i) require_eq(next_said(), "stubborn up");
        const auto before = std::chrono::steady_clock::now();
        exit(sup, reason::shutdown);
        for (auto& ref : refs) require_eq(down_of(ref), reason::killed);
        require(std::chrono::steady_clock::now() - before < 1s, "one after the other");
        require_eq(receive<exit_signal>().reason, reason::shutdown);
    });
}

}  // namespace
}  // namespace heirloom::test
