// expect: a child is constructed again at every restart, so its arguments are kept and copied
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct s { explicit s(std::unique_ptr<int>); };
void f() { (void)child<s>("s", std::make_unique<int>(1)); }
