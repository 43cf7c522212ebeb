// expect: a message must own what it holds
#include <heirloom/heirloom.hpp>
#include <string_view>
using namespace heirloom;
struct s { struct ask { using reply = std::string_view; }; std::string_view handle_call(ask); };
void f(server<s> to) { (void)call(to, s::ask{}); }
