// expect: `info` lists a message that no public handle_info takes
#include <heirloom/heirloom.hpp>
using namespace heirloom;
struct s { using info = handles<down, int>; void handle_info(down); };
void f() { (void)start<s>(); }
