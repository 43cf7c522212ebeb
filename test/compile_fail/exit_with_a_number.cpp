// expect: deleted function
#include <heirloom/process.hpp>

using namespace heirloom;

void f() { heirloom::exit(1); }
