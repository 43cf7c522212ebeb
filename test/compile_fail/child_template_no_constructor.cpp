// expect: the server has no constructor for these start arguments (passed as const&)
#include <heirloom/heirloom.hpp>
using namespace heirloom;
class room {
public:
    explicit room(std::string title);
};
void f() { (void)child_template<room, int>("room"); }
