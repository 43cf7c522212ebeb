// The example itself, under test: its main is left out.
#include "variants.hpp"

#include <iostream>

#include <heirloom/heirloom.hpp>

namespace heirloom::test::public_variant {
#define main public_main
#include "../../examples/dont_lose/public_counter.cpp"
#undef main
}  // namespace heirloom::test::public_variant

namespace heirloom::test {
namespace {
using namespace public_variant;
result<server<supervisor>, start_error> start_tree(int restarts) {
    return supervisor::start_link([restarts] {
        auto what = init_public();
        what.intensity.restarts = restarts;
        return what;
    });
}
}  // namespace

const variant the_public_variant = variant_of<the_counter, counter::increment>(
    "public", dont_lose, [](int restarts) { return start_tree(restarts).value(); });
}  // namespace heirloom::test
