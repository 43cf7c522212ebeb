// expect: handle_call does not return the request's reply type
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct counter {
    static constexpr bool leaf = true;
    struct increment { using reply = long; };
    int handle_call(increment);
};
void f(server<counter> s) { call(s, counter::increment{}); }
