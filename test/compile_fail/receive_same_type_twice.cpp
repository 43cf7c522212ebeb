// expect: two handlers take the same message type
#include <heirloom/heirloom.hpp>
using namespace heirloom;
void f() { receive([](int) {}, [](const int&) {}); }
