// expect: does not return the request's reply type
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct s { struct ask { using reply = long; }; int handle_call(ask); };
void f(server<s> to) { call(to, s::ask{}); }
