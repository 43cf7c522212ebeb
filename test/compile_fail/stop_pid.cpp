// expect: a pid is identity: stop a server<T>
#include <heirloom/heirloom.hpp>
using namespace heirloom;
void f(pid p) { stop(p); }
