// expect: a bag keeps one of equal objects; use a duplicate_bag
#include <heirloom/ets.hpp>
void wrong(heirloom::ets::bag<long, long>& bag) {
    bag.select_replace([](long, long) { return true; }, [](long, long v) { return v + 1; });
}
