// expect: a handle_call that takes a reply_to returns void
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct s { struct ask { using reply = int; }; int handle_call(ask, reply_to<int>); };
void f(server<s> to) { (void)call(to, s::ask{}); }
