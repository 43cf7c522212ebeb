// expect: a table must own what it holds
#include <heirloom/ets.hpp>
void wrong() { heirloom::ets::set<std::string_view, long> table{{.name = "x"}}; }
