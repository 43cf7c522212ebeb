// The catalogue's rows about looking into servers (sys-) and asking without waiting (gs-send-request and what follows).
#include "inside.hpp"

#include <string>
#include <vector>

namespace heirloom::test {
namespace {

using namespace std::chrono_literals;

class shown {
public:
    struct get {
        using reply = int;
    };
    struct set {
        int n;
    };
    struct later {
        using reply = int;
    };
    struct answer {
        using reply = int;
    };
    struct die {
        using reply = int;
    };
    struct crash {
        using reply = int;
    };
    explicit shown(int n, bool bad_status = false) : n_(n), bad_(bad_status) {}
    int handle_call(get) { return n_; }
    void handle_cast(set s) { n_ = s.n; }
    void handle_call(later, reply_to<int> client) { kept_ = std::move(client); }
    int handle_call(answer) { return reply(std::move(kept_), n_), 0; }
    int handle_call(die) { exit("died"_a); }
    int handle_call(crash) { throw std::runtime_error("crashed"); }
    int state() const { return n_; }
    void set_state(int n) { n_ = n; }
    std::string format_status() const {
        if (bad_) throw std::runtime_error("no status");
        return "n is " + std::to_string(n_);
    }

private:
    int n_;
    bool bad_;
    reply_to<int> kept_;
};

void require_clean(std::source_location where = std::source_location::current()) {
    const auto about = process_info(self());
    require(about->message_queue_len == 0, "something is left in the mailbox", where);
    require(about->monitors.empty(), "a monitor is left", where);
}

TEST(conformance_behaviours, sys_suspend) {
    const auto body = [] {
        auto s = start<shown>(1).value();
        sys::suspend(s);
        sys::suspend(s);
        cast(s, shown::set{7});
        require_eq(call_failure([&] { call(s, shown::get{}, 20ms); }), reason::timeout);
        require_eq(sys::get_state(s), 1);
        require(sys::get_status(s).suspended);
        sys::resume(s);
        sys::resume(s);
        require_eq(call(s, shown::get{}), 7);  // what queued up was handled
        require(!sys::get_status(s).suspended);
        // The parent's exit ends it all the same.
        struct trapping {
            trapping() { trap_exit(true); }
        };
        const pid boss = self();
        auto [parent, ref] = spawn_monitor([boss] {
            auto t = start_link<trapping>().value();
            sys::suspend(t);
            send(boss, pid(t));
            receive<atom>();
        });
        const pid t = receive<pid>();
        const auto watch = monitor(t);
        send(parent, "go"_a);
        require_eq(receive(when(watch, [](down d) { return d.reason; })), reason::normal);
        receive(when(ref, [](down) {}));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sys_status) {
    const auto body = [] {
        auto s = start_link<shown>(3).value();
        const sys::status status = sys::get_status(s);
        require_eq(status.pid, pid(s));
        require(status.server.find("shown") != std::string::npos);
        require_eq(status.parent, self());
        require_eq(status.state, "n is 3");
        stop(s);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sys_get_state) {
    const auto body = [] {
        auto s = start<shown>(3).value();
        require_eq(sys::get_state(s), 3);
        sys::suspend(s);
        require_eq(sys::get_state(s), 3);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sys_replace_state) {
    const auto body = [] {
        auto s = start<shown>(3).value();
        require_eq(sys::replace_state(s, [](int n) { return n * 2; }), 6);
        require_eq(call(s, shown::get{}), 6);
        const auto why = call_failure(
            [&] { sys::replace_state(s, [](int) -> int { throw std::runtime_error("no"); }); });
        require(why.is("callback_failed"_a));
        require_eq(call(s, shown::get{}), 6);
        require(call_failure([&] {
                    sys::replace_state(s, [](int) -> int { throw 42; });
                }).is("callback_failed"_a));
        const auto exited =
            call_failure([&] { sys::replace_state(s, [](int) -> int { exit("no"_a); }); });
        require(exited.is("callback_failed"_a) && *exited.detail() == exit_reason("no"_a));
        require_eq(call(s, shown::get{}), 6);
        sys::suspend(s);
        require_eq(sys::replace_state(s, [](int n) { return n + 1; }), 7);
        sys::resume(s);
        require_eq(call(s, shown::get{}), 7);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sys_statistics) {
    const auto body = [] {
        auto s = start<shown>(3).value();
        require(!sys::get_statistics(s));
        sys::statistics(s, true);
        for (int i = 0; i < 5; ++i) call(s, shown::get{});
        cast(s, shown::set{1});
        call(s, shown::get{});
        const auto counts = sys::get_statistics(s);
        require(bool(counts));
        require_eq(counts->messages_in, 7u);
        require_eq(counts->replies_out, 6u);
        sys::statistics(s, false);
        require(!sys::get_statistics(s));
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, sys_trace_log) {
    log_keeper log;
    {
        runtime rt({.workers = 2, .log = log.sink()});
        rt.invoke([] {
            auto s = start<shown>(3).value();
            sys::log(s, 3);
            sys::trace(s, true);
            call(s, shown::get{});
            cast(s, shown::set{1});
            call(s, shown::get{});
            const auto events = sys::get_log(s);
            require_eq(events.size(), 3u);
            require(events.back().kind == sys::event_kind::handled_call);
            require(events.back().message.find("get") != std::string::npos &&
                    events.back().client == self());
            sys::trace(s, false);
            sys::log(s, 0);
            call(s, shown::get{});
            require(sys::get_log(s).empty());
        });
        EXPECT_TRUE(log.wait_for("trace", "get"));
        EXPECT_TRUE(log.wait_for("trace", "set"));
    }
    EXPECT_EQ(log.count("trace"), 6u)
        << "in and out of three messages, and nothing after it was switched off";
}

TEST(conformance_behaviours, sys_install) {
    const auto body = [] {
        auto s = start<shown>(3).value();
        const pid boss = self();
        auto count = [boss](int limit) {
            return [boss, limit, n = 0](const sys::event& e) mutable {
                if (e.kind == sys::event_kind::in) try_send(boss, ++n);
                return n < limit;
            };
        };
        sys::install(s, "counting", count(2));
        sys::install(s, "counting", count(2));  // one is kept
        for (int i = 0; i < 4; ++i) call(s, shown::get{});
        require_eq(receive<int>(), 1);
        require_eq(receive<int>(), 2);
        require(!receive_for<int>(0s), "it went on after it was done");
        sys::install(s, "failing",
                     [](const sys::event&) -> bool { throw std::runtime_error("observer"); });
        call(s, shown::get{});
        sys::install(s, "more", count(100));
        sys::no_debug(s);
        call(s, shown::get{});
        require(!receive_for<int>(0s));
        require_eq(call(s, shown::get{}), 3);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_format_status) {
    log_keeper log;
    {
        runtime rt({.workers = 2, .log = log.sink()});
        rt.invoke([] {
            auto s = start<shown>(42).value();
            (void)try_call(s, shown::crash{});
            auto bad = start<shown>(43, true).value();
            require(sys::get_status(bad).state.find("failed") != std::string::npos);
            require_eq(call(bad, shown::get{}), 43);  // unaffected
        });
        EXPECT_TRUE(log.wait_for("server_terminated", "n is 42"));
    }
}

TEST(conformance_behaviours, gs_send_request) {
    const auto body = [] {
        auto s = start<shown>(5).value();
        auto id = send_request(s, shown::get{});
        auto answer = wait_response(id);
        require(answer && *answer);
        require_eq(**answer, 5);
        auto dies = send_request(s, shown::die{});
        require_eq(receive_response(dies).error().reason, exit_reason("died"_a));
        require_eq(receive_response(send_request(s, shown::get{})).error().reason,
                   reason::no_process);
        constexpr server_name<shown> nobody{"nobody"};
        require_eq(receive_response(send_request(nobody, shown::get{})).error().reason,
                   reason::no_process);
        auto t = start<shown>(6).value();
        auto late = send_request(t, shown::later{});
        require(!wait_response(late, 5ms));
        call(t, shown::answer{});
        require_eq(receive_response(late).value(), 6);
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_wait_vs_receive) {
    const auto body = [] {
        auto s = start<shown>(5).value();
        auto given_up = send_request(s, shown::later{});
        require_eq(receive_response(given_up, 5ms).error().reason, reason::timeout);
        call(s, shown::answer{});
        require_clean();  // nothing of it is ever delivered
        auto waited = send_request(s, shown::later{});
        require(!wait_response(waited, 1ms));
        require(!wait_response(waited, 1ms));
        call(s, shown::answer{});
        require(bool(wait_response(waited, 5s)));
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_check_response) {
    const auto body = [] {
        // In place of check_response: waiting with a limit of 0 takes what is here, and nothing else.
        auto s = start<shown>(5).value();
        auto one = send_request(s, shown::get{}), two = send_request(s, shown::later{});
        require_eq(receive_response(one).value(), 5);
        require(!wait_response(two, 0s));
        send(self(), std::string("unrelated"));
        require(!wait_response(two, 0s));
        require_eq(receive<std::string>(), "unrelated");
        call(s, shown::answer{});
        while (true)
            if (auto r = wait_response(two, 0s)) {
                require_eq(r->value(), 5);
                break;
            }
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_reqids) {
    const auto body = [] {
        request_collection<int, std::string> all;
        require(!all.wait(0s));
        std::vector<server<shown>> servers;
        for (int i = 0; i < 5; ++i) servers.push_back(start<shown>(i).value());
        request_id<int> first;
        for (int i = 0; i < 5; ++i) {
            auto id = send_request(servers[static_cast<std::size_t>(i)], shown::get{});
            if (i == 0) first = id;
            all.add(id, "label " + std::to_string(i));
        }
        thrown_by<bad_argument>([&] { all.add(first, "again"); });
        require_eq(all.size(), 5u);
        require_eq(all.to_list().front().second, "label 0");
        auto outside = send_request(servers[0], shown::get{});
        while (auto a = all.wait())
            require_eq(a->label, "label " + std::to_string(a->response.value()));
        require_eq(all.size(), 0u);
        require_eq(receive_response(outside).value(), 0);
        auto dies = send_request(servers[1], shown::die{});
        all.add(dies, "dies");
        require_eq(all.wait()->response.error().reason, exit_reason("died"_a));
        all.add(send_request(servers[2], shown::later{}), "never");
        require(!all.wait(1ms));
        all.abandon();
        call(servers[2], shown::answer{});
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_abs_deadline) {
    const auto body = [] {
        auto s = start<shown>(5).value();
        auto one = send_request(s, shown::get{});
        call(s, shown::get{});  // by now the answer is here
        require_eq(receive_response_until(one, runtime_clock::now() - 1s).value(), 5);
        auto two = send_request(s, shown::later{});
        require(!wait_response_until(two, runtime_clock::now() - 1s));
        require_eq(receive_response_until(two, runtime_clock::now() + 2ms).error().reason,
                   reason::timeout);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(conformance_behaviours, gs_multi_call) {
    const auto body = [] {
        std::vector<server<shown>> servers;
        for (int i = 0; i < 4; ++i) servers.push_back(start<shown>(i).value());
        stop(servers[2]);
        auto all = multi_call(servers, shown::get{});
        require_eq(all.size(), 4u);
        for (std::size_t i = 0; i < 4; ++i)
            if (i == 2)
                require_eq(all[i].error().reason, reason::no_process);
            else
                require_eq(all[i].value(), static_cast<int>(i));
        auto late = multi_call(std::vector{servers[0]}, shown::later{}, 2ms);
        require_eq(late[0].error().reason, reason::timeout);
        call(servers[0], shown::answer{});
        require_clean();
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
