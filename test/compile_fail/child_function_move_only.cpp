// expect: a child is started again at every restart, so its start function is kept and copied
#include <memory>

#include <heirloom/heirloom.hpp>

void start() {
    auto port = std::make_unique<int>(80);
    (void)heirloom::child_function("listener", [port = std::move(port)] { return heirloom::pid(); });
}
