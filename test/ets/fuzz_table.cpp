// Drives tables and a plain model with the same operations, read from the fuzzer's bytes. Built with libFuzzer when the
// compiler is Clang (target fuzz_ets_table, `-max_total_time=60` in CI); the model tests run it on random bytes otherwise.
#include "fuzz_table.hpp"

#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static heirloom::runtime rt({.workers = 1, .log = [](const heirloom::log_event&) {}});
    try {
        rt.invoke([&] { heirloom::test::drive_tables(data, size); });
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        std::abort();
    }
    return 0;
}
