// What is done to servers by their names, and what failures say of whom they concern.
#include "servers.hpp"

#include <gmock/gmock.h>

namespace heirloom::test {
namespace {

inline constexpr server_name<dummy> stock{"stock"};
inline constexpr server_name<event_manager<int>> the_news{"news"};
inline constexpr supervisor_name no_supervisor{"no_supervisor"};

template <class F>
std::string complaint(F&& f) {
    return thrown_by<call_failed>(std::forward<F>(f)).what();
}
void says(const std::string& text, std::string_view what) {
    require(text.find(what) != std::string::npos, text);
}

TEST(failed_call, names_whom_it_called_by_name) {
    const auto body = [] {
        says(complaint([] { call(stock, dummy::get{}); }),
             "dummy::get to \"stock\" failed: no_pro");
        says(complaint([] { stop(stock); }), "stop to \"stock\" failed: no_process");
        says(complaint([] { sys::get_status(stock); }), "to \"stock\" failed: no_process");
        const auto kept = try_call(stock, dummy::get{});
        require_eq(kept.error().name, stock.name());
        says(complaint([&] { kept.error().raise(); }), "to \"stock\" failed: no_process");
        const auto later = receive_response(send_request(stock, dummy::get{}));
        says(complaint([&] { later.error().raise(); }), "to \"stock\" failed: no_process");

        const auto s = start(stock).value();
        const std::string both = to_string(pid(s)) + " \"stock\"";
        says(complaint([] { call(stock, dummy::wait{1s}, 1ms); }), both + " failed: timeout");
        says(complaint([&] { call(s, dummy::wait{1s}, 1ms); }), to_string(pid(s)) + " failed");
        exit(s, reason::kill);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(failed_call, names_the_verb_of_a_supervisor) {
    const auto body = [] {
        says(complaint([] { which_children(no_supervisor); }),
             "call which_children to \"no_supervisor\" failed: no_process");
        says(complaint([] { (void)start_child(no_supervisor, child<dummy>("d")); }),
             "call start_child to \"no_supervisor\"");
        says(complaint([] { find_child<dummy>(no_supervisor); }), "call find_child to");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(failed_call, names_the_key_of_a_registry) {
    using rooms = registry<std::string>;
    static constexpr server_name<rooms> the_rooms{"rooms"};
    const auto body = [] {
        const auto r = start(the_rooms).value();
        const via<dummy> hall(the_rooms, "hall");
        says(complaint([&] { call(hall, dummy::get{}); }),
             "dummy::get to \"rooms/hall\" failed: no_process");
        stop(r);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

// Its reason is the server's, which says nothing of the call.
TEST(failed_call, that_nobody_catches_is_named_by_the_crash_report) {
    log_keeper log;
    std::string dead;
    {
        runtime rt({.workers = 1, .log = log.sink()});
        rt.invoke([&] {
            const auto ended = [](auto f) { return down_of(spawn_monitor(f).ref); };
            require_eq(ended([] { call(stock, dummy::get{}); }), reason::no_process);
            const auto s = start<dummy>().value();
            dead = to_string(pid(s));
            require_eq(ended([s] { call(s, dummy::quit_silently{"gone"_a}); }),
                       exit_reason("gone"_a));
            // Caught, and another end later: of that the report speaks.
            ended([] {
                (void)try_call(stock, dummy::get{});
                try {
                    call(stock, dummy::get{});
                } catch (const call_failed&) {
                    exit("other"_a);
                }
            });
        });
    }
    std::vector<std::string> crashes;
    for (const auto& e : log.events())
        if (e.event == "crash") crashes.push_back(e.text.substr(e.text.rfind(" ended: ")));
    EXPECT_THAT(
        crashes,
        testing::UnorderedElementsAre(
            testing::EndsWith("no_process (call heirloom::test::dummy::get to \"stock\")"),
            testing::EndsWith("gone (call heirloom::test::dummy::quit_silently to " + dead + ")"),
            " ended: gone", " ended: other"));
}

TEST(failed_start, says_who_has_the_name) {
    const auto body = [] {
        trap_exit(true);
        const auto first = start(stock).value();
        const auto second = start_link(stock);
        require_eq(to_string(second.error().reason),
                   "{already_started, " + to_string(pid(first)) + "}");
        require(*second.error().reason.detail()->value<pid>() == first);
        const auto sup = supervisor::start_link({.children = {child<dummy>(stock)}});
        says(to_string(sup.error().reason), to_string(second.error().reason));
        stop(first);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

/// Tells whether it was terminated.
class refuses {
public:
    refuses(pid boss, bool at_once) : boss_(boss) {
        if (at_once)
            stop("not_wanted"_a);
        else
            continue_with([] { stop("not_wanted"_a); });
    }
    void terminate(const exit_reason&) { try_send(boss_, "terminated"_a); }
    ~refuses() { try_send(boss_, "destroyed"_a); }

private:
    pid boss_;
};

// OTP: init returns {stop, R}.
TEST(failed_start, does_not_terminate_what_never_was_up) {
    const auto body = [] {
        require_eq(start<refuses>(self(), true).error().reason, exit_reason("not_wanted"_a));
        require_eq(receive<atom>(), "destroyed"_a);
        const auto up = start<refuses>(self(), false).value();
        down_of(monitor(up));
        require_eq(receive<atom>(), "terminated"_a);
        require_eq(receive<atom>(), "destroyed"_a);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

TEST(server_name, is_sent_to_and_watched) {
    const auto body = [] {
        require_eq(thrown_by<no_such_process>([] { send(stock, 1); }).what(),
                   std::string("heirloom: send: there is no process stock"));
        require(!try_send(stock, 1));
        require_eq(down_of(monitor(stock)), reason::no_process);
        const auto s = start(stock).value();
        const auto watch = monitor(stock);
        send(stock, dummy::note{"sent"});
        require(try_send(stock, dummy::note{"tried"}));
        require_eq(call(stock, dummy::seen{}), std::vector<std::string>{"sent", "tried"});
        exit(s, "enough"_a);
        const auto d = receive(when(watch, [](down w) { return w; }));
        require_eq(d.reason, exit_reason("enough"_a));
        require_eq(d.name, stock.name());
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

class shown {
public:
    int state() const { return n_; }
    void set_state(int n) { n_ = n; }

private:
    int n_ = 1;
};

TEST(server_name, is_looked_into) {
    static constexpr server_name<shown> the_shown{"shown"};
    const auto body = [] {
        const auto s = start(the_shown).value();
        sys::suspend(the_shown);
        require(sys::get_status(the_shown).suspended);
        sys::resume(the_shown);
        require_eq(sys::get_status(the_shown).pid, pid(s));
        require_eq(sys::replace_state(the_shown, [](int n) { return n + 1; }), 2);
        require_eq(sys::get_state(the_shown), 2);
        stop(the_shown);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

class summing {
public:
    struct sum {
        using reply = int;
    };
    explicit summing(int first) : sum_(first) {}
    void handle_event(int n) { sum_ += n; }
    int handle_call(sum) { return sum_; }

private:
    int sum_;
};

TEST(event_manager, is_known_by_name) {
    const auto body = [] {
        notify(the_news, 1);  // to nobody
        const auto m = start(the_news).value();
        require(add_handler<summing>(the_news, "a"_a, 10));
        require(add_linked_handler<summing>(the_news, "b"_a, 20));
        notify(the_news, 1);
        sync_notify(the_news, 2);
        require_eq(ask_handler<summing>(the_news, "a"_a, summing::sum{}).value(), 13);
        require((swap_handler<summing, summing>(the_news, "b"_a, "c"_a, 0)));
        require(delete_handler<summing>(the_news, "a"_a));
        require_eq(which_handlers(the_news), which_handlers(m));
        require_eq(which_handlers(the_news).size(), 1u);
        stop(the_news);
        says(complaint([] { sync_notify(the_news, 3); }), "to \"news\" failed: no_process");
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
