// expect: heirloom: a message must own what it holds; send std::string, std::vector or shared_ptr<const T>
#include <heirloom/send.hpp>

void f(heirloom::pid to, int* p) { heirloom::send(to, p); }
