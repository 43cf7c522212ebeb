// What does one unit of work cost on this machine, and what floor does that give each scenario?
// Not answered: what any runtime costs. `--json` prints one object for the bench driver; `--quick`: the least of
// three runs instead of nine, and no table of ten million rows.
// The cores may be hyperthreads of one: a line transfer is then between siblings.

#include "floors.hpp"
#include "measure.hpp"
#include "units.hpp"

#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace calibration;

std::vector<std::pair<std::string, double>> measure_all(bool quick) {
    std::vector<std::pair<std::string, double>> all{
        {"load_l1", load_l1()},
        {"load_l2", load_l2()},
        {"load_l3", load_l3()},
        {"load_memory", load_memory()},
        {"branch_mispredict", branch_mispredict()},
        {"locked_instruction", locked_instruction()},
        {"message_block", message_block()},
        {"register_switch", register_switch()},
        {"throw_and_catch", throw_and_catch()},
        {"cycle_counter", cycle_counter()},
        {"clock_read", clock_read()},
        {"line_transfer", line_transfer()},
        {"futex_wake", futex_wake()},
        {"page_first_touch", page_first_touch()},
        {"bare_lookup_1k", bare_lookup(1'000, 1)},
        {"bare_lookup_1k_2_threads", bare_lookup(1'000, 2)},
        {"bare_lookup_10k", bare_lookup(10'000, 1)},
        {"bare_lookup_100k", bare_lookup(100'000, 1)},
        {"bare_lookup_1m", bare_lookup(1'000'000, 1)},
        {"bare_lookup_1m_2_threads", bare_lookup(1'000'000, 2)},
        {"bare_insert_1k", bare_insert(1'000)},
        {"bare_insert_10k", bare_insert(10'000)},
        {"bare_insert_100k", bare_insert(100'000)},
        {"bare_insert_1m", bare_insert(1'000'000)},
        {"bare_update_counter_1k", bare_update_counter(1'000)},
        {"bare_update_counter_1m", bare_update_counter(1'000'000)},
    };
    // Half a gigabyte each: making the table takes longer than measuring it.
    if (!quick) {
        all.emplace_back("bare_lookup_10m", bare_lookup(10'000'000, 1));
        all.emplace_back("bare_lookup_10m_2_threads", bare_lookup(10'000'000, 2));
        all.emplace_back("bare_insert_10m", bare_insert(10'000'000));
        all.emplace_back("bare_update_counter_10m", bare_update_counter(10'000'000));
    }
    return all;
}

}  // namespace

int main(int argc, char** argv) {
    bool json = false;
    bool quick = false;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (std::strcmp(argv[i], "--quick") == 0) {
            quick = true;
            runs_a_unit = 3;
        } else {
            std::fprintf(stderr, "usage: %s [--json] [--quick]\n", argv[0]);
            return 2;
        }
    }
    const auto measured = measure_all(quick);
    const auto bounds = floors({measured.begin(), measured.end()});

    if (json) {
        const char* separator = "";
        std::printf("{\"units\": {");
        for (const auto& [unit, ns] : measured)
            std::printf("%s\"%s\": %.2f", std::exchange(separator, ", "), unit.c_str(), ns);
        separator = "";
        std::printf("}, \"floors\": {");
        for (const auto& [scenario, bound] : bounds)
            std::printf("%s\"%s\": %.1f", std::exchange(separator, ", "), scenario.c_str(),
                        bound.nanoseconds);
        separator = "";
        std::printf("}, \"floors_made_of\": {");
        for (const auto& [scenario, bound] : bounds)
            std::printf("%s\"%s\": \"%s\"", std::exchange(separator, ", "), scenario.c_str(),
                        bound.made_of.c_str());
        std::printf("}}\n");
        return 0;
    }
    std::printf("%-40s %10s\n", "unit", "ns");
    for (const auto& [unit, ns] : measured) std::printf("%-40s %10.2f\n", unit.c_str(), ns);
    std::printf("\n%-40s %10s  made of\n", "floor", "ns");
    for (const auto& [scenario, bound] : bounds)
        std::printf("%-40s %10.1f  %s\n", scenario.c_str(), bound.nanoseconds,
                    bound.made_of.c_str());
    return 0;
}
