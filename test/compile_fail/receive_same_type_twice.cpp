// expect: heirloom: receive: two handlers take the same message type; the second would never run
#include <heirloom/receive.hpp>

void f() {
    heirloom::receive([](int) {}, [](const int&) {});
}
