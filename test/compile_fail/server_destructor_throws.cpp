// expect: a server's destructor is public and must not throw
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct s {
    ~s() noexcept(false);
};
void f() { (void)start<s>(); }
