// expect: say which messages they take
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct s { void handle_info(down); void handle_info(int); };
void f() { (void)start<s>(); }
