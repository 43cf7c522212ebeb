// expect: a pid is identity, not permission to call
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct counter {
    struct increment { using reply = long; };
    struct reset {};
    long handle_call(increment);
    void handle_cast(reset);
};
void f(pid p) { cast(p, counter::reset{}); }
