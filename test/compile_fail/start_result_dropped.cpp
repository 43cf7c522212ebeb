// expect: unused-result
#pragma GCC diagnostic error "-Wunused-result"
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct counter {
    struct increment { using reply = long; };
    struct reset {};
    long handle_call(increment);
    void handle_cast(reset);
};
void f() { start<counter>(); }
