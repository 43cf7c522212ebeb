// What survives a crash may be what causes it: a state that crashes its server again each time it is restored, until
// its supervisor gives up. Here the server that comes back once too often puts the state aside, for somebody to
// look at, and begins anew; whoever uses it goes on.
#include <iostream>

#include <heirloom/heirloom.hpp>
using namespace heirloom;

using storage = ets::set<atom, std::vector<std::string>>;

class total {
public:
    struct add {
        using reply = long;
        std::string number;
    };
    explicit total(storage table) : table_(table) {
        if (restarted().in_a_row >= 2) put_aside();
        for (const auto& number : table_.at("numbers"_a)) sum_ += std::stol(number);
    }
    long handle_call(const add& a) {
        table_.update("numbers"_a, [&](auto& numbers) { numbers.push_back(a.number); });
        return sum_ += std::stol(a.number);  // throws for "seven", after that has been kept
    }

private:
    void put_aside() {
        table_.insert("aside"_a, table_.at("numbers"_a));
        table_.insert("numbers"_a, {});
    }
    storage table_;
    long sum_ = 0;
};
inline constexpr server_name<total> the_total{"dont_lose.total"};

int main() {
    runtime rt;
    return rt.run([] {
        storage table({.access = ets::access::public_});
        table.insert("numbers"_a, {});
        auto sup = supervisor::start_link({.children = {child<total>(the_total, table)}}).value();
        std::cout << call(the_total, total::add{"5"}) << "\n";
        try {
            call(the_total, total::add{"seven"});
        } catch (const call_failed& e) {
            std::cout << "crashed: " << e.reason().what() << "\n";
        }
        while (!whereis(the_total) || !table.lookup("aside"_a)) sleep(std::chrono::milliseconds(1));
        std::cout << call(the_total, total::add{"8"}) << "\naside:";
        for (const auto& number : table.at("aside"_a)) std::cout << " " << number;
        std::cout << "\n";
        stop(sup);
    });
}
