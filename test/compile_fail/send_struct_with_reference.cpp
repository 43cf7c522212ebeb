// expect: heirloom: a message must own what it holds; send std::string, std::vector or shared_ptr<const T>
#include <heirloom/send.hpp>

struct aliasing {
    int n;
    int& r;
};

void f(heirloom::pid to, int& n) { heirloom::send(to, aliasing{1, n}); }
