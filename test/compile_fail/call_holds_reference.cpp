// expect: a message must own what it holds; send std::string, std::vector or shared_ptr<const T>
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct s { struct ask { using reply = int; int& n; }; int handle_call(ask); };
void f(server<s> to, int& n) { call(to, s::ask{n}); }
