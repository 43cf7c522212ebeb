#pragma once

// What every C++ peer's program shares: the command line, the clock and the line it prints.

#include "support/same_work.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace contender {

/// The command line; `name` is the scenario without its parameters.
struct request {
    std::string scenario;
    std::string name;
    std::map<std::string, std::uint64_t> parameters;
    std::uint64_t n = 0;
    unsigned workers = 1;
    bool lists = false;  // only to say which scenarios there are

    std::uint64_t parameter(const std::string& key, std::uint64_t otherwise) const {
        const auto found = parameters.find(key);
        return found == parameters.end() ? otherwise : found->second;
    }
};

using namespace same_work;

struct outcome {
    double nanoseconds = 0;
    std::uint64_t operations = 0;
    const char* unit = "";
    bool right = false;
};

using scenario = std::function<outcome(const request&)>;

/// How long `work` took, in nanoseconds.
template <class Work>
double timed(Work&& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start)
        .count();
}

inline request parse(int argc, char** argv) {
    request r;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view option = argv[i];
        if (option == "--scenario") r.scenario = argv[i + 1];
        if (option == "--list") r.lists = true;
        if (option == "--n") r.n = std::strtoull(argv[i + 1], nullptr, 10);
        if (option == "--workers") r.workers = static_cast<unsigned>(std::atoi(argv[i + 1]));
    }
    std::string rest = r.scenario;
    while (!rest.empty()) {
        const auto slash = rest.find('/');
        const std::string part = rest.substr(0, slash);
        rest = slash == std::string::npos ? "" : rest.substr(slash + 1);
        if (const auto colon = part.find(':'); colon != std::string::npos)
            r.parameters[part.substr(0, colon)] =
                std::strtoull(part.c_str() + colon + 1, nullptr, 10);
        else
            r.name += (r.name.empty() ? "" : "/") + part;
    }
    if (!r.lists && (r.n == 0 || r.workers == 0)) {
        std::fprintf(stderr, "usage: %s --scenario NAME --n N [--workers W] | --list all\n",
                     argv[0]);
        std::exit(2);
    }
    return r;
}

/// Whether making a hundred thousand of something takes longer than measuring it, and warms up by itself. Nothing goes before
/// memory is weighed: what a first time has touched would seem to cost nothing.
inline bool sets_up_enough(const request& r) {
    for (const auto& [what, count] : r.parameters)
        if (count >= 100'000) return true;
    return r.name == "runtime/idle" || r.name == "runtime/million";
}

/// Warms up with a tenth, measures, prints. The exit status of the program: 3 if there is no such scenario, or (no
/// operations) none of this size.
inline int run(const request& r, const char* name,
               const std::map<std::string, scenario>& scenarios) {
    if (r.lists) {
        for (const auto& [known, body] : scenarios) std::printf("%s\n", known.c_str());
        return 0;
    }
    const auto found = scenarios.find(r.name);
    if (found == scenarios.end()) return 3;
    if (!sets_up_enough(r)) {
        request warm_up = r;
        warm_up.n = r.n / 10 + 1;
        if (found->second(warm_up).operations == 0) return 3;
    }
    const outcome result = found->second(r);
    if (result.operations == 0) return 3;
    std::printf(
        "{\"scenario\": \"%s\", \"contender\": \"%s\", \"ns_per_op\": %.3f, \"unit\": \"%s\", "
        "\"check\": %s}\n",
        r.scenario.c_str(), name, result.nanoseconds / static_cast<double>(result.operations),
        result.unit, result.right ? "true" : "false");
    return result.right ? 0 : 1;
}

}  // namespace contender
