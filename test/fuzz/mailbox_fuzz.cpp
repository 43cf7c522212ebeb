// Mailbox patterns: messages of several types and senders, selective receives, guards and limits,
// under the schedule of a seed, against a list. The first eight bytes are the seed, the rest is
// what the receiver does.
#include "heirloom/monitor.hpp"
#include "heirloom/receive.hpp"
#include "heirloom/runtime.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <list>
#include <optional>

using namespace heirloom;
using namespace std::chrono_literals;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

struct red {
    unsigned n;
};
struct green {
    unsigned n;
};
struct blue {
    unsigned n;
};
struct item {
    unsigned type, n;
};

/// The first that matches, taken out, as a receive should.
template <class Matches>
std::optional<item> take(std::list<item>& box, Matches matches) {
    const auto found = std::find_if(box.begin(), box.end(), matches);
    if (found == box.end()) return {};
    const item taken = *found;
    box.erase(found);
    return taken;
}

void same(const std::optional<item>& wanted, const std::optional<item>& got) {
    check(wanted.has_value() == got.has_value());
    if (wanted) check(wanted->type == got->type && wanted->n == got->n);
}

void post(pid to, unsigned type, unsigned n) {
    if (type == 0) send(to, red{n});
    if (type == 1) send(to, green{n});
    if (type == 2) send(to, blue{n});
}

void receiver(const std::uint8_t* data, std::size_t size) {
    std::list<item> box;
    unsigned n = 0;
    const auto none = [] { return std::optional<item>(); };
    for (std::size_t i = 0; i + 1 < size; i += 2) {
        const unsigned argument = data[i + 1];
        switch (data[i] % 7) {
        case 0:
        case 1:  // from itself
            post(self(), argument % 3, ++n);
            box.push_back({argument % 3, n});
            break;
        case 2: {  // from another, who is through before we go on
            const unsigned count = argument % 8;
            const auto sender = spawn_monitor([to = self(), first = n, count] {
                for (unsigned k = 1; k <= count; ++k) post(to, (first + k) % 3, first + k);
            });
            receive(when(sender.ref, [](const down&) {}));
            for (unsigned k = 1; k <= count; ++k) box.push_back({(n + k) % 3, n + k});
            n += count;
            break;
        }
        case 3:  // one type
            same(take(box, [](const item& x) { return x.type == 1; }),
                 receive(
                     [](green g) {
                         return std::optional<item>({1, g.n});
                     },
                     after(0s, none)));
            break;
        case 4:  // two types, the first that came
            same(take(box, [](const item& x) { return x.type != 1; }),
                 receive(
                     [](red r) {
                         return std::optional<item>({0, r.n});
                     },
                     [](blue b) {
                         return std::optional<item>({2, b.n});
                     },
                     after(0s, none)));
            break;
        case 5:  // a guard
            same(take(box, [&](const item& x) { return x.type == 2 && x.n % 3 == argument % 3; }),
                 receive(when([&](const blue& b) { return b.n % 3 == argument % 3; },
                              [](blue b) {
                                  return std::optional<item>({2, b.n});
                              }),
                         after(0s, none)));
            break;
        case 6:  // a guard that throws consumes nothing
            try {
                receive(when([&](const red& r)
                                 -> bool { return r.n % 2 == argument % 2 ? throw 1 : false; },
                             [](red) {}),
                        after(0s, [] {}));
            } catch (int) {
                check(std::any_of(box.begin(), box.end(), [&](const item& x) {
                    return x.type == 0 && x.n % 2 == argument % 2;
                }));
            }
            break;
        }
    }
    for (const item& x : box)
        same(x, receive(
                    [](red r) {
                        return std::optional<item>({0, r.n});
                    },
                    [](green g) {
                        return std::optional<item>({1, g.n});
                    },
                    [](blue b) {
                        return std::optional<item>({2, b.n});
                    },
                    after(0s, none)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::uint64_t seed = 0;
    if (size < sizeof seed) return 0;
    std::memcpy(&seed, data, sizeof seed);
    options o;
    o.max_processes = 500;
    o.deterministic.seed = seed;
    o.log = [](const log_event&) {};
    runtime rt(o);
    check(rt.run([&] { receiver(data + sizeof seed, size - sizeof seed); }) == 0);
    return 0;
}
