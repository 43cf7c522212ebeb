#pragma once

#include "contender.hpp"

#include <caf/all.hpp>

namespace contender {

using start_atom = caf::atom_constant<caf::atom("start")>;
using ping_atom = caf::atom_constant<caf::atom("ping")>;
using pong_atom = caf::atom_constant<caf::atom("pong")>;
using done_atom = caf::atom_constant<caf::atom("done")>;
using next_atom = caf::atom_constant<caf::atom("next")>;
using stop_atom = caf::atom_constant<caf::atom("stop")>;

std::map<std::string, scenario> runtime_scenarios();
std::map<std::string, scenario> savina_scenarios();

/// A system with as many workers as asked for, stealing work, without logging or profiling.
class caf_system {
public:
    explicit caf_system(unsigned workers) : system_(configure(config_, workers)), main_(system_) {}

    caf::actor_system& operator*() { return system_; }
    caf::actor_system* operator->() { return &system_; }
    caf::scoped_actor& main() { return main_; }

    /// Sends `start` to `first` and waits until somebody sends `done` and a number to main().
    double until_done(const caf::actor& first, std::uint64_t& answer) {
        return timed([&] {
            main_->send(first, start_atom::value);
            answer = wait_done();
        });
    }
    std::uint64_t wait_done() {
        std::uint64_t answer = 0;
        main_->receive([&](done_atom, std::uint64_t n) { answer = n; });
        return answer;
    }

private:
    static caf::actor_system_config& configure(caf::actor_system_config& config, unsigned workers) {
        config.set("scheduler.policy", caf::atom("stealing"));
        config.set("scheduler.max-threads", workers);
        return config;
    }

    caf::actor_system_config config_;
    caf::actor_system system_;
    caf::scoped_actor main_;
};

}  // namespace contender
