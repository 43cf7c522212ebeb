// The example itself, under test: its main is left out.
#include "variants.hpp"

#include <iostream>

#include <heirloom/heirloom.hpp>

namespace heirloom::test::heir_variant {
#define main heir_main
#include "../../examples/dont_lose/heir_counter.cpp"
#undef main
}  // namespace heirloom::test::heir_variant

namespace heirloom::test {
namespace {
using namespace heir_variant;
result<server<supervisor>, start_error> start_tree(int restarts) {
    return supervisor::start_link(
        the_supervisor,
        {.strategy = rest_for_one,
         .intensity = {.restarts = restarts},
         .children = {child<keeper>("keeper"), child<counter>(the_counter, the_supervisor)}});
}
}  // namespace

const variant the_heir_variant{"heir",
                               [](std::ostream& out) { dont_lose(out); },
                               [](int restarts) { return start_tree(restarts).value(); },
                               [](duration limit) -> long {
                                   auto n = try_call(the_counter, counter::increment{}, limit);
                                   return n ? *n : -1;
                               },
                               [] { return pid(whereis(the_counter)); },
                               [](duration limit) -> exit_reason {
                                   auto n = try_call(the_counter, counter::increment{}, limit);
                                   return n ? reason::normal : n.error().reason;
                               }};
}  // namespace heirloom::test
