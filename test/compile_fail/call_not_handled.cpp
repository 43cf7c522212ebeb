// expect: this server has no public handle_call for this request
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct counter {
    struct increment { using reply = long; };
    struct reset {};
    long handle_call(increment);
    void handle_cast(reset);
};
struct other { using reply = int; };
void f(server<counter> s) { call(s, other{}); }
