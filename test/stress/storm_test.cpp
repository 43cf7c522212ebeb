// Storms: random trees of supervised servers are killed, crash, hang, overflow their stacks, time out and lose their
// supervisors, while a table changes owner with every death. Each round ends with an audit: nobody
// and nothing is left, every level is where it was, and what was acknowledged is in the ledger. The
// figures go to HEIRLOOM_FIGURES, from where `./dev stress` prints them.
#include "heirloom/ets.hpp"
#include "heirloom/heirloom.hpp"
#include "heirloom/test_kit.hpp"
#include "process/blocks.hpp"
#include "scheduler/runtime_core.hpp"
#include "support/effort.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

using namespace heirloom;
using namespace std::chrono_literals;

namespace {

using ledger = ets::set<long, long>;
using storage = ets::set<atom, long>;

/// A number below n, from the runtime: in a deterministic storm, from the seed.
std::size_t any_below(std::size_t n) {
    return static_cast<std::size_t>(detail::random_bits() >> 16) % n;
}

// --- The servers
// -----------------------------------------------------------------------------------

// The sanitizers take an overflow for a bug of the program, and say so.
constexpr bool may_overflow = !test::under_tsan && !test::under_asan;
// An overflow ends a process without unwinding, so what was on its stack is lost: the server and the message in hand.
constexpr std::int64_t blocks_an_overflow_leaves = 2;
std::atomic<std::int64_t> overflowed{0};

[[gnu::noinline]] int recurse_for_ever(int n) {
    volatile char frame[200];
    frame[0] = static_cast<char>(n);
    if (frame[0] != static_cast<char>(n)) return 0;  // never, but the compiler cannot know
    return recurse_for_ever(n + 1) + frame[0];
}

class account {
public:
    struct deposit {
        using reply = long;
        long client;
    };
    struct crash {};
    struct hang {
        int microseconds;
    };
    struct overflow {};
    explicit account(ledger book) : book_(book) {
        if (any_below(50) == 0) throw std::runtime_error("storm: no start today");
    }
    long handle_call(deposit d) { return book_.update_counter(d.client, 1, 0); }
    void handle_cast(crash) { throw std::runtime_error("storm"); }
    void handle_cast(overflow) {
        ++overflowed;
        recurse_for_ever(0);
    }
    void handle_cast(hang h) { sleep(std::chrono::microseconds(h.microseconds)); }
    void terminate(const exit_reason&) {
        if (any_below(10) == 0) throw std::runtime_error("storm: no good end");
    }

private:
    ledger book_;
};

/// Creates the table, lends it, inherits it from whoever dies with it, lends it again.
class keeper {
public:
    struct request_table {
        using reply = bool;
        pid to;
    };
    keeper() : table_{{.heir = {self(), "storm_heir"_a}}} { table_.insert("count"_a, 0); }
    bool handle_call(request_table r) {
        const auto info = table_.info();
        return info && info->owner == self() && table_.give_away(r.to, "storm_gift"_a);
    }
    void handle_info(ets::transfer) {}

private:
    storage table_;
};
inline constexpr server_name<keeper> the_keeper{"storm.keeper"};

class borrower {
public:
    struct increment {
        using reply = long;
    };
    borrower() {
        continue_with([this] {
            if (!call(the_keeper, keeper::request_table{self()}, 1s)) exit("not_lent"_a);
            table_ = receive([](ets::transfer t) { return t.as<storage>(); }, after(1s));
        });
    }
    long handle_call(increment) { return table_.update_counter("count"_a, 1); }

private:
    storage table_;
};
inline constexpr server_name<borrower> the_borrower{"storm.borrower"};

// --- The tree
// --------------------------------------------------------------------------------------

constexpr restart_intensity without_end{.restarts = 1'000'000, .within = 1s};

struct tree {
    std::vector<atom> accounts;
    supervisor::init_result top;
};

supervisor::init_result grow(tree& made, const ledger& book, int depth, const std::string& path) {
    supervisor::init_result here{.intensity = without_end, .grace = 1s};
    const restart_strategy strategies[] = {one_for_one, one_for_all, rest_for_one};
    here.strategy = strategies[any_below(3)];
    const std::size_t children = 1 + any_below(4);
    for (std::size_t i = 0; i < children; ++i) {
        const std::string id = path + '.' + std::to_string(i);
        if (depth > 0 && any_below(3) == 0) {
            here.children.push_back(child<supervisor>(id, grow(made, book, depth - 1, id)));
        } else {
            const atom name = atom::intern(id);
            made.accounts.push_back(name);
            auto spec = child<account>(server_name<account>(name), book);
            if (any_below(2) == 0)
                spec.shutdown(brutal_kill);
            else
                spec.shutdown(10ms);
            here.children.push_back(spec);
        }
    }
    return here;
}

tree grow_tree(const ledger& book) {
    tree made;
    made.top = {.strategy = one_for_one, .intensity = without_end, .grace = 1s};
    for (int i = 0; i < 3; ++i) {
        const std::string id = "storm." + std::to_string(i);
        made.top.children.push_back(child<supervisor>(id, grow(made, book, 2, id)));
    }
    supervisor::init_result lending{
        .strategy = rest_for_one, .intensity = without_end, .grace = 1s};
    lending.children = {child<keeper>(the_keeper).shutdown(10ms),
                        child<borrower>(the_borrower).shutdown(10ms)};
    made.top.children.push_back(child<supervisor>("storm.lending", lending));
    return made;
}

// --- Who does what in a round
// ----------------------------------------------------------------------

struct enough {};
struct numbered {
    long n;
};

struct figures {
    long kills = 0, crashes = 0, hangs = 0, timeouts = 0, top_restarts = 0;
    long requests = 0, acknowledged = 0, counted = 0, sent = 0, arrived = 0, misplaced = 0;
    void add(const figures& f) {
        kills += f.kills, crashes += f.crashes, hangs += f.hangs;
        timeouts += f.timeouts, top_restarts += f.top_restarts;
        requests += f.requests, acknowledged += f.acknowledged, counted += f.counted;
        sent += f.sent, arrived += f.arrived, misplaced += f.misplaced;
    }
};

bool told_to_stop() {
    return receive([](enough) { return true; }, after(0s, [] { return false; }));
}

void client(long number, std::vector<atom> accounts, pid boss, bool overflows) {
    figures mine;
    long last = 0;
    while (!told_to_stop()) {
        const server_name<account> whom(accounts[any_below(accounts.size())]);
        switch (any_below(20)) {
        case 0:
            cast(whom, account::crash{}), ++mine.crashes;
            break;
        case 1:
            cast(whom, account::hang{static_cast<int>(any_below(3000))}), ++mine.hangs;
            break;
        case 2:
            if (overflows && any_below(20) == 0) cast(whom, account::overflow{});
            break;
        case 3:
            // The table has come through every death so far: its count never falls behind what was
            // said. A keeper that dies while it owns the table begins again.
            if (auto n = try_call(the_borrower, borrower::increment{}, 5ms)) {
                if (*n > last) ++mine.counted;
                last = *n;
            }
            break;
        default:
            ++mine.requests;
            if (const auto booked = try_call(whom, account::deposit{number}, 2ms)) {
                ++mine.acknowledged;
            } else {
                mine.timeouts += booked.error().reason == reason::timeout;
                sleep(50us);
            }
        }
    }
    send(boss, mine);
}

void killer(std::vector<pid> spared, pid boss, duration pause) {
    figures mine;
    while (!told_to_stop()) {
        const auto all = processes();
        const pid victim = all[any_below(all.size())];
        if (std::find(spared.begin(), spared.end(), victim) == spared.end() && victim != self()) {
            exit(victim, any_below(3) == 0 ? exit_reason("storm"_a) : exit_reason(reason::kill));
            ++mine.kills;
        }
        sleep(pause);
    }
    send(boss, mine);
}

/// Messages between two processes that nobody kills: each arrives, once, in order.
void source(pid sink, pid boss) {
    figures mine;
    while (!told_to_stop()) {
        for (int i = 0; i < 10; ++i) send(sink, numbered{mine.sent++});
        sleep(200us);
    }
    send(sink, enough{});
    send(boss, mine);
}
void sink_of(pid boss) {
    figures mine;
    for (bool more = true; more;)
        more = receive(
            [&](numbered m) {
                mine.misplaced += m.n != mine.arrived;
                ++mine.arrived;
                return true;
            },
            [](enough) { return false; });
    send(boss, mine);
}

template <class F, class... A>
pid helper(std::vector<pid>& all, F f, A... args) {
    all.push_back(spawn_link(f, args...));
    return all.back();
}

/// Names of children that are on their way out may still be taken: then again.
server<supervisor> start_top(const supervisor::init_result& top) {
    for (int attempt = 0; attempt < 2000; ++attempt) {
        if (auto started = supervisor::start_link(top)) return *started;
        receive([](const exit_signal&) {}, after(0s, [] {}));
        sleep(1ms);
    }
    throw std::runtime_error("storm: the tree cannot be started again");
}

/// One storm; called as the main process. Throws when something is lost.
figures storm(duration length, std::size_t clients, duration pause, bool overflows) {
    trap_exit(true);
    figures total;
    ledger book{{.name = "storm.ledger", .access = ets::access::public_}};
    const tree planted = grow_tree(book);
    server<supervisor> top = start_top(planted.top);
    std::vector<pid> helpers;
    const pid sink = helper(helpers, [boss = self()] { sink_of(boss); });
    helpers.clear();
    helper(helpers, source, sink, self());
    for (std::size_t i = 0; i < clients; ++i)
        helper(helpers, client, static_cast<long>(i), planted.accounts, self(), overflows);
    std::vector<pid> spared = helpers;
    spared.push_back(self());
    spared.push_back(sink);
    const pid storm_maker = spawn_link(killer, spared, self(), pause);

    const time_point end = runtime_clock::now() + length;
    while (runtime_clock::now() < end) {
        const bool gone =
            receive(when([&](const exit_signal& e) { return e.from == top; },
                         [](exit_signal) { return true; }),
                    after(std::max(duration(0), end - runtime_clock::now()), [] { return false; }));
        if (!gone) break;
        top = start_top(planted.top);
        ++total.top_restarts;
    }
    send(storm_maker, enough{});
    total.add(receive([](figures f) { return f; }, after(10s)));
    for (pid p : helpers) send(p, enough{});
    for (std::size_t i = 0; i < helpers.size() + 1; ++i)
        total.add(receive([](figures f) { return f; }, after(30s)));

    // The ledger has every deposit that was acknowledged, and none that was not asked for.
    long booked = 0;
    for (std::size_t i = 0; i < clients; ++i)
        booked += book.lookup(static_cast<long>(i)).value_or(0);
    require(booked >= total.acknowledged, "that every acknowledged deposit is in the ledger");
    require(booked <= total.requests, "that no deposit is in the ledger twice");
    require(total.sent == total.arrived && total.misplaced == 0,
            "that every message arrives once, in order");

    const auto watch = monitor(top);
    exit(top, reason::shutdown);
    require(
        receive(when(watch, [](const down&) { return true; }), after(20s, [] { return false; })),
        "that the tree can be stopped");
    book.delete_table();

    // The audit, as seen from inside.
    const time_point patience = runtime_clock::now() + 10s;
    while (processes().size() > 1 && runtime_clock::now() < patience) sleep(1ms);
    if (processes().size() != 1) {
        std::string who;
        for (pid p : processes())
            if (p != self()) who += ' ' + to_string(p);
        require(false, "that nobody is left; there is" + who + ": one process alone");
    }
    require(registered().empty(), "that every name is free");
    require(ets::all().empty(), "that every table is gone");
    return total;
}

void report(const std::string& line) {
    std::cout << line << std::endl;
    if (const char* file = std::getenv("HEIRLOOM_FIGURES"))
        std::ofstream(file, std::ios::app) << line << '\n';
}

/// What the runtime holds when it has nothing to do.
struct levels {
    std::size_t stacks, timers;
    std::int64_t blocks;
};
std::size_t resident() {
    std::size_t all = 0, pages = 0;
    std::ifstream("/proc/self/statm") >> all >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}
levels levels_of(runtime& rt) {
    levels now{rt.core().stacks.standard().in_use(), 0, detail::blocks_in_use()};
    for (auto& w : rt.core().workers)
        now.timers += w->timers.earliest() != detail::timer_queue::never;
    return now;
}

}  // namespace

TEST(storm, leaves_nothing_behind_and_loses_nothing) {
    const auto seconds = test::storm_length();
    const auto end = std::chrono::steady_clock::now() + seconds;
    const unsigned workers[] = {1, 2, 4};
    figures total;
    int rounds = 0;
    std::size_t memory = 0;  // when a runtime of each kind has been there
    while (rounds < 3 || std::chrono::steady_clock::now() < end) {
        options o;
        o.workers = workers[rounds % 3];
        o.max_processes = 3'000;
        o.log = [](const log_event&) {};
        o.on_stack_overflow = overflow_policy::end_process;
        runtime rt(o);
        const auto spell = std::min<duration>(2s, duration(seconds) / 3 + 200ms);
        // The first, short one brings what lives as long as the runtime into being.
        total.add(rt.invoke([&] { return storm(50ms, 2, 1ms, false); }));
        const levels before = levels_of(rt);
        const std::int64_t overflowed_before = overflowed;
        for (int again = 0; again < 2; ++again)
            total.add(rt.invoke([&] { return storm(spell / 2, 6, 300us, may_overflow); }));
        const std::int64_t left = blocks_an_overflow_leaves * (overflowed - overflowed_before);
        // Rows and tables are destroyed in the background, and a sleeping worker keeps some stacks
        // warm.
        levels after = levels_of(rt);
        for (int i = 0; i < 300 && (after.timers > 0 || after.blocks > before.blocks + left); ++i) {
            rt.invoke([] { sleep(10ms); });
            after = levels_of(rt);
        }
        EXPECT_EQ(after.timers, 0u) << "round " << rounds;
        EXPECT_LE(after.stacks, before.stacks + *o.workers * 40) << "round " << rounds;
        if (detail::counts_blocks) {
            EXPECT_LE(after.blocks, before.blocks + left + 16) << "round " << rounds;
        }
        EXPECT_EQ(rt.core().live_processes(),
                  static_cast<std::int64_t>(list_processes(rt.core(), true).size()));
        if (++rounds == 3) memory = resident();
    }
    // A storm's own level is some 10 MB. The sanitizers keep what was freed for a while.
    if (!test::under_asan && !test::under_tsan) {
        EXPECT_LE(resident(), memory + 32'000'000) << "after " << rounds << " rounds";
    }
    std::ostringstream line;
    line << "storm: " << rounds << " rounds, " << total.kills << " kills survived, "
         << total.crashes << " crashes and " << total.hangs << " hangs asked for, " << overflowed
         << " stacks overflowed, " << total.timeouts << " calls timed out, " << total.top_restarts
         << " whole trees restarted, " << total.acknowledged + total.arrived
         << " messages delivered, lost 0, " << total.counted
         << " counts kept by a table that changes owner";
    report(line.str());
    EXPECT_GT(total.kills, 0);
    EXPECT_GT(total.acknowledged, 0);
}

TEST(storm, is_survived_under_every_seed) {
    const auto end = std::chrono::steady_clock::now() + test::storm_length();
    std::uint64_t seed = 1, run = 0;
    explore_options options;
    options.name = "storm";
    options.runtime.max_processes = 3'000;
    options.runtime.deterministic.faults.delay_worker = 500;
    options.step_limit = 5'000'000;
    do {
        const auto found = explore([] { storm(5ms, 3, 100us, false); }, {seed, 5}, options);
        ASSERT_TRUE(found) << found.why;
        seed += 5;
        run += found.seeds;
    } while (std::chrono::steady_clock::now() < end);
    report("storm: survived under " + std::to_string(run) + " seeds");
}
