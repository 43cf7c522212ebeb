#include <heirloom/heirloom.hpp>

// Uses something of each layer; main ends with 0 only if the answer is right.
class adder {
public:
    struct add {
        using reply = long;
        long amount;
    };
    explicit adder(heirloom::ets::set<int, long> table) : table_(table) {}
    long handle_call(add request) { return table_.update_counter(1, request.amount); }

private:
    heirloom::ets::set<int, long> table_;
};

int main() {
    heirloom::runtime rt;
    return rt.run([] {
        heirloom::ets::set<int, long> table{{.access = heirloom::ets::access::public_}};
        table.insert(1, 40L);
        auto server = heirloom::start_link<adder>(table).value();
        return heirloom::call(server, adder::add{2}) == 42 ? 0 : 1;
    });
}
