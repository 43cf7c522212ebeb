// expect: a message must own what it holds; send std::string, std::vector or shared_ptr<const T>
#include <string_view>

#include <heirloom/heirloom.hpp>

class greeter {
public:
    explicit greeter(std::string_view name);
};

void start() { (void)heirloom::child<greeter>("greeter", std::string_view("ann")); }
