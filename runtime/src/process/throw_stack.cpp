#include "process/throw_stack.hpp"

#include "platform/thread_context.hpp"
#include "process/process.hpp"

#include <cstdlib>
#include <memory>
#include <new>
#include <typeinfo>

#include <cxxabi.h>
#include <unwind.h>

namespace heirloom::detail {
namespace {

constexpr unsigned deepest = 64;

}  // namespace

/// Belongs to the process: between the search for a handler and the handler its destructors may wait, change threads, and let
/// others crash.
struct captured_stack {
    void* frames[deepest];
    unsigned count = 0;
};

namespace {

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* argument) {
    auto* s = static_cast<captured_stack*>(argument);
    if (s->count == deepest) return _URC_END_OF_STACK;
    if (void* ip = reinterpret_cast<void*>(_Unwind_GetIP(context))) s->frames[s->count++] = ip;
    return _URC_NO_REASON;
}

}  // namespace

/// The type_info of thrown_stack_probe. Not in the unnamed namespace: the symbol must be seen by the linker.
class probe_type : public std::type_info {
public:
    probe_type() : std::type_info("N8heirloom6detail18thrown_stack_probeE") {}
    bool __do_catch(const std::type_info*, void**, unsigned) const override {
        process* p = this_thread().current;
        if (!p) return false;
        if (!p->thrown) p->thrown = new (std::nothrow) captured_stack;
        if (!p->thrown) return false;
        p->thrown->count = 0;
        _Unwind_Backtrace(&note_frame, p->thrown);
        return false;
    }
};

// The symbol by which the compiler knows the type_info (Itanium C++ ABI, 2.9).
extern const probe_type probe_type_info asm("_ZTIN8heirloom6detail18thrown_stack_probeE");
const probe_type probe_type_info;

std::vector<void*> take_thrown_stack() {
    process* p = this_thread().current;
    std::unique_ptr<captured_stack> s(p ? std::exchange(p->thrown, nullptr) : nullptr);
    if (!s) return {};
    // The innermost frames are this library's and the unwinder's own.
    unsigned first = 0;
    while (first < s->count && first < 4) ++first;
    std::vector<void*> frames(s->frames + first, s->frames + s->count);
    return frames;
}

std::string exception_type_name() {
    const std::type_info* type = abi::__cxa_current_exception_type();
    if (!type) return "foreign exception";
    int status = 0;
    std::unique_ptr<char, void (*)(void*)> name(
        abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free);
    return status == 0 ? name.get() : type->name();
}

}  // namespace heirloom::detail
