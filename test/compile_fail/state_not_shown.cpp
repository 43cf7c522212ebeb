// expect: this server does not show its state
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct counter {
    struct increment { using reply = long; };
    struct reset {};
    long handle_call(increment);
    void handle_cast(reset);
};
void f(server<counter> s) { (void)sys::get_state(s); }
