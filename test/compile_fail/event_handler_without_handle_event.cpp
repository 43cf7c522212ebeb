// expect: this event handler has no public handle_event
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct handler {};
void f(server<event_manager<int>> m) { add_handler<handler>(m, "a"_a); }
