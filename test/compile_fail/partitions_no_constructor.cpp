// expect: the server has no constructor for these start arguments (passed as const&)
#include <heirloom/heirloom.hpp>
using namespace heirloom;
class cache {
public:
    cache(std::string directory, std::size_t index);
};
void f(const partitions<cache>& all) {
    (void)all.with_arguments([](std::size_t i) { return std::tuple(i, std::string()); });
}
