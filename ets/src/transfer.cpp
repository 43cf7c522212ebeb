#include <ostream>
#include <string>
#include <vector>

#include <heirloom/ets/table.hpp>
#include <heirloom/ets/transfer.hpp>

namespace heirloom::ets {

void give_away_error::raise() const { throw no_such_process("give_away", to_string(receiver)); }

std::string_view to_string(access a) noexcept {
    switch (a) {
    case access::private_:
        return "private";
    case access::protected_:
        return "protected";
    case access::public_:
        break;
    }
    return "public";
}
std::ostream& operator<<(std::ostream& out, access a) { return out << to_string(a); }

std::string_view to_string(kind k) noexcept {
    switch (k) {
    case kind::set:
        return "set";
    case kind::ordered_set:
        return "ordered_set";
    case kind::bag:
        return "bag";
    case kind::duplicate_bag:
        break;
    }
    return "duplicate_bag";
}
std::ostream& operator<<(std::ostream& out, kind k) { return out << to_string(k); }

void gift::print_type(std::ostream& out, std::string_view type) { out << '<' << type << '>'; }
std::ostream& gift::print(std::ostream& out) const {
    if (held_)
        held_->print(out);
    else
        out << "nothing";
    return out;
}

std::ostream& detail::operator<<(std::ostream& out, const handle& h) {
    return out << h.to_string();
}
std::ostream& operator<<(std::ostream& out, const any_table& table) {
    return out << table.to_string();
}
std::ostream& operator<<(std::ostream& out, const transfer& t) {
    return out << "transfer of " << t.table << " from " << t.from << ": " << t.data;
}

std::vector<any_table> all() {
    std::vector<any_table> tables;
    for (auto& ref : detail::all_tables()) tables.emplace_back(std::move(ref));
    return tables;
}
any_table whereis_any(atom name) { return any_table(detail::find_table(name)); }

}  // namespace heirloom::ets
