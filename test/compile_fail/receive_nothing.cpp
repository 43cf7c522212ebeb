// expect: give at least one handler, or a type
#include <heirloom/heirloom.hpp>
using namespace heirloom;
void f() { receive(); }
