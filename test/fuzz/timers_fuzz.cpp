// Timers: any order of arming, cancelling and expiring, against a list that is searched from end to
// end.
#include "scheduler/timer_queue.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

using namespace heirloom::detail;
using heirloom::timer_ref;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

/// What the queue should hold.
struct expected {
    std::int64_t when;
    std::uint64_t order;
    timer_ref ref;
    std::unique_ptr<timer_node> node;
};

struct model {
    std::vector<expected> armed;
    std::uint64_t order = 0;

    auto earliest() {
        return std::min_element(armed.begin(), armed.end(),
                                [](const expected& a, const expected& b) {
                                    return a.when != b.when ? a.when < b.when : a.order < b.order;
                                });
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    timer_queue queue;
    model m;
    std::vector<timer_ref> gone;
    std::int64_t now = 0;
    for (std::size_t i = 0; i + 1 < size; i += 2) {
        const unsigned argument = data[i + 1];
        switch (data[i] % 6) {
        case 0:
        case 1: {  // arm, with a ref or without
            auto node = std::make_unique<timer_node>();
            timer_ref ref;
            if (data[i] % 6 == 0) {
                ref = queue.reserve(0);
                node->ref = ref;
                queue.attach(ref, node.get());
            }
            const std::int64_t when =
                now + argument / 4;  // few values, so that deadlines are often equal
            const bool first = queue.arm(*node, when);
            m.armed.push_back({when, ++m.order, ref, std::move(node)});
            check(first == (m.earliest() == m.armed.end() - 1));
            break;
        }
        case 2: {  // cancel by node
            if (m.armed.empty()) break;
            const auto at =
                m.armed.begin() + static_cast<std::ptrdiff_t>(argument % m.armed.size());
            check(queue.cancel(*at->node));
            check(!queue.cancel(*at->node));
            if (at->ref) {
                queue.release(at->ref);
                gone.push_back(at->ref);
            }
            m.armed.erase(at);
            break;
        }
        case 3: {  // cancel by ref
            if (m.armed.empty()) break;
            const auto at =
                m.armed.begin() + static_cast<std::ptrdiff_t>(argument % m.armed.size());
            if (!at->ref) break;
            check(queue.deadline(at->ref) == at->when);
            check(queue.cancel(at->ref) == at->node.get());
            check(queue.cancel(at->ref) == nullptr);
            gone.push_back(at->ref);
            m.armed.erase(at);
            break;
        }
        case 4: {  // time passes
            now += argument / 8;
            expired_timer out[3];
            while (const std::size_t n = queue.expire(now, out, 3)) {
                for (std::size_t k = 0; k < n; ++k) {
                    const auto next = m.earliest();
                    check(next != m.armed.end() && next->node.get() == out[k].node &&
                          next->when <= now);
                    if (next->ref) {
                        check(queue.cancel(next->ref) == nullptr);
                        queue.release(next->ref);
                        gone.push_back(next->ref);
                    }
                    m.armed.erase(next);
                }
            }
            check(m.armed.empty() || m.earliest()->when > now);
            break;
        }
        case 5:  // a ref that is gone names nothing, whoever has its slot now
            if (gone.empty()) break;
            check(queue.cancel(gone[argument % gone.size()]) == nullptr);
            check(!queue.deadline(gone[argument % gone.size()]));
            break;
        }
        check(queue.size() == m.armed.size());
        check(queue.earliest() == (m.armed.empty() ? timer_queue::never : m.earliest()->when));
    }
    return 0;
}
