// expect: a message must own what it holds; send std::string, std::vector or shared_ptr<const T>
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct inner { const int* n; };
struct outer { int a; inner b; };
void f(pid p) { send(p, outer{}); }
