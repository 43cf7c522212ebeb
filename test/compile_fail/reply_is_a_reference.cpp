// expect: a reply is a message: it must own what it holds, not refer to it
#include <heirloom/heirloom.hpp>
#include <string>
using namespace heirloom;
struct s { struct ask { using reply = const std::string&; }; const std::string& handle_call(ask); };
void f(server<s> to) { (void)call(to, s::ask{}); }
