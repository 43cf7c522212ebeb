// expect: heirloom: receive: a handler takes exactly one parameter, its message
#include <heirloom/receive.hpp>

void f() {
    heirloom::receive([](int, int) {});
}
