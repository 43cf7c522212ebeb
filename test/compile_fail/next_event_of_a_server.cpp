// expect: next_event is for state machines
#include <heirloom/heirloom.hpp>
using namespace heirloom;
class plain {
public:
    struct go {};
    void handle_cast(go) { next_event(this, go{}); }
};
void f(server<plain> s) { cast(s, plain::go{}); }
