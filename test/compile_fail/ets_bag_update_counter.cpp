// expect: a key of a bag has no one value to count on
#include <heirloom/ets.hpp>
void wrong(heirloom::ets::bag<long, long>& bag) { bag.update_counter(1, 1); }
