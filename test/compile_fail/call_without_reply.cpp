// expect: a request names its reply
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct counter {
    struct increment { using reply = long; };
    struct reset {};
    long handle_call(increment);
    void handle_cast(reset);
};
void f(server<counter> s) { call(s, counter::reset{}); }
