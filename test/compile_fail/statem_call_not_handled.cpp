// expect: this machine has no public handle_event for this request in any state
#include <heirloom/heirloom.hpp>

class lamp {
public:
    struct off {};
    using states = heirloom::one_of<off>;
    struct is_on {
        using reply = bool;
    };
};

bool ask(heirloom::server<lamp> l) { return call(l, lamp::is_on{}); }
