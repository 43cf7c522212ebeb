// expect: nodiscard
#include <heirloom/monitor.hpp>
#pragma GCC diagnostic error "-Wunused-result"

void f() { heirloom::alias(); }
