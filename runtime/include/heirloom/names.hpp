#pragma once

#include <vector>

#include <heirloom/atom.hpp>
#include <heirloom/pid.hpp>

namespace heirloom {

/// Gives a live process of this runtime a name. Throws bad_argument, with nothing changed, if the name is empty or
/// taken, or if the process has a name already or is dead.
void register_name(atom name, pid who);
/// Frees a name. Throws bad_argument if nobody has it.
void unregister_name(atom name);
/// Who has the name; an empty pid if nobody has.
pid whereis(atom name) noexcept;
/// All names in use.
std::vector<atom> registered();

namespace detail {
/// False if the name is taken, or `who` is dead or has a name. Never throws for the state of the world.
bool try_register_name(atom name, pid who);
}  // namespace detail

}  // namespace heirloom
