#include "process/throw_stack.hpp"

#include <cstdlib>
#include <cxxabi.h>
#include <memory>
#include <typeinfo>
#include <unwind.h>

#include "platform/thread_context.hpp"

namespace heirloom::detail {
namespace {

constexpr unsigned deepest = 64;

/// Captured between the search phase and the handler: both on one thread, with no wait in between.
struct captured_stack {
    void* frames[deepest];
    unsigned count = 0;
};

captured_stack& captured() noexcept {
    static thread_local captured_stack mine;
    return mine;
}
[[gnu::noinline]] captured_stack* captured_here() noexcept {
    captured_stack* s = &captured();
    asm volatile("" : "+r"(s));
    return s;
}

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
        captured_stack* s = captured_here();
        s->count = 0;
        _Unwind_Backtrace(&note_frame, s);
        return false;
    }
};

// The symbol by which the compiler knows the type_info (Itanium C++ ABI, 2.9).
extern const probe_type probe_type_info asm("_ZTIN8heirloom6detail18thrown_stack_probeE");
const probe_type probe_type_info;

std::vector<void*> take_thrown_stack() {
    captured_stack* s = captured_here();
    // The innermost frames are this library's and the unwinder's own.
    unsigned first = 0;
    while (first < s->count && first < 4) ++first;
    std::vector<void*> frames(s->frames + first, s->frames + s->count);
    s->count = 0;
    return frames;
}

std::string exception_type_name() {
    const std::type_info* type = abi::__cxa_current_exception_type();
    if (!type) return "foreign exception";
    int status = 0;
    std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(type->name(), nullptr, nullptr, &status),
                                                &std::free);
    return status == 0 ? name.get() : type->name();
}

}  // namespace heirloom::detail
