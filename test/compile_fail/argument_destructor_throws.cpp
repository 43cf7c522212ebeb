// expect: heirloom: a message's destructor must not throw
#include <heirloom/process.hpp>

struct bad {
    ~bad() noexcept(false) {}
};

void f() {
    heirloom::spawn([](const bad&) {}, bad{});
}
