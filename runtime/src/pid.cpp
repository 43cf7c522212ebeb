#include "heirloom/pid.hpp"

#include "heirloom/monitor.hpp"

#include <ostream>

namespace heirloom {

std::string to_string(pid p) {
    return '<' + std::to_string(p.runtime_index()) + '.' + std::to_string(p.slot()) + '.' +
           std::to_string(p.generation()) + '>';
}
std::ostream& operator<<(std::ostream& out, pid p) { return out << to_string(p); }

namespace detail {
std::ostream& operator<<(std::ostream& out, const reference& ref) {
    return out << "#ref" << ref.owner << ':' << ref.id;
}
}  // namespace detail

}  // namespace heirloom
