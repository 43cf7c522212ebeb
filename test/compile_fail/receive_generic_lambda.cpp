// expect: a handler names its one message type
#include <heirloom/heirloom.hpp>
using namespace heirloom;
void f() { receive([](auto) {}); }
