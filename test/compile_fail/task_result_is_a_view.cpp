// expect: a message must own what it holds
#include <heirloom/heirloom.hpp>
#include <string_view>
using namespace heirloom;
void f(supervisor_name tasks) { (void)async(tasks, [] { return std::string_view("gone"); }); }
