#include "heirloom/log.hpp"
#include "scheduler/runtime_core.hpp"

#include <cstdlib>
#include <memory>

#include <cxxabi.h>
#include <dlfcn.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace heirloom {
namespace {

spdlog::level::level_enum level_of(log_level level) noexcept {
    switch (level) {
    case log_level::debug:
        return spdlog::level::debug;
    case log_level::info:
        return spdlog::level::info;
    case log_level::warning:
        return spdlog::level::warn;
    case log_level::error:
        return spdlog::level::err;
    }
    return spdlog::level::err;
}

}  // namespace

std::string_view to_string(log_level level) noexcept {
    switch (level) {
    case log_level::debug:
        return "debug";
    case log_level::info:
        return "info";
    case log_level::warning:
        return "warning";
    case log_level::error:
        return "error";
    }
    return "error";
}

log_sink standard_error_sink(bool detailed) {
    auto logger = std::make_shared<spdlog::logger>(
        "heirloom", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    logger->set_level(spdlog::level::debug);
    return [logger, detailed](const log_event& event) {
        std::string text = event.text;
        if (detailed) {
            for (auto& [name, value] : event.fields)
                text += "\n    " + std::string(name) + ": " + value;
            for (auto& frame : symbolise(event.stack)) text += "\n    at " + frame;
        }
        logger->log(level_of(event.level), "{}", text);
    };
}

void detail::log_later(std::unique_ptr<log_draft> draft) noexcept {
    if (auto* core = runtime_core::current()) core->logs.push(std::move(draft));
}

void log(log_event event) noexcept {
    if (auto* core = detail::runtime_core::current()) core->logs.push(std::move(event));
}

std::vector<std::string> symbolise(const std::vector<void*>& stack) {
    std::vector<std::string> lines;
    for (void* address : stack) {
        char text[32];
        std::snprintf(text, sizeof text, "%p", address);
        Dl_info info{};
        // A return address lies behind its call.
        if (!dladdr(static_cast<char*>(address) - 1, &info)) {
            lines.emplace_back(text);
            continue;
        }
        std::string line;
        if (info.dli_sname) {
            int status = 0;
            std::unique_ptr<char, void (*)(void*)> name(
                abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), &std::free);
            line = status == 0 ? name.get() : info.dli_sname;
        } else {
            line = text;
        }
        if (info.dli_fname) {
            std::snprintf(text, sizeof text, "+0x%zx",
                          static_cast<std::size_t>(static_cast<char*>(address) -
                                                   static_cast<char*>(info.dli_fbase)));
            line += " (" + std::string(info.dli_fname) + text + ")";
        }
        lines.push_back(std::move(line));
    }
    return lines;
}

}  // namespace heirloom
