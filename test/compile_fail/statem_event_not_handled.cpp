// expect: this machine has no public handle_event for this event in any state
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct m { struct a {}; using states = one_of<a>; void handle_event(a, int); };
void f(server<m> to) { cast(to, std::string("x")); }
