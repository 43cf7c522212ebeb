#include "platform/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace heirloom::detail {

void check_failed(const char* condition, const char* why, const char* file, int line) noexcept {
    std::fprintf(stderr, "heirloom: internal error: %s\n  %s:%d: %s does not hold\n", why, file,
                 line, condition);
    std::abort();
}

}  // namespace heirloom::detail
