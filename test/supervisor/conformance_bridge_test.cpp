// The catalogue's row about the bridge to what is no server.
#include "inside.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace heirloom::test {
namespace {

class legacy {
public:
    legacy(pid boss, std::string how) : boss_(boss) {
        if (how == "ignore") ignore_start();
        if (how == "error") exit("no_legacy"_a);
        inner_ = spawn([] {
            receive<atom>();
            exit("inner_died"_a);
        });
        send(boss_, inner_);
    }
    pid inner() const { return inner_; }
    void terminate(const exit_reason& why) { try_send(boss_, "terminated: " + to_string(why)); }

private:
    pid boss_, inner_;
};

TEST(conformance_behaviours, sb_bridge) {
    const auto body = [] {
        using bridge = supervisor_bridge<legacy>;
        trap_exit(true);
        const pid boss = self();
        require(start_link<bridge>(boss, "ignore").error().kind == start_failure::ignored);
        require_eq(start_link<bridge>(boss, "error").error().reason, exit_reason("no_legacy"_a));
        receive<exit_signal>();
        receive<exit_signal>();
        constexpr server_name<bridge> name{"bridge"};
        auto sup =
            supervisor::start_link({.children = {child<bridge>(name, boss, "good")}}).value();
        const pid first = receive<pid>();
        require(start(name, boss, "good").error().kind == start_failure::already_started);
        send(first, "die"_a);
        require_eq(receive<std::string>(), "terminated: inner_died");
        const pid second = receive<pid>();
        require(second != first);
        exit(second, reason::kill);
        require_eq(receive<std::string>(), "terminated: killed");
        receive<pid>();
        stop(sup);
    };
    EXPECT_TRUE(holds_on_all_workers(body));
}

}  // namespace
}  // namespace heirloom::test
