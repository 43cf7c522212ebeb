// The same seed gives the same trace byte for byte, whoever compiled it and how: every build compares with the hashes in
// traces.txt, which were written once, by one of them.
#include "determinism/programs.hpp"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <map>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include <heirloom/explore.hpp>

using namespace heirloom;

namespace {

constexpr std::uint64_t seeds = 12;
const char* const golden_file = HEIRLOOM_TRACES "/traces.txt";
const char* const shown_file = HEIRLOOM_TRACES "/stuck.trace";  // one trace in full, to be read

std::string trace_text(const test::traced_program& program, std::uint64_t seed) {
    options o;
    o.max_processes = 1000;
    o.deterministic.faults = program.faults;
    std::string text;
    for (const auto& line : trace_of(program.body, seed, o)) text += line + '\n';
    return text;
}

/// FNV-1a: any function would do that is the same everywhere.
std::string hash(const std::string& text) {
    std::uint64_t h = 0xcbf29ce484222325ull;
    for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    std::ostringstream out;
    out << std::hex << std::setw(16) << std::setfill('0') << h;
    return std::move(out).str();
}

std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    return std::move(all).str();
}

/// `program seed` to its hash.
std::map<std::string, std::string> golden() {
    std::map<std::string, std::string> known;
    std::istringstream in(read(golden_file));
    for (std::string line; std::getline(in, line);) {
        if (line.empty() || line[0] == '#') continue;
        const auto space = line.rfind(' ');
        known[line.substr(0, space)] = line.substr(space + 1);
    }
    return known;
}

bool renewing() { return std::getenv("HEIRLOOM_RENEW_TRACES") != nullptr; }

void renew() {
    std::ofstream out(golden_file);
    out << "# Program, seed, hash of the trace (traces_test.cpp). They change when something that "
           "draws from the seed, or\n"
           "# the words of a trace, is changed on purpose; look at the traces of both, then\n"
           "#     HEIRLOOM_RENEW_TRACES=1 ./dev test --programs determinism_traces\n"
           "# writes this file and stuck.trace anew. A difference between two builds is never a "
           "reason.\n";
    for (const auto& program : test::traced_programs())
        for (std::uint64_t seed = 1; seed <= seeds; ++seed)
            out << program.name << ' ' << seed << ' ' << hash(trace_text(program, seed)) << '\n';
    std::ofstream(shown_file) << trace_text(test::traced_programs()[1], 1);
}

}  // namespace

TEST(trace, is_the_same_from_every_build) {
    if (renewing()) renew();
    const auto known = golden();
    EXPECT_EQ(known.size(), test::traced_programs().size() * seeds);
    for (const auto& program : test::traced_programs())
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            const std::string what = program.name + (" " + std::to_string(seed));
            const std::string text = trace_text(program, seed);
            const auto found = known.find(what);
            ASSERT_NE(found, known.end()) << what << " is not in " << golden_file;
            if (hash(text) == found->second) continue;
            // For a comparison with another build's.
            const std::string path =
                std::string(program.name) + '.' + std::to_string(seed) + ".trace";
            std::ofstream(path) << text;
            FAIL() << "the trace of " << what << " is another than " << golden_file
                   << " says; it is in " << path;
        }
}

TEST(trace, reads_as_the_one_that_was_kept) {
    EXPECT_EQ(trace_text(test::traced_programs()[1], 1), read(shown_file));
}

TEST(trace, of_programs_that_end_as_they_should) {
    for (const auto& program : test::traced_programs()) {
        if (program.faults.kill != 0) continue;  // ends as the faults will have it
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            const std::string text = trace_text(program, seed);
            const std::string end = std::string(program.name) == "stuck"
                                        ? "the seed ends: heirloom: deadlock"
                                        : "the seed ends: well\n";
            EXPECT_NE(text.find(end), std::string::npos)
                << program.name << ' ' << seed << ": " << text.substr(text.rfind("the seed ends"));
        }
    }
}
