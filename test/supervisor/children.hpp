#pragma once

#include "inside.hpp"
#include "support/effort.hpp"

#include <algorithm>
#include <string>
#include <vector>

// The children that the supervisors' tests use, and what they ask of them.
namespace heirloom::test {

using namespace std::chrono_literals;

/// Says what happens to it, and ends as told.
class worker {
public:
    struct said {
        std::string id;
        std::string what;
        pid who;
    };
    struct end {
        exit_reason why;
    };
    struct id_of {
        using reply = std::string;
    };
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
    void terminate(const exit_reason& why) {
        try_send(boss_, said{id_, "down " + to_string(why), self()});
    }

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

inline pid pid_of(supervisor_ref sup, const std::string& id) {
    for (auto& c : which_children(sup))
        if (c.id == id) return c.pid;
    return {};
}
inline child_status status_of(supervisor_ref sup, const std::string& id) {
    for (auto& c : which_children(sup))
        if (c.id == id) return c.status;
    require(false, "no child " + id);
    return {};
}
inline std::vector<std::string> ids_of(supervisor_ref sup) {
    std::vector<std::string> ids;
    for (auto& c : which_children(sup)) ids.push_back(c.id);
    return ids;
}
inline std::string next_said() {
    auto s = receive<worker::said>();
    return s.id + " " + s.what;
}
inline std::vector<std::string> said_so_far() {
    std::vector<std::string> all;
    while (auto s = receive_for<worker::said>(0s)) all.push_back(s->id + " " + s->what);
    return all;
}
inline void require_same(const child_counts& got, std::size_t specs, std::size_t active,
                         std::size_t supervisors, std::size_t workers,
                         std::source_location where = std::source_location::current()) {
    const auto text = [](const child_counts& c) {
        return std::to_string(c.specs) + "," + std::to_string(c.active) + "," +
               std::to_string(c.supervisors) + "," + std::to_string(c.workers);
    };
    const child_counts wanted{specs, active, supervisors, workers};
    require(got == wanted, "counts are " + text(got) + ", wanted " + text(wanted), where);
}
// Ends a process and waits until it is gone.
inline void end_process(pid p, exit_reason why = reason::kill) {
    const auto ref = monitor(p);
    exit(p, std::move(why));
    down_of(ref);
}
// Waits until the child runs as another process than `old`.
inline pid wait_for_new(supervisor_ref sup, const std::string& id, pid old) {
    for (;;) {
        const pid now = pid_of(sup, id);
        if (now && now != old) return now;
        yield();
    }
}
inline supervisor::init_result three(pid boss, restart_strategy strategy = one_for_one,
                                     restart_type when = permanent, int restarts = 100) {
    return {.strategy = strategy,
            .intensity = {.restarts = restarts},
            .children = {child<worker>("a", boss, "a").restart(when),
                         child<worker>("b", boss, "b").restart(when),
                         child<worker>("c", boss, "c").restart(when)}};
}
inline exit_reason crash_reason() { return exit_reason::crash("x", "y"); }

class never_starts {
public:
    explicit never_starts(std::string what) {
        if (what == "throws") throw std::runtime_error("never");
        if (what == "ignores") ignore_start();
        exit(atom::intern(what));
    }
};

inline std::string text_of(const exit_reason& why) { return to_string(why); }

inline supervisor::init_result simple(pid boss, restart_type when = permanent, int restarts = 100) {
    return {.strategy = simple_one_for_one,
            .intensity = {.restarts = restarts},
            .children = {child_template<worker, std::string>("worker", boss).restart(when)}};
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
/// Says that it is not wanted, when a table says so.
class in_the_mood {
public:
    explicit in_the_mood(moody::storage table) {
        if (table.lookup("ignore"_a).value_or(0) != 0) ignore_start();
    }
};
inline moody::storage mood() {
    moody::storage t{{.access = ets::access::public_}};
    t.insert("fail"_a, 0);
    return t;
}

// Ends with a reason of its own when it is told to stop.
class odd_end {
public:
    odd_end(exit_reason why) : why_(why) { trap_exit(true); }
    void terminate(const exit_reason&) { exit(why_); }

private:
    exit_reason why_;
};

struct ending {
    exit_reason why;
    bool by_signal;
};
inline std::vector<ending> endings() {
    return {{reason::normal, false},
            {reason::shutdown, false},
            {exit_reason("shutdown"_a, "x"_a), false},
            {exit_reason("odd"_a), false},
            {crash_reason(), false},
            {reason::killed, true}};
}
inline void end_child_by(pid p, const ending& by) {
    const auto ref = monitor(p);
    if (by.by_signal)
        exit(p, reason::kill);
    else
        cast(server<worker>(p), worker::end{by.why});
    down_of(ref);
}

}  // namespace heirloom::test
