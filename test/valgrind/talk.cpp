// Much that moves between stacks in little time, for Memcheck: messages, waits, timers, kills, crashes, tables of processes
// that end while others wait, and stacks that are used again. Checks its own answers; what Memcheck says is what counts.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include <heirloom/heirloom.hpp>

using namespace heirloom;
using namespace std::chrono_literals;

namespace {

struct ping {
    pid from;
    std::string text;
};

/// Uses a good part of its stack, at every depth another.
int deep(int n) {
    volatile char frame[256];
    for (volatile char& c : frame) c = static_cast<char>(n);
    return n == 0 ? frame[0] : deep(n - 1) + frame[255] - frame[0] + 1;
}

int ping_pong(int rounds) {
    const pid echo = spawn_link([] {
        for (;;) receive([](const ping& p) { send(p.from, p.text + "!"); });
    });
    int answered = 0;
    for (int i = 0; i < rounds; ++i) {
        send(echo, ping{self(), std::to_string(i)});
        answered += receive<std::string>() == std::to_string(i) + "!";
    }
    unlink(echo);
    exit(echo, reason::kill);
    return answered;
}

/// How the processes of a wave end, by turns.
void live(int i) {
    if (i % 4 == 0) throw std::runtime_error("crashes on purpose");
    if (i % 4 == 1) receive<std::string>();  // is killed
    if (i % 4 == 2) sleep(1ms);
    if (deep(i % 50) != i % 50) exit("wrong"_a);
}
bool ended_so(int i, const exit_reason& why) {
    if (i % 4 == 0) return why.is_crash();
    return why == (i % 4 == 1 ? reason::killed : reason::normal);
}

/// Waves of processes, so that stacks are made, used again and given back.
int waves(int count, int size) {
    int as_they_should = 0;
    for (int w = 0; w < count; ++w) {
        std::vector<spawned> all;
        for (int i = 0; i < size; ++i) all.push_back(spawn_monitor(live, i));
        for (int i = 0; i < size; ++i) {
            const auto& [who, watch] = all[static_cast<std::size_t>(i)];
            if (i % 4 == 1) exit(who, reason::kill);
            as_they_should +=
                receive(when(watch, [i](const down& d) { return ended_so(i, d.reason); }));
        }
    }
    return as_they_should;
}

}  // namespace

int main() {
    options o;
    o.workers = 2;
    o.log = [](const log_event&) {};
    runtime rt(o);
    return rt.run([] {
        const int answered = ping_pong(300);
        const int ended = waves(5, 100);
        std::printf("%d answers, %d ends\n", answered, ended);
        return answered == 300 && ended == 500 ? 0 : 1;
    });
}
