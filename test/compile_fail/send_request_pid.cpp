// expect: a pid is identity, not permission to call
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct s { struct ask { using reply = int; }; int handle_call(ask); };
void f(pid p) { send_request(p, s::ask{}); }
