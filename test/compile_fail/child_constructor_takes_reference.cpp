// expect: the server has no constructor for these start arguments (passed as const&)
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct s { explicit s(std::string&); };
void f() { (void)child<s>("s", std::string("x")); }
