// expect: a child is constructed again at every restart, so its arguments are kept and copied
#include <memory>

#include <heirloom/heirloom.hpp>

class worker {
public:
    explicit worker(std::unique_ptr<int> job);
};

void start() { (void)heirloom::child_template<worker, std::unique_ptr<int>>("worker"); }
