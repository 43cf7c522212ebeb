// expect: heirloom: receive: a handler takes its message by value, const& or &&, not by plain reference
#include <heirloom/receive.hpp>

void f() {
    heirloom::receive([](int&) {});
}
