// expect: this server has no public handle_call for this request
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct counter {
    static constexpr bool leaf = true;
    struct increment { using reply = long; };
    long handle_call(increment);
};
struct other { using reply = int; };
void f(server<counter> s) { call(s, other{}); }
