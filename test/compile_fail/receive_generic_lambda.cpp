// expect: heirloom: receive: a handler names its one message type; a generic lambda (auto) names none
#include <heirloom/receive.hpp>

void f() {
    heirloom::receive([](auto) {});
}
