// expect: this server has no public handle_call for this request
#include <heirloom/heirloom.hpp>
using namespace heirloom;
class s {
public:
    struct ask { using reply = int; };
private:
    int handle_call(ask);
};
void f(server<s> to) { call(to, s::ask{}); }
