// expect: heirloom: a message's destructor must not throw
#include <heirloom/send.hpp>

struct bad {
    ~bad() noexcept(false) {}
};

void f(heirloom::pid to) { heirloom::send(to, bad{}); }
