// expect: this is no event of the manager
#include <heirloom/heirloom.hpp>
#include <string>
using namespace heirloom;
void f(server<event_manager<int>> m) { notify(m, std::string("x")); }
