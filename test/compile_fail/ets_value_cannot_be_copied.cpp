// expect: rows of a table are copied out to whoever reads them
#include <heirloom/ets.hpp>
void wrong() { heirloom::ets::set<long, std::unique_ptr<long>> table{{.name = "x"}}; }
