// Stands in for libFuzzer where there is none: inputs from a generator, for as many as
// HEIRLOOM_SEEDS says (times ten), or the files named on the command line. What a fuzzer has found
// becomes a file, and so a test.
#include "support/effort.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int count, char** names) {
    for (int i = 1; i < count; ++i) {
        std::ifstream in(names[i], std::ios::binary);
        const std::vector<char> input(std::istreambuf_iterator<char>(in), {});
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    }
    if (count > 1) return 0;
    std::minstd_rand random(1);
    const std::size_t inputs = heirloom::test::seeds() * 10;
    std::vector<std::uint8_t> input;
    for (std::size_t i = 0; i < inputs; ++i) {
        input.resize(random() % 400);
        for (auto& byte : input) byte = static_cast<std::uint8_t>(random() >> 8);
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    std::printf("%zu inputs\n", inputs);
}
