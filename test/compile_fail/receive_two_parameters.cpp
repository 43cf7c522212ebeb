// expect: a handler takes exactly one parameter
#include <heirloom/heirloom.hpp>
using namespace heirloom;
void f() { receive([](int, int) {}); }
