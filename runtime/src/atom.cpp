#include "heirloom/atom.hpp"

#include <mutex>
#include <ostream>
#include <unordered_set>

namespace heirloom {
namespace {

struct interned_atoms {
    std::mutex mutex;
    std::unordered_set<std::string> texts;  // node-based: addresses are stable; guarded by mutex
};

}  // namespace

atom atom::intern(std::string_view text) {
    if (text.empty()) return {};
    static auto* const atoms = new interned_atoms;  // atoms outlive everything
    std::lock_guard lock(atoms->mutex);
    const std::string& kept = *atoms->texts.emplace(text).first;
    return atom(detail::hash_text(kept.data(), kept.size()), kept.c_str());
}

std::ostream& operator<<(std::ostream& out, atom a) { return out << a.text(); }

}  // namespace heirloom
