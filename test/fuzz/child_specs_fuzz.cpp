// Child specifications: any mix of fields, right or wrong, of children that start or do not, and any order of requests to
// their supervisor. What is wrong is refused before anything was started; what is right runs, is counted as it is
// listed, and leaves nobody behind.
#include "heirloom/heirloom.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <source_location>
#include <string>
#include <vector>

using namespace heirloom;
using namespace std::chrono_literals;

namespace {

void check(bool holds, std::source_location where = std::source_location::current()) {
    if (holds) return;
    std::fprintf(stderr, "line %u does not hold\n", static_cast<unsigned>(where.line()));
    std::abort();
}

/// The input, byte by byte; zeros when it is used up.
struct bytes {
    const std::uint8_t* at;
    const std::uint8_t* end;
    std::uint8_t next() { return at == end ? std::uint8_t{0} : *at++; }
    bool any_left() const { return at != end; }
};

long made = 0;  // by constructors, in this run

class child_of_any_kind {
public:
    enum kind : std::uint8_t { good, throws, exits, ignores, stops, dies_soon, traps, kinds };
    struct ping {
        using reply = bool;
    };
    explicit child_of_any_kind(kind k) {
        ++made;
        switch (k) {
        case throws:
            throw std::runtime_error("not today");
        case exits:
            exit("not_today"_a);
        case ignores:
            ignore_start();
        case stops:
            stop("not_today"_a);
            break;
        case dies_soon:
            continue_with([] { exit("soon"_a); });
            break;
        case traps:
            trap_exit(true);
            break;
        default:
            break;
        }
    }
    bool handle_call(ping) { return true; }
};

struct described {
    child_spec spec;
    std::string id;
    bool right;
};

duration some_time(std::uint8_t b) {
    constexpr duration times[] = {-1ns, 0ns, 1ns, 5ms, 1s, 1h};
    return times[b % 6];
}

described any_child(bytes& in, auto_shutdown_mode mode) {
    const auto kind = static_cast<child_of_any_kind::kind>(in.next() % child_of_any_kind::kinds);
    const std::uint8_t name = in.next() % 10;
    described d{child<child_of_any_kind>("", kind),
                name == 9 ? "" : std::string(1, static_cast<char>('a' + name)), true};
    d.right = !d.id.empty();
    d.spec.id(d.id);
    const std::uint8_t which = in.next();  // most fields keep their defaults
    if (which & 1) d.spec.restart(static_cast<restart_type>(in.next() % 3));
    if (which & 2) {
        const duration limit = some_time(in.next());
        d.right = d.right && limit >= 0ns;
        d.spec.shutdown(limit);
    }
    if (which & 4) d.spec.shutdown(brutal_kill), d.right = !d.id.empty();
    if (which & 8) d.spec.type(static_cast<child_type>(in.next() % 2));
    if (which & 16) d.spec.significant();
    if (which & 32) {
        const back_off delay{.initial = some_time(in.next()),
                             .factor = in.next() / 64.0,
                             .maximum = some_time(in.next()),
                             .jitter = in.next() / 128.0 - 0.5,
                             .reset_after = some_time(in.next())};
        d.right = d.right && delay.initial >= 0ns && delay.factor >= 1 &&
                  delay.maximum >= delay.initial && delay.jitter >= 0 && delay.jitter <= 1 &&
                  delay.reset_after >= 0ns;
        d.spec.delay(delay);
    }
    if (which & 64) {
        const restart_intensity budget{in.next() % 5 - 1, some_time(in.next())};
        d.right = d.right && budget.restarts >= 0 && budget.within > 0ns;
        d.spec.budget(budget);
    }
    const child_spec& made_of = d.spec;
    d.right = d.right && (!made_of.significant() ||
                          (mode != auto_shutdown_mode::never && made_of.restart() != permanent));
    return d;
}

// What is listed adds up, and whoever is said to run answers or has just ended.
void look_at(server<supervisor> sup, bool ordered) {
    const auto all = which_children(sup);
    const auto counts = count_children(sup);
    std::size_t running = 0;
    std::set<std::string> ids;
    for (const auto& c : all) {
        running += c.status == child_status::running;
        check((c.status == child_status::running) == static_cast<bool>(c.pid));
        check(!ordered || ids.insert(c.id).second);
        if (const auto s = c.as<child_of_any_kind>())
            if (const auto got = try_call(s, child_of_any_kind::ping{}, 1h)) check(*got);
    }
    // Between the two requests somebody may have ended, or come back.
    check(counts.active <= counts.workers + counts.supervisors);
    check(!ordered || counts.specs == counts.workers + counts.supervisors);
    check(running <= all.size());
}

void ask_for_something(bytes& in, server<supervisor> sup, auto_shutdown_mode mode, bool ordered) {
    const std::uint8_t what = in.next();
    const std::string id(1, static_cast<char>('a' + in.next() % 10));
    const auto victim = [&]() -> pid {
        const auto all = which_children(sup);
        return all.empty() ? pid() : all[what % all.size()].pid;
    };
    switch (what % 8) {
    case 0:
    case 1: {
        const described d = any_child(in, mode);
        const auto r = start_child(sup, d.spec);
        if (!d.right && ordered) check(!r && r.error().kind == child_failure::bad_spec);
        break;
    }
    case 2:
        (void)(ordered ? terminate_child(sup, id) : terminate_child(sup, victim()));
        break;
    case 3:
        (void)restart_child(sup, id);
        break;
    case 4:
        (void)delete_child(sup, id);
        break;
    case 5:
        if (const pid p = victim()) exit(p, what & 64 ? reason::kill : exit_reason("hit"_a));
        break;
    case 6:
        sleep(some_time(in.next() % 4 + 1));
        break;
    default:
        look_at(sup, ordered);
    }
}

void run(bytes in) {
    trap_exit(true);
    made = 0;
    const auto strategy = static_cast<restart_strategy>(in.next() % 5);
    const auto mode = static_cast<auto_shutdown_mode>(in.next() % 4);
    supervisor::init_result what{.strategy = strategy, .auto_shutdown = mode, .grace = 10ms};
    bool right = strategy <= simple_one_for_one && mode <= auto_shutdown_mode::all_significant;
    if (in.next() % 4 == 0) {
        what.intensity = {in.next() % 8 - 1, some_time(in.next())};
        right = right && what.intensity.restarts >= 0 && what.intensity.within > 0ns;
    }
    std::set<std::string> ids;
    bool specs_right = true;
    for (int n = in.next() % 5; n > 0; --n) {
        described d = any_child(in, mode);
        specs_right = specs_right && d.right && ids.insert(d.id).second;
        what.children.push_back(std::move(d.spec));
    }
    check(check_childspecs(what.children, mode).has_value() == specs_right);
    right = right && specs_right && (strategy != simple_one_for_one || what.children.size() == 1);
    const bool ordered = strategy != simple_one_for_one;
    const auto sup = supervisor::start_link(what);
    if (!right) check(!sup && made == 0);
    if (!sup) {
        check(processes().size() == 1);
        return;
    }
    try {
        for (int n = 0; n < 40 && in.any_left(); ++n) ask_for_something(in, *sup, mode, ordered);
    } catch (const call_failed&) {  // NOLINT(bugprone-empty-catch): it gave up, or shut itself down
    }
    const monitor_ref watch = monitor(*sup);
    exit(*sup, reason::shutdown);
    receive(when(watch, [](const down&) {}));
    check(processes().size() == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::uint64_t seed = size > 0 ? data[0] + 1u : 1u;
    runtime rt({.workers = 1, .deterministic = {.seed = seed}, .log = [](const log_event&) {}});
    rt.invoke([&] { run({data, data + size}); });
    return 0;
}
