// expect: handle_event does not return the request's reply type
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct m { struct a {}; struct ask { using reply = long; }; using states = one_of<a>; int handle_event(a, ask); };
void f(server<m> to) { call(to, m::ask{}); }
