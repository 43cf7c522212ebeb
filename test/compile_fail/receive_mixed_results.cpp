// expect: return one type
#include <heirloom/heirloom.hpp>
using namespace heirloom;
void f() { receive([](int) { return 1; }, [](long) { return 2.0; }); }
