// expect: a pid is identity, not permission to call
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct get {
    using reply = int;
};
void f(pid somebody) { (void)try_call(somebody, get{}); }
