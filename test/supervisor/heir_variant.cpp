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

const variant the_heir_variant = variant_of<the_counter, counter::increment>(
    "heir", dont_lose, [](int restarts) { return start_tree(restarts).value(); });
}  // namespace heirloom::test
