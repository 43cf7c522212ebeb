// expect: after(...) stands last
#include <heirloom/heirloom.hpp>
using namespace heirloom;
using namespace std::chrono_literals;
void f() { receive(after(1s, [] {}), [](int) {}); }
