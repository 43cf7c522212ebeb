// expect: this machine has no public handle_event for this event in any state
#include <heirloom/heirloom.hpp>
using namespace heirloom;
class machine {
public:
    struct on {};
    using states = one_of<on>;
    struct go {};
    void handle_event(on, go) { next_event(this, 5); }
};
void f(server<machine> m) { cast(m, machine::go{}); }
