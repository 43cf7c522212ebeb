// expect: heirloom: receive: after(...) stands last
#include <heirloom/receive.hpp>

void f() {
    heirloom::receive(heirloom::after(std::chrono::seconds(1), [] {}), [](int) {});
}
