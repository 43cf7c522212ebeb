// expect: this server has no public handle_cast for this message
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct counter {
    struct increment { using reply = long; };
    struct reset {};
    long handle_call(increment);
    void handle_cast(reset);
};
struct other {};
void f(server<counter> s) { cast(s, other{}); }
