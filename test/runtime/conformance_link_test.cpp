// Links: conformance/processes, rows ln-*.
#include <gtest/gtest.h>

#include <heirloom/process.hpp>
#include <heirloom/receive.hpp>
#include <heirloom/send.hpp>

#include "runtime/talk.hpp"
#include "support/everywhere.hpp"

using namespace heirloom;
using namespace heirloom::test;
using namespace std::chrono_literals;

TEST(conformance_processes, ln_unlink_stops) {
    run_everywhere([](witness& w) {
        trap_exit(true);
        for (int i = 0; i < w.times(50, 3); ++i) {
            const pid peer = spawn_link([] { receive([](stop) {}); exit("bang"_a); });
            unlink(peer);
            const monitor_ref watch = monitor(peer);
            send(peer, stop{});
            w.equal(receive(when(watch, [](down d) { return d.reason; })), exit_reason("bang"_a));
            w.that(!receive_for<exit_signal>(0s), "no exit signal after unlink");
        }
    });
}
