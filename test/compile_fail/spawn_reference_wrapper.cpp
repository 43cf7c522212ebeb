// expect: heirloom: a message must own what it holds; send std::string, std::vector or shared_ptr<const T>
#include <heirloom/process.hpp>

void f(int& n) {
    heirloom::spawn([](std::reference_wrapper<int>) {}, std::ref(n));
}
