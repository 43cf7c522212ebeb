// expect: the value does not convert to the request's reply type
#include <heirloom/heirloom.hpp>
using namespace heirloom;
void f(reply_to<int> to) { reply(std::move(to), std::string("x")); }
