// expect: this name stands for a server of another class than the child's
#include <heirloom/heirloom.hpp>
using namespace heirloom;
using rooms = registry<std::string>;
inline constexpr server_name<rooms> the_rooms{"rooms"};
class hall {};
class cellar {};
child_spec misuse() { return child<hall>("hall").restart(transient).name(via<cellar>(the_rooms, "hall")); }
