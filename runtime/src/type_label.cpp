// Names of types in words. The ABI's mangled names are one for all compilers but for what has internal linkage and no name,
// which Clang numbers in its own way (`f()::$_0`, GCC `f()::{lambda(int)#1}`); both become `f()::<lambda>`.
#include "heirloom/detail/type_label.hpp"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <unordered_map>

#include <cxxabi.h>

namespace heirloom::detail {
namespace {

constexpr std::string_view lambda = "<lambda>";

/// Past the brace that closes the one at `open`.
std::size_t past_brace(std::string_view text, std::size_t open) {
    std::size_t depth = 0;
    for (std::size_t i = open; i < text.size(); ++i) {
        if (text[i] == '{') ++depth;
        if (text[i] == '}' && --depth == 0) return i + 1;
    }
    return text.size();
}

struct rewriting {
    std::string_view from, to;
};
// The longest first.
constexpr rewriting shorter[] = {
    {"std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >",
     "std::string"},
    {"std::basic_string_view<char, std::char_traits<char> >", "std::string_view"},
    {"(anonymous namespace)", "{anonymous}"},
    {"std::__cxx11::", "std::"},
};

std::string in_words(std::string_view name) {
    std::string words;
    for (std::size_t i = 0; i < name.size();) {
        const std::string_view rest = name.substr(i);
        if (rest.starts_with("{lambda") || rest.starts_with("{unnamed type#")) {
            words += lambda;
            i = past_brace(name, i);
            continue;
        }
        if (rest.starts_with("$_")) {
            words += lambda;
            i = name.find_first_not_of("0123456789", i + 2);
            if (i == std::string_view::npos) break;
            continue;
        }
        const rewriting* found = nullptr;
        for (const rewriting& r : shorter)
            if (!found && rest.starts_with(r.from)) found = &r;
        words += found ? found->to : rest.substr(0, 1);
        i += found ? found->from.size() : 1;
    }
    return words;
}

struct known_words {
    std::mutex mutex;
    std::unordered_map<const char*, std::string> by_mangled;  // guarded by mutex
};

}  // namespace

std::string_view words_of(const std::type_info& type) {
    static known_words& known = *new known_words;  // outlives every static
    const std::lock_guard lock(known.mutex);
    std::string& words = known.by_mangled[type.name()];
    if (words.empty()) {
        int status = 0;
        const std::unique_ptr<char, decltype(&std::free)> name(
            abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
        words = in_words(status == 0 ? name.get() : type.name());
    }
    return words;
}

std::ostream& operator<<(std::ostream& out, const type_label& label) { return out << label.text(); }

}  // namespace heirloom::detail
