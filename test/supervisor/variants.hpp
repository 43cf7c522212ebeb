#pragma once

#include <iosfwd>

#include <heirloom/heirloom.hpp>

namespace heirloom::test {

/// One of the two counters of examples/dont_lose, as the tests use it.
struct variant {
    const char* name;
    void (*program)(std::ostream& out);            // what main runs
    server<supervisor> (*start)(int restarts);     // the same tree, with another intensity
    long (*increment)(duration limit);             // -1: no answer
    pid (*counter)();                              // the counter's process just now
    exit_reason (*try_increment)(duration limit);  // normal if it was answered
};
/// What both have in common: how a counter of this name is asked.
template <const auto& the_counter, class Increment>
constexpr variant variant_of(const char* name, void (*program)(std::ostream&),
                             server<supervisor> (*start)(int restarts)) {
    return {name,
            program,
            start,
            [](duration limit) -> long {
                auto n = try_call(the_counter, Increment{}, limit);
                return n ? *n : -1;
            },
            [] { return pid(whereis(the_counter)); },
            [](duration limit) -> exit_reason {
                auto n = try_call(the_counter, Increment{}, limit);
                return n ? reason::normal : n.error().reason;
            }};
}
extern const variant the_public_variant;
extern const variant the_heir_variant;

}  // namespace heirloom::test
