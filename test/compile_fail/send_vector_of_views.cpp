// expect: a message must own what it holds; send std::string, std::vector or shared_ptr<const T>
#include <heirloom/heirloom.hpp>
using namespace heirloom;
#include <string_view>
void f(pid p) { send(p, std::vector<std::string_view>{}); }
