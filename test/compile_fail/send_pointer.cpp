// expect: a message must own what it holds; send std::string, std::vector or shared_ptr<const T>
#include <heirloom/heirloom.hpp>
using namespace heirloom;
void f(pid p, int* n) { send(p, n); }
