#pragma once

#include <span>

#include <heirloom/runtime.hpp>

// Programs whose traces are the same from every build: between them they do most of what a trace tells of.
namespace heirloom::test {

struct traced_program {
    const char* name;
    void (*body)();
    fault_options faults = {};
};
std::span<const traced_program> traced_programs();

}  // namespace heirloom::test
