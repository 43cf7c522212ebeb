// expect: heirloom: receive: all handlers, and after's function, return one type
#include <heirloom/receive.hpp>

void f() {
    heirloom::receive([](int) { return 1; }, [](long) { return 'x'; });
}
