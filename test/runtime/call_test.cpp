// Calls below the typed servers: one question, one answer (design rules R2, R13; detail/activity.hpp).
#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <heirloom/detail/activity.hpp>

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

namespace {

enum class what {
    answer,
    crash,
    exit_odd,
    drop,
    keep,
    answer_late,
    answer_when_told,
    hand_on,
    die_silently,
    tell_then_answer,
    answer_then_kill
};

struct request {
    what wanted;
    int n;
    std::shared_ptr<const int> token = {};
};

/// A server of the kind the layer above builds: idle between messages, so it holds no stack while it waits.
class answering final : public detail::activity {
public:
    detail::disposition run() override {
        while (detail::message* m = detail::next_message()) {
            if (m->type->kind != detail::message_kind::call) {
                const bool over = m->type == &detail::user_type<stop>;
                m->type->destroy(m);
                if (over) return detail::disposition::finished;
                continue;
            }
            handle(static_cast<detail::typed_call<request>*>(m));
        }
        return detail::disposition::idle;
    }

private:
    void handle(detail::typed_call<request>* m) {
        const request r = m->payload;
        switch (r.wanted) {
        case what::answer:
            return detail::answer_call(m, detail::new_reply<int>(r.n + 1));
        case what::crash:
            throw std::runtime_error("in the server");
        case what::exit_odd:
            exit("odd"_a);
        case what::drop: {
            const detail::open_call dropped(m);
            return;
        }
        case what::keep:
            kept_.emplace_back(m);
            return;
        case what::answer_late:
            sleep(5ms);
            return detail::answer_call(m, detail::new_reply<int>(r.n + 1));
        case what::answer_when_told:
            receive<go>();
            return detail::answer_call(m, detail::new_reply<int>(r.n + 1));
        case what::hand_on: {
            auto call = std::make_shared<detail::open_call>(m);
            spawn([call, n = r.n] { call->answer(detail::new_reply<int>(n + 1)); });
            return;
        }
        case what::die_silently:
            exit(self(), reason::kill);
            return;
        case what::tell_then_answer:
            send(pid::from_bits(m->word), number{r.n});
            return detail::answer_call(m, detail::new_reply<int>(r.n + 1));
        case what::answer_then_kill: {
            // Both are there before the caller runs again.
            const pid caller = pid::from_bits(m->word);
            detail::answer_call(m, detail::new_reply<std::shared_ptr<const int>>(r.token));
            exit(caller, reason::kill);
            return;
        }
        }
    }
    std::vector<detail::open_call> kept_;
};

constexpr detail::type_label answering_label{"answering"};
pid start_server() {
    return detail::spawn_activity({}, new answering, {.entry = &answering_label}).process;
}

struct outcome {
    enum { value, failed, timed_out } kind;
    int n = 0;
    exit_reason why = {};
};

outcome ask(pid server, request r, duration limit = forever) {
    detail::reply_message* m =
        detail::call_and_wait(server, detail::new_call<request>(std::move(r)), limit);
    if (!m) return {outcome::timed_out};
    const detail::message_ptr owner(m);
    if (m->failed) return {outcome::failed, 0, static_cast<detail::failed_reply*>(m)->payload};
    return {outcome::value, static_cast<detail::typed_reply<int>*>(m)->payload};
}

}  // namespace

TEST(call, is_answered) {
    const auto body = [](witness& w) {
        const pid server = start_server();
        for (int i = 0; i < w.times(500, 20); ++i) {
            const auto o = ask(server, {what::answer, i});
            w.that(o.kind == outcome::value);
            w.equal(o.n, i + 1);
        }
        for (const auto kind : {what::answer_late, what::hand_on, what::tell_then_answer})
            for (int i = 0; i < 5; ++i) w.equal(ask(server, {kind, i}).n, i + 1);
        for (int i = 0; i < 5; ++i) w.equal(receive<number>().n, i);
        send(server, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(call, sees_what_the_server_sent_before_the_answer) {
    const auto body = [](witness& w) {
        // R13: it is in the mailbox when the call returns.
        const pid server = start_server();
        for (int i = 0; i < w.times(200, 20); ++i) {
            w.equal(ask(server, {what::tell_then_answer, i}).n, i + 1);
            const auto n = receive_for<number>(0s);
            w.that(n && n->n == i, "sent before the reply, seen before it");
        }
        send(server, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(call, of_a_server_that_ends_fails_with_its_reason) {
    const auto body = [](witness& w) {
        const auto failed_with = [&](what wanted) {
            const pid server = start_server();
            const auto o = ask(server, {wanted, 0});
            w.that(o.kind == outcome::failed, "it fails, and does not hang");
            w.that(!is_alive(server));
            return o.why;
        };
        w.equal(failed_with(what::crash).what(), std::string_view("in the server"));
        w.equal(failed_with(what::exit_odd), exit_reason("odd"_a));
        w.equal(failed_with(what::die_silently), reason::killed);
        w.equal(ask(dead_pid(), {what::answer, 0}).why, reason::no_process);
        w.equal(ask(pid(), {what::answer, 0}).why, reason::no_process);
        // A call that the server has kept when it ends, and one that it has not taken yet: the first makes it wait.
        for (const what wanted : {what::keep, what::answer_when_told}) {
            const pid server = start_server();
            const auto token = std::make_shared<const int>(1);
            std::vector<spawned> askers;
            for (int i = 0; i < 5; ++i)
                askers.push_back(spawn_monitor([server, token, wanted] {
                    const auto o = ask(server, {wanted, 0, token});
                    exit(o.kind == outcome::failed ? o.why : exit_reason("answered"_a));
                }));
            sleep(1ms);
            exit(server, "over"_a);
            for (const auto& a : askers) {
                const auto why = reason_of(a.ref);
                w.that(why == exit_reason("over"_a) || why == reason::no_process, "told why");
            }
            await_gone(server);
            w.equal(token.use_count(), 1L);
        }
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(call, whose_answer_is_dropped_is_told_so) {
    const auto body = [](witness& w) {
        const pid server = start_server();
        w.equal(ask(server, {what::drop, 0}).why, reason::no_reply);
        w.equal(ask(server, {what::answer, 1}).n, 2);
        send(server, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(call, times_out_and_the_late_answer_never_arrives) {
    const auto body = [](witness& w) {
        const pid server = start_server();
        for (int i = 0; i < 5; ++i) {
            const auto start = runtime_clock::now();
            const auto o = ask(server, {what::answer_when_told, i}, 1ms);
            w.that(o.kind == outcome::timed_out);
            w.that(runtime_clock::now() - start >= 1ms, "not early");
            send(server, go{});
            // The next call gets its own answer, not the late one.
            w.equal(ask(server, {what::answer, 100 + i}).n, 101 + i);
        }
        const auto now = ask(server, {what::answer_when_told, 0}, 0s);
        w.that(now.kind == outcome::timed_out, "a limit of 0 does not wait");
        send(server, go{});
        bool refused = false;
        try {
            (void)ask(server, {what::answer, 0}, -1s);
        } catch (const bad_argument&) {
            refused = true;
        }
        w.that(refused);
        send(server, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(call, is_interrupted_by_a_kill) {
    const auto body = [](witness& w) {
        const pid main = self();
        const pid server = start_server();
        for (int i = 0; i < w.times(100, 10); ++i) {
            auto asker = spawn_monitor([main, server] {
                send(main, go{});
                (void)ask(server, {what::keep, 0});
                send(main, done{});
            });
            receive<go>();
            if (i % 2) yield();
            exit(asker.pid, "odd"_a);
            w.equal(reason_of(asker.ref), exit_reason("odd"_a));
            w.that(!receive_for<done>(0s));
        }
        w.equal(ask(server, {what::answer, 1}).n, 2);
        exit(server, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body));
}

// An answer that nobody takes any more is destroyed: what it holds is not lost.
TEST(call, of_a_caller_that_is_killed_with_its_answer_in_hand_leaves_nothing) {
    const auto body = [](witness& w) {
        const pid server = start_server();
        for (int i = 0; i < w.times(50, 10); ++i) {
            auto token = std::make_shared<const int>(i);
            const std::weak_ptr<const int> watched = token;
            auto asker = spawn_monitor([server, token = std::move(token)]() mutable {
                (void)detail::message_ptr(detail::call_and_wait(
                    server,
                    detail::new_call<request>(request{what::answer_then_kill, 0, std::move(token)}),
                    forever));
                receive<go>();  // it may have the answer before it is killed
            });
            w.equal(reason_of(asker.ref), exit_reason(reason::killed));
            w.equal(ask(server, {what::answer, i}).n,
                    i + 1);  // it has let go of the request as well
            w.that(watched.expired(), "the answer was not destroyed");
        }
        send(server, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body));
}

TEST(call, is_not_woken_by_other_messages) {
    const auto body = [](witness& w) {
        const pid server = start_server();
        const pid main = self();
        const pid pest = spawn([main] {
            for (int n = 0;; ++n) {
                send(main, number{n});
                if (n % 4 == 0) yield();
            }
        });
        for (int i = 0; i < w.times(100, 10); ++i) w.equal(ask(server, {what::answer, i}).n, i + 1);
        exit(pest, reason::kill);
        await_gone(pest);
        int next = 0;
        while (auto n = receive_for<number>(0s)) w.equal(n->n, next++);
        send(server, stop{});
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(call, in_a_chain_and_in_a_circle_that_times_out) {
    const auto body = [](witness& w) {
        // Servers made of processes that call the next one before they answer.
        struct link_of_chain final : detail::activity {
            pid next;
            duration limit = 10s;
            explicit link_of_chain(pid n) : next(n) {}
            detail::disposition run() override {
                while (detail::message* m = detail::next_message()) {
                    if (m->type->kind != detail::message_kind::call) {
                        if (m->type == &detail::user_type<pid>)
                            next = static_cast<detail::typed_message<pid>*>(m)->payload;
                        else if (m->type == &detail::user_type<number>)
                            limit = std::chrono::milliseconds(
                                static_cast<detail::typed_message<number>*>(m)->payload.n);
                        m->type->destroy(m);
                        continue;
                    }
                    auto* call = static_cast<detail::typed_call<request>*>(m);
                    const int n = call->payload.n;
                    const auto o =
                        next ? ask(next, {what::answer, n}, limit) : outcome{outcome::value, n};
                    if (o.kind == outcome::value)
                        detail::answer_call(call, detail::new_reply<int>(o.n + 1));
                    else
                        detail::fail_call(call,
                                          o.kind == outcome::timed_out ? reason::timeout : o.why);
                }
                return detail::disposition::idle;
            }
        };
        std::vector<pid> chain;
        for (int i = 0; i < 10; ++i)
            chain.push_back(detail::spawn_activity({}, new link_of_chain(i ? chain.back() : pid()),
                                                   {.entry = &detail::label_of<link_of_chain>})
                                .process);
        for (int i = 0; i < 20; ++i) w.equal(ask(chain.back(), {what::answer, i}).n, i + 10);
        for (pid p : chain) send(p, number{5});
        send(chain.front(), chain.back());
        const auto o = ask(chain.back(), {what::answer, 0});
        w.that(o.kind == outcome::failed, "a circle of calls ends by its limits");
        send(chain.front(), pid());
        for (pid p : chain) send(p, number{10'000});
        w.equal(ask(chain.back(), {what::answer, 7}).n, 17);
        for (pid p : chain) exit(p, reason::kill);
    };
    EXPECT_TRUE(holds_everywhere(body, costly()));
}

TEST(conformance_processes, rc_huge_queue_call) {
    // A request and its reply cost the same whatever has piled up in the caller's mailbox.
    const auto body = [](witness& w) {
        const pid server = start_server();
        const auto best_of = [&] {
            auto best = std::chrono::steady_clock::duration::max();
            for (int round = 0; round < 7; ++round) {
                const auto start = std::chrono::steady_clock::now();
                for (int i = 0; i < 200; ++i) w.equal(ask(server, {what::answer, i}).n, i + 1);
                best = std::min(best, std::chrono::steady_clock::now() - start);
            }
            return best;
        };
        const auto empty = best_of();
        const int count = static_cast<int>(scaled(500'000));
        for (int i = 0; i < count; ++i) send(self(), number{i});
        const auto full = best_of();
        w.that(full < 10 * empty, "less than 10 times slower with 500,000 messages in the mailbox");
        for (int i = 0; i < count; ++i) w.equal(receive<number>().n, i);
    };
    EXPECT_TRUE(holds_everywhere(body, {.workers = {1, 2}, .seeds = 0}));
}
