#include "heirloom/explore.hpp"

#include "heirloom/errors.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

namespace heirloom {
namespace {

constexpr std::size_t processes_a_seed = 100'000;

/// How one run ended; empty: well.
struct outcome {
    std::string why;
    std::vector<std::string> trace;
};

/// Named, as traces tell what a process runs.
struct main_process {
    const std::function<void()>& body;
    bool operator()() const {
        body();
        return true;
    }
};

std::optional<std::uint64_t> number_from_environment(const char* name) {
    const char* text = std::getenv(name);
    if (!text) return {};
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(text, text + std::strlen(text), n);
    if (error != std::errc() || *end != '\0')
        throw bad_argument("explore", std::string(name) + " is no number");
    return n;
}

/// As it was typed, quoted where a shell needs it.
std::string own_command() {
    std::ifstream in("/proc/self/cmdline", std::ios::binary);
    std::string command, argument;
    while (std::getline(in, argument, '\0')) {
        if (!command.empty()) command += ' ';
        if (!argument.empty() &&
            argument.find_first_of(" \t\n\"'\\$*?[](){}<>|&;~#!`") == std::string::npos) {
            command += argument;
            continue;
        }
        command += '\'';
        for (char c : argument) command += c == '\'' ? "'\\''" : std::string(1, c);
        command += '\'';
    }
    return command;
}

options of_seed(const options& given, std::uint64_t seed, std::uint64_t step_limit,
                std::vector<std::string>* trace) {
    options o = given;
    o.deterministic.seed = seed;
    if (step_limit != 0) o.deterministic.step_limit = step_limit;
    if (o.max_processes == 0) o.max_processes = processes_a_seed;
    o.deterministic.trace = nullptr;
    o.log = [trace](const log_event& e) {
        if (trace) trace->push_back("               log  " + e.text);
    };
    if (trace)
        o.deterministic.trace = [trace](std::string_view line) { trace->emplace_back(line); };
    return o;
}

outcome run_once(const std::function<void()>& body, const options& given, std::uint64_t seed,
                 std::uint64_t step_limit, bool tracing) {
    outcome end;
    runtime rt(of_seed(given, seed, step_limit, tracing ? &end.trace : nullptr));
    try {
        rt.run(main_process{body});
    } catch (const main_process_failed& e) {
        end.why = "the main process ended: " + to_string(e.reason());
    } catch (const deadlock& e) {
        end.why = e.what();
    } catch (const limit_reached& e) {
        end.why = e.what();
    }
    if (tracing)
        end.trace.push_back("the seed ends: " + (end.why.empty() ? std::string("well") : end.why));
    return end;
}

void print_trace(std::ostream& out, const std::vector<std::string>& trace, std::size_t last) {
    std::size_t first = last != 0 && trace.size() > last ? trace.size() - last : 0;
    if (first > 0) out << "    ... " << first << " lines before\n";
    for (; first < trace.size(); ++first) out << "    " << trace[first] << '\n';
}

}  // namespace

exploration explore(const std::function<void()>& body, seed_range seeds,
                    const explore_options& options) {
    const auto replayed = number_from_environment("HEIRLOOM_SEED");
    if (replayed)
        seeds = {*replayed, 1};
    else if (const auto count = number_from_environment("HEIRLOOM_SEEDS"))
        seeds.count = *count;
    std::ostream& out = options.out ? *options.out : std::cerr;
    const auto has_failed = [&] { return options.failed && options.failed(); };
    exploration result;
    if (has_failed()) throw bad_argument("explore", "options.failed() holds before the first seed");
    for (std::uint64_t seed = seeds.first; result.seeds < seeds.count; ++seed) {
        ++result.seeds;
        outcome end =
            run_once(body, options.runtime, seed, options.step_limit, replayed.has_value());
        if (end.why.empty() && has_failed()) end.why = "a check of the body failed";
        if (replayed) {
            out << "heirloom: seed " << seed << (options.name.empty() ? "" : " of " + options.name)
                << ":\n";
            print_trace(out, end.trace, 0);
        }
        if (end.why.empty()) continue;
        result.failing_seed = seed;
        result.why = end.why;
        if (!replayed) {
            outcome again = run_once(body, options.runtime, seed, options.step_limit, true);
            if (again.why.empty() && has_failed()) again.why = "a check of the body failed";
            result.reproducible = again.why == end.why;
            end.trace = std::move(again.trace);
        }
        result.trace = std::move(end.trace);
        result.replay = "HEIRLOOM_SEED=" + std::to_string(seed) + ' ' +
                        (options.replay.empty() ? own_command() : options.replay);
        std::ostringstream report;
        report << "heirloom: " << (options.name.empty() ? "the body" : options.name)
               << " fails with seed " << seed << " (" << result.seeds
               << (result.seeds == 1 ? " seed" : " seeds") << " tried)\n  why: " << result.why
               << '\n';
        if (!replayed) {
            report << "  trace:\n";
            print_trace(report, result.trace, options.trace_lines);
        }
        if (!result.reproducible)
            report << "  not reproducible: run again, this seed ends otherwise. Something outside "
                      "the runtime has a say: "
                      "the time of day, a thread, an address, what an earlier seed left behind.\n";
        report << "  replay: " << result.replay << '\n';
        out << std::move(report).str() << std::flush;
        break;
    }
    return result;
}

std::vector<std::string> trace_of(const std::function<void()>& body, std::uint64_t seed,
                                  const options& opts) {
    return run_once(body, opts, seed, 0, true).trace;
}

}  // namespace heirloom
