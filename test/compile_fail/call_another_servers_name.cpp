// expect: this server has no public handle_call for this request
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct counter {
    struct increment { using reply = long; };
    struct reset {};
    long handle_call(increment);
    void handle_cast(reset);
};
struct other { struct ask { using reply = int; }; int handle_call(ask); };
constexpr server_name<other> the_other{"other"};
void f() { call(the_other, counter::increment{}); }
