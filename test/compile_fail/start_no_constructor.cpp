// expect: the server has no constructor for these start arguments
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct s { explicit s(int, int); };
void f() { (void)start<s>(1); }
