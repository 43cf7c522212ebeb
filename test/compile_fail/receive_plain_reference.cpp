// expect: by value, const& or &&, not by plain reference
#include <heirloom/heirloom.hpp>
using namespace heirloom;
void f() { receive([](int&) {}); }
