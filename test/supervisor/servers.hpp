#pragma once

#include "inside.hpp"

#include <string>
#include <utility>
#include <vector>

// The servers that the catalogue's rows about servers are checked with.
namespace heirloom::test {

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
inline std::string next_told() { return receive<told::said>().text; }
inline bool nothing_queued() {
    return receive(when([](const told::said&) { return true; }, [](told::said) { return false; }),
                   after(0s, [] { return true; }));
}

// Nothing at all is in the caller's mailbox.
inline void require_clean(std::source_location where = std::source_location::current()) {
    const auto about = process_info(self());
    std::string queued;
    for (auto& m : about->messages) queued += m + " ";
    require(about->message_queue_len == 0, "left in the mailbox: " + queued, where);
    require(about->monitors.empty(), "a monitor is left", where);
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

}  // namespace heirloom::test
