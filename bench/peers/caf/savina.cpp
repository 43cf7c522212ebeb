// Savina's classics (Imam and Sarkar, AGERE 2014), with the sizes in bench/peers/README.md.

#include "caf_contender.hpp"

#include <array>
#include <deque>
#include <unordered_map>

namespace contender {
namespace {

using caf::actor;
using caf::behavior;
using caf::event_based_actor;
using caf::stateful_actor;

using add_atom = caf::atom_constant<caf::atom("add")>;
using credit_atom = caf::atom_constant<caf::atom("credit")>;
using credited_atom = caf::atom_constant<caf::atom("credited")>;
using debit_atom = caf::atom_constant<caf::atom("debit")>;
using denied_atom = caf::atom_constant<caf::atom("denied")>;
using eat_atom = caf::atom_constant<caf::atom("eat")>;
using hungry_atom = caf::atom_constant<caf::atom("hungry")>;
using meet_atom = caf::atom_constant<caf::atom("meet")>;
using met_atom = caf::atom_constant<caf::atom("met")>;
using read_atom = caf::atom_constant<caf::atom("read")>;
using write_atom = caf::atom_constant<caf::atom("write")>;

struct counted {
    std::uint64_t count = 0;
};
struct linked {
    actor next;
};

// Adds up `parts` numbers sent to main with `done`.
std::uint64_t gather(caf_system& system, std::size_t parts) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < parts; ++i) sum += system.wait_done();
    return sum;
}
void stop_all(const std::vector<actor>& actors) {
    for (const actor& a : actors) caf::anon_send(a, stop_atom::value);
}

behavior ring_member(stateful_actor<linked>* self, actor main, std::uint64_t id) {
    return {[=](next_atom, const actor& next) { self->state.next = next; },
            [=](std::uint64_t left) {
                if (left == 0) {
                    self->send(main, done_atom::value, id);
                } else {
                    self->send(self->state.next, left - 1);
                }
            },
            [=](stop_atom) {
                self->state.next = nullptr;
                self->quit();
            }};
}
outcome thread_ring(const request& r) {
    constexpr std::uint64_t size = 100;
    caf_system system(r.workers);
    std::vector<actor> members;
    for (std::uint64_t id = 0; id < size; ++id)
        members.push_back(system->spawn(ring_member, actor(system.main()), id));
    for (std::size_t i = 0; i < size; ++i)
        caf::anon_send(members[i], next_atom::value, members[(i + 1) % size]);
    std::uint64_t holder = size;
    const double took = timed([&] {
        caf::anon_send(members[0], r.n);
        holder = system.wait_done();
    });
    stop_all(members);
    return {took, r.n, "hop", holder == r.n % size};
}

behavior counter(stateful_actor<counted>* self, actor main) {
    return {[=](add_atom) { ++self->state.count; },
            [=](done_atom) {
                self->send(main, done_atom::value, self->state.count);
                self->quit();
            }};
}
outcome counting(const request& r) {
    caf_system system(r.workers);
    const actor sum = system->spawn(counter, actor(system.main()));
    std::uint64_t count = 0;
    const double took = system.until_done(system->spawn([=](event_based_actor* self) -> behavior {
        return {[=](start_atom) {
            for (std::uint64_t i = 0; i < r.n; ++i) self->send(sum, add_atom::value);
            self->send(sum, done_atom::value);
            self->quit();
        }};
    }),
                                          count);
    return {took, r.n, "message", count == r.n};
}

behavior throughput_actor(stateful_actor<counted>* self, actor main, std::uint64_t each) {
    return {[=](add_atom) {
        if (++self->state.count == each) {
            self->send(main, done_atom::value, self->state.count);
            self->quit();
        }
    }};
}
outcome fork_join_throughput(const request& r) {
    constexpr std::size_t actors = 60;
    const std::uint64_t each = r.n / actors;
    caf_system system(r.workers);
    std::vector<actor> all;
    for (std::size_t i = 0; i < actors; ++i)
        all.push_back(system->spawn(throughput_actor, actor(system.main()), each));
    std::uint64_t total = 0;
    const double took = timed([&] {
        for (std::uint64_t round = 0; round < each; ++round)
            for (const actor& a : all) caf::anon_send(a, add_atom::value);
        total = gather(system, actors);
    });
    return {took, each * actors, "message", total == each * actors};
}

behavior collector(stateful_actor<counted>* self, actor main, std::uint64_t n) {
    return {[=](add_atom) {
        if (++self->state.count == n) {
            self->send(main, done_atom::value, self->state.count);
            self->quit();
        }
    }};
}
outcome fork_join_create(const request& r) {
    caf_system system(r.workers);
    const actor total = system->spawn(collector, actor(system.main()), r.n);
    std::uint64_t answers = 0;
    const double took = system.until_done(system->spawn([=](event_based_actor* self) -> behavior {
        return {[=](start_atom) {
            for (std::uint64_t i = 0; i < r.n; ++i) {
                const actor child = self->spawn([=](event_based_actor* c) -> behavior {
                    return {[=](add_atom) {
                        c->send(total, add_atom::value);
                        c->quit();
                    }};
                });
                self->send(child, add_atom::value);
            }
            self->quit();
        }};
    }),
                                          answers);
    return {took, r.n, "actor", answers == r.n};
}

struct big_state {
    std::vector<actor> all;
    std::uint64_t random = 0;
    std::uint64_t pongs = 0;
};
behavior big_actor(stateful_actor<big_state>* self, actor main, std::uint64_t id,
                   std::uint64_t each) {
    self->state.random = id;
    const auto ping = [=] {
        auto& s = self->state;
        s.random = next_random(s.random);
        self->send(s.all[s.random % s.all.size()], ping_atom::value);
    };
    return {[=](next_atom, const actor& other) { self->state.all.push_back(other); },
            [=](start_atom) { ping(); }, [=](ping_atom) { return pong_atom::value; },
            [=](pong_atom) {
                if (++self->state.pongs == each) {
                    self->send(main, done_atom::value, self->state.pongs);
                } else {
                    ping();
                }
            },
            [=](stop_atom) {
                self->state.all.clear();
                self->quit();
            }};
}
outcome big(const request& r) {
    constexpr std::uint64_t actors = 120;
    const std::uint64_t each = r.n / actors;
    caf_system system(r.workers);
    std::vector<actor> all;
    for (std::uint64_t id = 1; id <= actors; ++id)
        all.push_back(system->spawn(big_actor, actor(system.main()), id, each));
    for (const actor& a : all)
        for (const actor& other : all) caf::anon_send(a, next_atom::value, other);
    std::uint64_t pongs = 0;
    const double took = timed([&] {
        for (const actor& a : all) caf::anon_send(a, start_atom::value);
        pongs = gather(system, actors);
    });
    stop_all(all);
    return {took, each * actors, "ping", pongs == each * actors};
}

struct mall_state {
    std::uint64_t left = 0;
    caf::strong_actor_ptr first;
    int first_colour = 0;
};
behavior mall(stateful_actor<mall_state>* self, std::uint64_t meetings, std::uint64_t creatures) {
    self->state.left = meetings;
    return {[=](meet_atom, int colour) {
        auto& s = self->state;
        const auto tell = [=](const caf::strong_actor_ptr& to, auto... message) {
            self->send(caf::actor_cast<actor>(to), message...);
        };
        if (s.left == 0) {
            tell(self->current_sender(), stop_atom::value);
            if (++s.first_colour == static_cast<int>(creatures)) self->quit();
        } else if (!s.first) {
            s.first = self->current_sender();
            s.first_colour = colour;
        } else {
            tell(s.first, met_atom::value, colour);
            tell(self->current_sender(), met_atom::value, s.first_colour);
            s.first = nullptr;
            if (--s.left == 0) s.first_colour = 0;  // from now on: creatures sent home
        }
    }};
}
struct creature_state {
    int colour = 0;
    std::uint64_t meetings = 0;
};
behavior creature(stateful_actor<creature_state>* self, actor mall, actor main, int colour) {
    self->state.colour = colour;
    return {[=](start_atom) { self->send(mall, meet_atom::value, self->state.colour); },
            [=](met_atom, int other) {
                auto& s = self->state;
                if (s.colour != other) s.colour = 3 - s.colour - other;
                ++s.meetings;
                self->send(mall, meet_atom::value, s.colour);
            },
            [=](stop_atom) {
                self->send(main, done_atom::value, self->state.meetings);
                self->quit();
            }};
}
outcome chameneos(const request& r) {
    constexpr std::uint64_t creatures = 100;
    caf_system system(r.workers);
    const actor meeting_place = system->spawn(mall, r.n, creatures);
    std::vector<actor> all;
    for (std::uint64_t i = 0; i < creatures; ++i)
        all.push_back(
            system->spawn(creature, meeting_place, actor(system.main()), static_cast<int>(i % 3)));
    std::uint64_t met = 0;
    const double took = timed([&] {
        for (const actor& a : all) caf::anon_send(a, start_atom::value);
        met = gather(system, creatures);
    });
    return {took, r.n, "meeting", met == 2 * r.n};
}

// CAF's event-based actors cannot wait inside a handler; debits that arrive meanwhile are kept.
struct account_state {
    std::int64_t balance = 1'000'000;
    bool waiting = false;
    std::deque<actor> debits;
};
behavior account(stateful_actor<account_state>* self, actor teller) {
    const auto credit_next = [=] {
        auto& s = self->state;
        if (s.waiting || s.debits.empty()) return;
        s.waiting = true;
        self->send(s.debits.front(), credit_atom::value);
        s.debits.pop_front();
    };
    return {[=](credit_atom) {
                ++self->state.balance;
                return credited_atom::value;
            },
            [=](debit_atom, const actor& to) {
                self->state.debits.push_back(to);
                credit_next();
            },
            [=](credited_atom) {
                --self->state.balance;
                self->state.waiting = false;
                self->send(teller, add_atom::value);
                credit_next();
            },
            [=](stop_atom) {
                const auto balance = static_cast<std::uint64_t>(self->state.balance);
                self->quit();
                return caf::make_message(done_atom::value, balance);
            }};
}
outcome banking(const request& r) {
    constexpr std::uint64_t accounts = 1000;
    caf_system system(r.workers);
    const actor teller = system->spawn(collector, actor(system.main()), r.n);
    std::vector<actor> all;
    for (std::uint64_t i = 0; i < accounts; ++i) all.push_back(system->spawn(account, teller));
    std::uint64_t transfers = 0;
    const double took = timed([&] {
        std::uint64_t random = 7919;
        for (std::uint64_t i = 0; i < r.n; ++i) {
            const std::uint64_t r1 = next_random(random);
            random = next_random(r1);
            const std::uint64_t from = (r1 / 65536) % (accounts - 1);
            const std::uint64_t to = from + 1 + (random / 65536) % (accounts - 1 - from);
            caf::anon_send(all[from], debit_atom::value, all[to]);
        }
        transfers = system.wait_done();
    });
    for (const actor& a : all) system.main()->send(a, stop_atom::value);
    const std::uint64_t total = gather(system, accounts);
    return {took, r.n, "transfer", transfers == r.n && total == accounts * 1'000'000};
}

struct dictionary_state {
    std::unordered_map<std::uint64_t, std::uint64_t> words;
};
behavior dictionary(stateful_actor<dictionary_state>* self) {
    return {[=](write_atom, std::uint64_t key, std::uint64_t value) {
                return self->state.words[key] = value;
            },
            [=](read_atom, std::uint64_t key) {
                const auto found = self->state.words.find(key);
                return found == self->state.words.end() ? std::uint64_t{0} : found->second;
            },
            [=](stop_atom) { self->quit(); }};
}
struct asker_state {
    std::uint64_t random = 0;
    std::uint64_t left = 0;
    std::uint64_t answers = 0;
};
behavior asker(stateful_actor<asker_state>* self, actor words, actor main, std::uint64_t seed,
               std::uint64_t each) {
    self->state = {seed, each, 0};
    const auto ask = [=] {
        auto& s = self->state;
        if (s.left == 0) {
            self->send(main, done_atom::value, s.answers);
            self->quit();
            return;
        }
        s.random = next_random(s.random);
        const std::uint64_t key = (s.random / 65536) % 512;
        if (s.left % 10 == 0) {
            self->send(words, write_atom::value, key, s.left);
        } else {
            self->send(words, read_atom::value, key);
        }
        --s.left;
    };
    return {[=](start_atom) { ask(); },
            [=](std::uint64_t) {
                ++self->state.answers;
                ask();
            }};
}
outcome concurrent_dictionary(const request& r) {
    constexpr std::uint64_t workers = 20;
    const std::uint64_t each = r.n / workers;
    caf_system system(r.workers);
    const actor words = system->spawn(dictionary);
    std::vector<actor> all;
    for (std::uint64_t w = 1; w <= workers; ++w)
        all.push_back(system->spawn(asker, words, actor(system.main()), w, each));
    std::uint64_t answers = 0;
    const double took = timed([&] {
        for (const actor& a : all) caf::anon_send(a, start_atom::value);
        answers = gather(system, workers);
    });
    caf::anon_send(words, stop_atom::value);
    return {took, each * workers, "operation", answers == each * workers};
}

constexpr std::size_t seats = 20;
struct table_state {
    std::array<bool, seats> taken{};
};
behavior arbitrator(stateful_actor<table_state>* self) {
    return {[=](hungry_atom, std::uint64_t seat) -> caf::result<caf::atom_value> {
                bool& left = self->state.taken[seat];
                bool& right = self->state.taken[(seat + 1) % seats];
                if (left || right) return caf::atom_value{denied_atom::value};
                left = right = true;
                return caf::atom_value{eat_atom::value};
            },
            [=](done_atom, std::uint64_t seat) {
                self->state.taken[seat] = self->state.taken[(seat + 1) % seats] = false;
            },
            [=](stop_atom) { self->quit(); }};
}
behavior philosopher(stateful_actor<counted>* self, actor table, actor main, std::uint64_t seat,
                     std::uint64_t each) {
    return {[=](start_atom) { self->send(table, hungry_atom::value, seat); },
            [=](caf::atom_value answer) {
                if (answer == eat_atom::value) {
                    self->send(table, done_atom::value, seat);
                    if (++self->state.count == each) {
                        self->send(main, done_atom::value, self->state.count);
                        self->quit();
                        return;
                    }
                }
                self->send(table, hungry_atom::value, seat);
            }};
}
outcome dining_philosophers(const request& r) {
    const std::uint64_t each = r.n / seats;
    caf_system system(r.workers);
    const actor table = system->spawn(arbitrator);
    std::vector<actor> all;
    for (std::uint64_t seat = 0; seat < seats; ++seat)
        all.push_back(system->spawn(philosopher, table, actor(system.main()), seat, each));
    std::uint64_t meals = 0;
    const double took = timed([&] {
        for (const actor& a : all) caf::anon_send(a, start_atom::value);
        meals = gather(system, seats);
    });
    caf::anon_send(table, stop_atom::value);
    return {took, each * seats, "meal", meals == each * seats};
}

struct filter_state {
    std::vector<std::uint64_t> primes;
    actor next;
};
behavior filter(stateful_actor<filter_state>* self, std::uint64_t prime, actor main) {
    constexpr std::size_t capacity = 1000;
    self->state.primes.reserve(capacity);
    self->state.primes.push_back(prime);
    return {[=](std::uint64_t x) {
                auto& s = self->state;
                for (const std::uint64_t p : s.primes) {
                    if (p * p > x) break;
                    if (x % p == 0) return;
                }
                if (s.primes.size() < capacity) {
                    s.primes.push_back(x);
                } else if (!s.next) {
                    s.next = self->spawn(filter, x, main);
                } else {
                    self->send(s.next, x);
                }
            },
            [=](done_atom, std::uint64_t before) {
                const std::uint64_t count = before + self->state.primes.size();
                if (self->state.next) {
                    self->send(self->state.next, done_atom::value, count);
                } else {
                    self->send(main, done_atom::value, count);
                }
                self->quit();
            }};
}
outcome sieve(const request& r) {
    caf_system system(r.workers);
    std::uint64_t primes = 0;
    const double took = timed([&] {
        const actor first = system->spawn(filter, std::uint64_t{2}, actor(system.main()));
        for (std::uint64_t x = 3; x <= r.n; x += 2) caf::anon_send(first, x);
        caf::anon_send(first, done_atom::value, std::uint64_t{0});
        primes = system.wait_done();
    });
    return {took, (r.n - 1) / 2, "candidate", primes == prime_count(r.n)};
}

}  // namespace

std::map<std::string, scenario> savina_scenarios() {
    return {{"savina/thread_ring", thread_ring},
            {"savina/counting", counting},
            {"savina/fork_join_throughput", fork_join_throughput},
            {"savina/fork_join_create", fork_join_create},
            {"savina/big", big},
            {"savina/chameneos", chameneos},
            {"savina/banking", banking},
            {"savina/concurrent_dictionary", concurrent_dictionary},
            {"savina/dining_philosophers", dining_philosophers},
            {"savina/sieve", sieve}};
}

}  // namespace contender
