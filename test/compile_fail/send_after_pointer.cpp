// expect: heirloom: a message must own what it holds; send std::string, std::vector or shared_ptr<const T>
#include <heirloom/timer.hpp>

void f(heirloom::pid to, int* p) { heirloom::send_after(std::chrono::seconds(1), to, p); }
