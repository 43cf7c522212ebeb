// expect: unused-result
#pragma GCC diagnostic error "-Wunused-result"
#include <heirloom/heirloom.hpp>

class worker {};

void start(heirloom::supervisor_name sup) {
    heirloom::start_child(sup, heirloom::child<worker>("worker"));
}
