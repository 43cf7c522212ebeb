#include "caf_contender.hpp"

#include <atomic>
#include <fstream>

#include <unistd.h>

namespace contender {
namespace {

using caf::actor;
using caf::behavior;
using caf::event_based_actor;
using caf::stateful_actor;

struct counted {
    std::uint64_t count = 0;
};

behavior echo(event_based_actor*) {
    return {[](ping_atom) { return pong_atom::value; }};
}
behavior pinger(stateful_actor<counted>* self, actor to, actor main, std::uint64_t n) {
    return {[=](start_atom) { self->send(to, ping_atom::value); },
            [=](pong_atom) {
                if (++self->state.count < n) {
                    self->send(to, ping_atom::value);
                } else {
                    self->send(main, done_atom::value, self->state.count);
                    self->send_exit(to, caf::exit_reason::user_shutdown);
                    self->quit();
                }
            }};
}
outcome ping_pong(const request& r) {
    caf_system system(r.workers);
    std::uint64_t pongs = 0;
    const actor first = system->spawn(pinger, system->spawn(echo), actor(system.main()), r.n);
    const double took = system.until_done(first, pongs);
    return {took, r.n, "round trip", pongs == r.n};
}

struct ring_state {
    actor next;
};
behavior ring_member(stateful_actor<ring_state>* self, actor main) {
    return {[=](next_atom, const actor& next) { self->state.next = next; },
            [=](std::uint64_t left) {
                if (left == 0) {
                    self->send(main, done_atom::value, left);
                } else {
                    self->send(self->state.next, left - 1);
                }
            },
            [=](stop_atom) {
                self->state.next = nullptr;
                self->quit();
            }};
}
outcome ring(const request& r) {
    caf_system system(r.workers);
    std::vector<actor> members;
    for (int i = 0; i < 1000; ++i)
        members.push_back(system->spawn(ring_member, actor(system.main())));
    for (std::size_t i = 0; i < members.size(); ++i)
        caf::anon_send(members[i], next_atom::value, members[(i + 1) % members.size()]);
    std::uint64_t left = 1;
    const double took = timed([&] {
        caf::anon_send(members[0], r.n);
        left = system.wait_done();
    });
    for (const actor& member : members) caf::anon_send(member, stop_atom::value);
    return {took, r.n, "hop", left == 0};
}

behavior batch_spawner(stateful_actor<counted>* self, actor main, std::uint64_t batches,
                       std::shared_ptr<std::atomic<std::uint64_t>> ended) {
    return {[=](start_atom) {
        if (self->state.count++ == batches) {
            self->send(main, done_atom::value, ended->load());
            self->quit();
            return;
        }
        for (int i = 0; i < 100; ++i)
            self->spawn([=, to = actor(self)](event_based_actor* child) {
                if ((ended->fetch_add(1) + 1) % 100 == 0) child->send(to, start_atom::value);
            });
    }};
}
outcome spawn_exit(const request& r) {
    caf_system system(r.workers);
    const std::uint64_t batches = std::max<std::uint64_t>(1, r.n / 100);
    const auto ended = std::make_shared<std::atomic<std::uint64_t>>(0);
    std::uint64_t answer = 0;
    const double took = system.until_done(
        system->spawn(batch_spawner, actor(system.main()), batches, ended), answer);
    return {took, batches * 100, "process", answer == batches * 100};
}

behavior monitoring_spawner(stateful_actor<counted>* self, actor main, std::uint64_t n) {
    self->set_down_handler([=](const caf::down_msg&) {
        if (++self->state.count == n) {
            self->send(main, done_atom::value, self->state.count);
            self->quit();
            return;
        }
        self->spawn<caf::monitored>([](event_based_actor*) {});
    });
    return {[=](start_atom) { self->spawn<caf::monitored>([](event_based_actor*) {}); }};
}
outcome spawn_monitor(const request& r) {
    caf_system system(r.workers);
    std::uint64_t downs = 0;
    const double took =
        system.until_done(system->spawn(monitoring_spawner, actor(system.main()), r.n), downs);
    return {took, r.n, "process", downs == r.n};
}

struct summed {
    std::uint64_t left = 0;
    std::uint64_t sum = 0;
    std::uint64_t processes = 1;
};
behavior summer(stateful_actor<summed>* self, actor main, std::uint64_t expected) {
    self->state.left = expected;
    return {[=](std::uint64_t x) {
        self->state.sum += x;
        if (--self->state.left == 0) {
            self->send(main, done_atom::value, self->state.sum);
            self->quit();
        }
    }};
}
outcome fan_in(const request& r) {
    caf_system system(r.workers);
    const std::uint64_t count = r.parameter("senders", 4);
    const std::uint64_t each = r.n / count;
    const actor receiver = system->spawn(summer, actor(system.main()), count * each);
    std::vector<actor> senders;
    for (std::uint64_t s = 0; s < count; ++s)
        senders.push_back(system->spawn([=](event_based_actor* self) -> behavior {
            return {[=](start_atom) {
                for (std::uint64_t i = 1; i <= each; ++i) self->send(receiver, i);
                self->quit();
            }};
        }));
    std::uint64_t sum = 0;
    const double took = timed([&] {
        for (const actor& sender : senders) caf::anon_send(sender, start_atom::value);
        sum = system.wait_done();
    });
    return {took, count * each, "message", sum == count * (each * (each + 1) / 2)};
}

using leaf_work = std::uint64_t (*)(std::uint64_t);
behavior skynet_node(stateful_actor<summed>* self, actor parent, leaf_work leaf,
                     std::uint64_t number, std::uint64_t size) {
    if (size == 1) {
        self->send(parent, leaf(number), std::uint64_t{1});
        return {};
    }
    // The last part takes what ten does not divide, so that every size has an answer.
    const std::uint64_t part = std::max<std::uint64_t>(1, size / 10);
    for (std::uint64_t left = size; left > 0; ++self->state.left) {
        const std::uint64_t mine = self->state.left == 9 ? left : std::min(part, left);
        self->spawn(skynet_node, actor(self), leaf, number, mine);
        number += mine;
        left -= mine;
    }
    return {[=](std::uint64_t sum, std::uint64_t processes) {
        self->state.sum += sum;
        self->state.processes += processes;
        if (--self->state.left == 0) {
            self->send(parent, self->state.sum, self->state.processes);
            self->quit();
        }
    }};
}
outcome tree(const request& r, leaf_work leaf, std::uint64_t expected) {
    caf_system system(r.workers);
    std::uint64_t sum = 0;
    std::uint64_t processes = 0;
    const double took = timed([&] {
        system->spawn(skynet_node, actor(system.main()), leaf, std::uint64_t{0}, r.n);
        system.main()->receive([&](std::uint64_t s, std::uint64_t p) {
            sum = s;
            processes = p;
        });
    });
    return {took, processes, "process", sum == expected};
}
outcome skynet(const request& r) {
    return tree(
        r, [](std::uint64_t number) { return number; }, r.n * (r.n - 1) / 2);
}
outcome fork_join(const request& r) {
    std::uint64_t expected = 0;
    for (std::uint64_t number = 0; number < r.n; ++number) expected += computed(number);
    return tree(
        r, [](std::uint64_t number) { return computed(number); }, expected);
}

// 64 independent pairs.
outcome pairs(const request& r) {
    constexpr std::uint64_t count = 64;
    const std::uint64_t each = r.n / count;
    caf_system system(r.workers);
    std::vector<actor> pingers;
    for (std::uint64_t i = 0; i < count; ++i)
        pingers.push_back(system->spawn(pinger, system->spawn(echo), actor(system.main()), each));
    std::uint64_t pongs = 0;
    const double took = timed([&] {
        for (const actor& p : pingers) caf::anon_send(p, start_atom::value);
        for (std::uint64_t i = 0; i < count; ++i) pongs += system.wait_done();
    });
    return {took, count * each, "round trip", pongs == count * each};
}

// One of `count` waiting actors after another is asked and answers.
struct asker_state {
    std::vector<actor> all;
    std::uint64_t asked = 0;
};
behavior asker(stateful_actor<asker_state>* self, actor main, std::uint64_t count,
               std::uint64_t n) {
    for (std::uint64_t i = 0; i < count; ++i) self->state.all.push_back(self->spawn(echo));
    self->send(main, done_atom::value, std::uint64_t{0});  // all are there
    const auto ask = [=] {
        auto& s = self->state;
        self->send(s.all[s.asked * 7919 % s.all.size()], ping_atom::value);
    };
    return {[=](start_atom) { ask(); },
            [=](pong_atom) {
                if (++self->state.asked < n) return ask();
                self->send(main, done_atom::value, self->state.asked);
                self->state.all.clear();
                self->quit();
            }};
}
outcome asked_among(const request& r) {
    caf_system system(r.workers);
    std::uint64_t answers = 0;
    const actor first = system->spawn(asker, actor(system.main()), r.parameter("count", 1), r.n);
    system.wait_done();
    const double took = system.until_done(first, answers);
    return {took, r.n, "question", answers == r.n};
}

behavior counting_server(stateful_actor<counted>* self) {
    return {[=](next_atom) { return ++self->state.count; }, [=](stop_atom) { self->quit(); }};
}
void call_again(event_based_actor* self, const actor& server, const actor& main, std::uint64_t n) {
    self->request(server, caf::infinite, next_atom::value).then([=](std::uint64_t count) {
        if (count < n) {
            call_again(self, server, main, n);
        } else {
            self->send(main, done_atom::value, count);
            self->send(server, stop_atom::value);
            self->quit();
        }
    });
}
outcome call(const request& r) {
    caf_system system(r.workers);
    const actor server = system->spawn(counting_server);
    const actor main(system.main());
    std::uint64_t last = 0;
    const double took = system.until_done(system->spawn([=](event_based_actor* self) -> behavior {
        return {[=](start_atom) { call_again(self, server, main, r.n); }};
    }),
                                          last);
    return {took, r.n, "call", last == r.n};
}

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}
behavior waiting(event_based_actor* self) {
    return {[](ping_atom, const actor& main) {
                caf::anon_send(main, done_atom::value, std::uint64_t{1});
            },
            [=](stop_atom) { self->quit(); }};
}
// Bytes, not nanoseconds; what a waiting actor keeps. Each answers once, so each is there.
outcome idle(const request& r) {
    caf_system system(r.workers);
    std::vector<actor> actors(r.n);
    const std::uint64_t before = resident_bytes();
    for (actor& a : actors) a = system->spawn(waiting);
    std::uint64_t alive = 0;
    constexpr std::size_t at_once = 1000;  // so that what is under way does not count
    for (std::size_t asked = 0; asked < actors.size();) {
        const std::size_t end = std::min(asked + at_once, actors.size());
        const std::size_t batch = end - asked;
        for (; asked < end; ++asked)
            caf::anon_send(actors[asked], ping_atom::value, actor(system.main()));
        for (std::size_t i = 0; i < batch; ++i) alive += system.wait_done();
    }
    const std::uint64_t after = resident_bytes();
    for (const actor& a : actors) caf::anon_send(a, stop_atom::value);
    return {static_cast<double>(after - before), r.n, "bytes", alive == r.n};
}

}  // namespace

std::map<std::string, scenario> runtime_scenarios() {
    return {{"runtime/ping_pong", ping_pong},   {"runtime/ring", ring},
            {"runtime/spawn_exit", spawn_exit}, {"runtime/spawn_monitor", spawn_monitor},
            {"runtime/fan_in", fan_in},         {"runtime/skynet", skynet},
            {"runtime/fork_join", fork_join},   {"runtime/pairs", pairs},
            {"growth/processes", asked_among},  {"runtime/idle", idle},
            {"supervisor/call", call}};
}

}  // namespace contender
