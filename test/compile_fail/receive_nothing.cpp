// expect: heirloom: receive: give at least one handler, or a type: receive<T>()
#include <heirloom/receive.hpp>

void f() { heirloom::receive(); }
